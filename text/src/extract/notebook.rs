//! Notebooks of Jupyter: prose, code, and what it printed.

use html_escape::encode_text_to_string;
use serde_json::Value;

use super::{html, markdown};
use crate::{Document, ExtractError};

/// Extracts the notebook `source`, of the third or fourth format. Prose is read as Markdown, code and what it printed keep
/// their lines; of a result that has several forms, the one that readers are shown. Cells and outputs that the author
/// has folded away are no text, nor are traces of errors and raw cells.
pub(super) fn extract(source: &str) -> Result<Document, ExtractError> {
    let notebook: Value = serde_json::from_str(source).map_err(|_| ExtractError::DamagedFile)?;
    let cells = |of: &Value| of["cells"].as_array().cloned();
    let sheets = || {
        let sheets = notebook["worksheets"].as_array()?;
        Some(sheets.iter().filter_map(cells).flatten().collect())
    };
    let cells: Vec<Value> = cells(&notebook)
        .or_else(sheets)
        .ok_or(ExtractError::DamagedFile)?;
    let mut page = String::new();
    for cell in &cells {
        self::cell(cell, &mut page)?;
    }
    Ok(html::extract(&page))
}

/// Appends what readers are shown of a cell.
fn cell(cell: &Value, page: &mut String) -> Result<(), ExtractError> {
    let metadata = &cell["metadata"];
    let is_on = |value: &Value| value.as_bool() == Some(true);
    let has_tag = |tag: &str| {
        let tags = metadata["tags"].as_array();
        tags.is_some_and(|tags| tags.iter().any(|found| found.as_str() == Some(tag)))
    };
    let folds = &metadata["jupyter"];
    if has_tag("remove-cell") || has_tag("hide-cell") {
        return Ok(());
    }
    match cell["cell_type"].as_str().unwrap_or_default() {
        "markdown" => page.push_str(&html::whole(&markdown::render(&text(&cell["source"]))?)),
        "html" => page.push_str(&html::whole(&text(&cell["source"]))),
        "heading" => {
            let level = cell["level"].as_u64().unwrap_or(1).clamp(1, 6);
            page.push_str(&format!("<h{level}>"));
            encode_text_to_string(text(&cell["source"]), page);
            page.push_str(&format!("</h{level}>"));
        }
        "code" => {
            let source = [&cell["source"], &cell["input"]].map(text).concat();
            if !is_on(&folds["source_hidden"]) && !has_tag("hide-input") && !has_tag("remove-input") {
                lines(&source, page);
            }
            let is_folded =
                is_on(&folds["outputs_hidden"]) || is_on(&metadata["collapsed"]) || is_on(&cell["collapsed"]);
            let outputs = cell["outputs"].as_array().filter(|_| !is_folded);
            if !has_tag("hide-output") && !has_tag("remove-output") {
                for shown in outputs.into_iter().flatten() {
                    output(shown, page)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// Appends what readers are shown of an output.
fn output(output: &Value, page: &mut String) -> Result<(), ExtractError> {
    // The third format has the forms of a result beside its type, under shorter names.
    let form = |long: &str, short: &str| {
        match &output["data"][long] {
            Value::Null => Some(text(&output[short])),
            found => Some(text(found)),
        }
        .filter(|text| !text.trim().is_empty())
    };
    match output["output_type"].as_str().unwrap_or_default() {
        "stream" => lines(&printed(&text(&output["text"])), page),
        "error" | "pyerr" => {
            let message = [text(&output["ename"]), text(&output["evalue"])].join(": ");
            lines(&printed(&message), page);
        }
        "execute_result" | "display_data" | "pyout" => {
            let is_picture = ["png", "jpeg", "svg"].iter().any(|kind| !output[kind].is_null())
                || output["data"]
                    .as_object()
                    .is_some_and(|forms| forms.keys().any(|kind| kind.starts_with("image/")));
            if let Some(html) = form("text/html", "html") {
                page.push_str(&html::whole(&html));
            } else if let Some(source) = form("text/markdown", "markdown") {
                page.push_str(&html::whole(&markdown::render(&source)?));
            } else if let Some(tex) = form("text/latex", "latex") {
                page.push_str("<p>");
                encode_text_to_string(tex, page);
                page.push_str("</p>");
            } else if let Some(plain) = form("text/plain", "text").filter(|_| !is_picture) {
                lines(&printed(&plain), page);
            }
        }
        _ => {}
    }
    Ok(())
}

/// A text that may be written as its lines.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

/// What a terminal shows of `text`: without colours, and of a line that was written over, the last.
fn printed(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\u{1b}[") {
        plain.push_str(&rest[..at]);
        rest = rest[at + 2..].trim_start_matches(|c: char| c.is_ascii_digit() || ";?".contains(c));
        rest = rest
            .strip_prefix(|c: char| c.is_ascii_alphabetic())
            .unwrap_or(rest);
    }
    plain.push_str(rest);
    let lines = plain.split('\n').map(|line| {
        let line = line.trim_end_matches('\r');
        line.rsplit('\r').next().unwrap_or_default()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Appends lines that stay lines.
fn lines(text: &str, page: &mut String) {
    if !text.trim().is_empty() {
        // The first line break of it is no part of it.
        page.push_str("<pre>\n");
        encode_text_to_string(text, page);
        page.push_str("</pre>");
    }
}
