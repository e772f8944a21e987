//! Tables: each row a line, with its cells apart.

use ego_tree::NodeRef;
use scraper::{Node, node::Element};

use super::writer::{Gap, Writer};

/// Words after which a long table says its header again, so that no passage of it is without.
const WORDS_UNDER_HEADER: usize = 80;

/// Bytes of a cell that is written again in each row it spans. A longer one is no label.
const MAX_SPANNING: usize = 100;

type Cell<'a> = NodeRef<'a, Node>;

/// Whether a table only places things on the page: its cells hold what no cell of data holds.
pub(super) fn is_layout(table: Cell<'_>, element: &Element) -> bool {
    let is_block = |name: &str| {
        matches!(
            name,
            "table" | "pre" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "article" | "section"
        )
    };
    let mut inside = table
        .descendants()
        .skip(1)
        .filter_map(|node| node.value().as_element());
    matches!(element.attr("role"), Some("presentation" | "none"))
        || inside.any(|element| is_block(element.name()))
}

/// Writes the rows below `table`; `text` is the text of a cell, `shows` whether an element is to be seen.
pub(super) fn write<'a>(
    table: Cell<'a>,
    writer: &mut Writer,
    text: &mut dyn FnMut(Cell<'a>) -> String,
    shows: &dyn Fn(Cell<'a>) -> bool,
) {
    let named = |node: &Cell<'a>, name: &str| {
        node.value()
            .as_element()
            .is_some_and(|element| element.name() == name)
    };
    let parts = table.children().filter(|node| shows(*node));
    let mut header: Option<String> = None;
    let mut words = 0;
    let mut spanning = Vec::new();
    for part in parts {
        if named(&part, "caption") {
            writer.text(&text(part));
            writer.gap(Gap::Block);
        }
        let is_head = named(&part, "thead");
        for row in part.children().filter(|node| named(node, "tr") && shows(*node)) {
            let cells = row
                .children()
                .filter(|node| (named(node, "td") || named(node, "th")) && shows(*node));
            let cells: Vec<Cell<'a>> = cells.collect();
            let all_headers = cells.iter().all(|cell| named(cell, "th"));
            let line = line(&cells, text, &mut spanning);
            if line.chars().all(|c| c == '|' || c == ' ') {
                continue;
            }
            if is_head || (all_headers && words == 0) {
                header = Some(match header {
                    Some(above) if words == 0 => format!("{above}\n{line}"),
                    _ => line.clone(),
                });
                words = 0;
            } else if words > WORDS_UNDER_HEADER
                && let Some(header) = &header
            {
                for line in header.lines() {
                    writer.text(line);
                    writer.gap(Gap::Line);
                }
                words = 0;
            }
            if !is_head && !all_headers {
                words += line.split_whitespace().count();
            }
            writer.text(&line);
            writer.gap(Gap::Line);
        }
    }
}

/// One row, with the cells of rows above that reach into it. `spanning` has for each column how many rows its cell
/// still goes on, and its text.
fn line<'a>(
    cells: &[Cell<'a>],
    text: &mut dyn FnMut(Cell<'a>) -> String,
    spanning: &mut Vec<(usize, String)>,
) -> String {
    let mut found: Vec<String> = Vec::new();
    let mut cells = cells.iter();
    loop {
        let column = found.len();
        if let Some((rows, above)) = spanning.get_mut(column).filter(|(rows, _)| *rows > 0) {
            *rows -= 1;
            found.push(above.clone());
            continue;
        }
        let Some(cell) = cells.next() else { break };
        let content = text(*cell);
        let attribute = |name| {
            cell.value()
                .as_element()
                .and_then(|element| element.attr(name)?.trim().parse::<usize>().ok())
        };
        if let Some(rows) = attribute("rowspan").filter(|rows| *rows > 1 && content.len() <= MAX_SPANNING) {
            if spanning.len() <= column {
                spanning.resize(column + 1, (0, String::new()));
            }
            spanning[column] = (rows - 1, content.clone());
        }
        found.push(content);
    }
    found.join(" | ")
}
