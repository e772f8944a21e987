//! Parts of a document of Office Open XML, and how they name each other.

use crate::{
    ExtractError,
    extract::{
        archive::{Archive, resolve},
        xml,
    },
};

/// What a part names another by.
struct Relation {
    id: String,
    /// The last word of the type, which is the same in both editions of the standard.
    kind: String,
    target: String,
}

/// The parts a part names.
#[derive(Default)]
pub(super) struct Relations(Vec<Relation>);

impl Relations {
    /// What `part` of `archive` names.
    pub(super) fn of(archive: &mut Archive<'_>, part: &str) -> Result<Self, ExtractError> {
        let (directory, file) = part.rsplit_once('/').unwrap_or(("", part));
        let name = format!("{directory}/_rels/{file}.rels");
        let Some(text) = archive.text(name.trim_start_matches('/'))? else {
            return Ok(Self::default());
        };
        let document = xml::parse(&text)?;
        let inside = |node: &roxmltree::Node<'_, '_>| xml::attribute(*node, "TargetMode") != Some("External");
        let relations = xml::children(document.root_element(), "Relationship")
            .filter(inside)
            .filter_map(|node| {
                Some(Relation {
                    id: xml::attribute(node, "Id")?.to_owned(),
                    kind: xml::attribute(node, "Type")?.rsplit('/').next()?.to_owned(),
                    target: resolve(part, xml::attribute(node, "Target")?),
                })
            });
        Ok(Self(relations.collect()))
    }

    /// The part that is named by `id`.
    pub(super) fn by_id(&self, id: &str) -> Option<&str> {
        let found = self.0.iter().find(|relation| relation.id == id);
        found.map(|relation| relation.target.as_str())
    }

    /// The first part that is named as this kind of thing.
    pub(super) fn by_kind(&self, kind: &str) -> Option<&str> {
        let found = self.0.iter().find(|relation| relation.kind == kind);
        found.map(|relation| relation.target.as_str())
    }

    /// The text of the first part of a kind.
    pub(super) fn text(&self, archive: &mut Archive<'_>, kind: &str) -> Result<Option<String>, ExtractError> {
        let part = self.by_kind(kind).map(|part| archive.text(part));
        part.transpose().map(Option::flatten)
    }
}

/// The name of the part that is the document.
pub(super) fn main_part(archive: &mut Archive<'_>) -> Result<String, ExtractError> {
    let relations = Relations::of(archive, "")?;
    let part = relations.by_kind("officeDocument").map(str::to_owned);
    part.ok_or(ExtractError::DamagedFile)
}
