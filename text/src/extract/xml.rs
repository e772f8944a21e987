//! XML as the formats use it: by local names, since each has several namespaces for the same thing.

use roxmltree::{Document, Node, ParsingOptions};

use crate::ExtractError;

/// Elements, texts and comments of one file; the memory of a child has room for some more.
const MAX_NODES: u32 = 3_000_000;

/// Reads `text`. Entities that a file declares itself are refused with it, so that none can grow.
pub(super) fn parse(text: &str) -> Result<Document<'_>, ExtractError> {
    let options = ParsingOptions {
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    let text = text.trim_start_matches('\u{feff}');
    Document::parse_with_options(text, options).map_err(|error| match error {
        roxmltree::Error::NodesLimitReached => ExtractError::Limit,
        _ => ExtractError::DamagedFile,
    })
}

/// The local name of an element, empty for anything else.
pub(super) fn name<'a>(node: Node<'a, '_>) -> &'a str {
    match node.is_element() {
        true => node.tag_name().name(),
        false => "",
    }
}

/// The first child of this name.
pub(super) fn child<'a, 'i>(node: Node<'a, 'i>, named: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| name(*child) == named)
}

/// The children of this name.
pub(super) fn children<'a, 'i: 'a>(node: Node<'a, 'i>, named: &str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| name(*child) == named)
}

/// The first element of this name below `node`.
pub(super) fn find<'a, 'i>(node: Node<'a, 'i>, named: &str) -> Option<Node<'a, 'i>> {
    node.descendants().find(|node| name(*node) == named)
}

/// An attribute by its local name; of two, that without a prefix.
pub(super) fn attribute<'a>(node: Node<'a, '_>, named: &str) -> Option<&'a str> {
    let with_prefix = || {
        let mut attributes = node.attributes().filter(|attribute| attribute.name() == named);
        attributes.next().map(|attribute| attribute.value())
    };
    node.attribute(named).or_else(with_prefix)
}

/// An attribute that is a number.
pub(super) fn number(node: Node<'_, '_>, named: &str) -> Option<i64> {
    attribute(node, named)?.trim().parse().ok()
}

/// All text below `node`.
pub(super) fn text(node: Node<'_, '_>) -> String {
    let texts = node.descendants().filter(Node::is_text);
    texts.filter_map(|node| node.text()).collect()
}
