//! Formulas of Office, as they would be typed in a line.

use roxmltree::Node;

use crate::extract::xml::{attribute, child, children, name};

/// Formulas within formulas that are read.
const MAX_DEPTH: usize = 60;

/// Appends the formula `node` to `line`.
pub(super) fn write(node: Node<'_, '_>, line: &mut String) {
    write_at(node, line, 0);
}

fn write_at(node: Node<'_, '_>, line: &mut String, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    let part = |named: &str| {
        let mut part = String::new();
        if let Some(node) = child(node, named) {
            write_all(node, &mut part, depth);
        }
        part
    };
    // A property of the element, such as the sign of a sum.
    let property = |named: &str| {
        let properties = node.children().find(|child| name(*child).ends_with("Pr"));
        properties.and_then(|properties| attribute(child(properties, named)?, "val"))
    };
    match name(node) {
        "t" => line.push_str(node.text().unwrap_or_default()),
        "f" => {
            let (top, bottom) = (grouped(&part("num")), grouped(&part("den")));
            line.push_str(&format!("{top}/{bottom}"));
        }
        "sSup" => line.push_str(&format!("{}^{}", part("e"), grouped(&part("sup")))),
        "sSub" => line.push_str(&format!("{}_{}", part("e"), grouped(&part("sub")))),
        "sSubSup" => line.push_str(&format!(
            "{}_{}^{}",
            part("e"),
            grouped(&part("sub")),
            grouped(&part("sup"))
        )),
        "rad" => {
            let root = match part("deg").as_str() {
                "" | "2" => "√".to_owned(),
                degree => format!("{degree}√"),
            };
            line.push_str(&format!("{root}({})", part("e")));
        }
        "nary" => {
            line.push_str(property("chr").unwrap_or("∫"));
            for (mark, limit) in [('_', part("sub")), ('^', part("sup"))] {
                if !limit.is_empty() {
                    line.push_str(&format!("{mark}{}", grouped(&limit)));
                }
            }
            line.push(' ');
            line.push_str(&part("e"));
        }
        "d" => {
            let parts = children(node, "e").map(|part| {
                let mut inner = String::new();
                write_all(part, &mut inner, depth);
                inner
            });
            let parts = parts.collect::<Vec<_>>().join(property("sepChr").unwrap_or("|"));
            let (begin, end) = (
                property("begChr").unwrap_or("("),
                property("endChr").unwrap_or(")"),
            );
            line.push_str(&format!("{begin}{parts}{end}"));
        }
        "func" => line.push_str(&format!("{} {}", part("fName"), part("e"))),
        "m" => {
            let rows = children(node, "mr").map(|row| {
                let cells = children(row, "e").map(|cell| {
                    let mut inner = String::new();
                    write_all(cell, &mut inner, depth);
                    inner
                });
                cells.collect::<Vec<_>>().join(", ")
            });
            line.push_str(&format!("[{}]", rows.collect::<Vec<_>>().join("; ")));
        }
        named if named.ends_with("Pr") => {}
        _ => write_all(node, line, depth),
    }
}

fn write_all(node: Node<'_, '_>, line: &mut String, depth: usize) {
    for child in node.children() {
        write_at(child, line, depth + 1);
    }
}

/// `part` as one, in brackets if it is of several signs that are no number and no name.
fn grouped(part: &str) -> String {
    match part.chars().all(char::is_alphanumeric) {
        true => part.to_owned(),
        false => format!("({part})"),
    }
}
