//! Presentations of PowerPoint.

mod shapes;

use roxmltree::Node;

use super::{
    flow::Flow,
    package::{Relations, main_part},
};
use crate::{
    Document, ExtractError,
    extract::{
        archive::Archive,
        html,
        xml::{self, attribute, child, children, find, name},
    },
};
use shapes::Shapes;

/// Extracts the presentation `bytes`: its slides in their order, each with its title as heading and its notes after
/// it, as the page of its number. Hidden slides and shapes are no text, nor are dates, feet and numbers.
pub(in super::super) fn extract(bytes: &[u8]) -> Result<Document, ExtractError> {
    let mut archive = Archive::open(bytes)?;
    let main = main_part(&mut archive)?;
    let relations = Relations::of(&mut archive, &main)?;
    let text = archive.required(&main)?;
    let presentation = xml::parse(&text)?;
    if name(presentation.root_element()) != "presentation" {
        return Err(ExtractError::DamagedFile);
    }
    let mut document = Document::default();
    let slides = child(presentation.root_element(), "sldIdLst");
    let slides = slides.map(|slides| children(slides, "sldId"));
    for (number, slide) in (1_u32..).zip(slides.into_iter().flatten()) {
        let Some(part) = reference(slide).and_then(|id| relations.by_id(id)) else {
            continue;
        };
        if let Some(html) = self::slide(&mut archive, part)? {
            document.append(html::extract(&html), Some(number));
        }
    }
    Ok(document)
}

/// What a slide shows, as HTML, and its notes. None for a hidden one.
fn slide(archive: &mut Archive<'_>, part: &str) -> Result<Option<String>, ExtractError> {
    let text = archive.required(part)?;
    let document = xml::parse(&text)?;
    let root = document.root_element();
    if attribute(root, "show").is_some_and(|show| matches!(show, "0" | "false")) {
        return Ok(None);
    }
    let relations = Relations::of(archive, part)?;
    let layout = relations.text(archive, "slideLayout")?;
    let layout = layout.as_deref().map(xml::parse).transpose()?;
    let mut shapes = Shapes::of(root, layout.as_ref().map(roxmltree::Document::root_element));
    let mut flow = Flow::default();
    if let Some(title) = shapes.title() {
        flow.heading(1, &title);
    }
    if let Some(tree) = find(root, "spTree") {
        shapes.write(tree, &mut flow);
    }
    for id in std::mem::take(&mut shapes.diagrams) {
        let Some(part) = relations.by_id(id) else { continue };
        if let Some(text) = archive.text(part)? {
            diagram(xml::parse(&text)?.root_element(), &mut flow);
        }
    }
    if let Some(notes) = relations.text(archive, "notesSlide")? {
        let notes = xml::parse(&notes)?;
        if let Some(tree) = find(notes.root_element(), "spTree") {
            Shapes::of(notes.root_element(), None).notes(tree, &mut flow);
        }
    }
    Ok(Some(flow.finish()))
}

/// The texts of a diagram, which is drawn from its data.
fn diagram(data: Node<'_, '_>, flow: &mut Flow) {
    let is_shown = |point: &Node<'_, '_>| matches!(attribute(*point, "type"), None | Some("node" | "asst"));
    let points = data.descendants().filter(|node| name(*node) == "pt");
    for point in points.filter(is_shown) {
        let html = child(point, "t").map(shapes::text).unwrap_or_default();
        if !html.trim().is_empty() {
            flow.item(0, None, &html);
        }
    }
}

/// The id of a relation that `node` names: `id` without a prefix is something else.
fn reference<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    let mut attributes = node.attributes();
    let found = attributes.find(|attribute| attribute.name() == "id" && attribute.namespace().is_some());
    found.map(|attribute| attribute.value())
}
