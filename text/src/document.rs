//! Extracted text and the places in it that can be cited.

use std::sync::Arc;

/// Characters of a heading in a path; what is longer is cut there and stays whole in the text. Real headings have
/// a tenth of it; a paragraph that became a heading by the dashes under it still fits.
pub const MAX_HEADING: usize = 500;

/// Headings of one document. The longest standards and manuals that are one page have some three thousand.
pub const MAX_HEADINGS: usize = 10_000;

/// Pages, cues and headings of one document: more than fifty hours of captions, one each two seconds.
pub const MAX_ANCHORS: usize = 100_000;

/// The readable text of a source, with its structure beside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Readable text: lines end in `\n`, blocks are separated by a blank line, and there are no control
    /// characters besides `\n` and `\t`.
    pub text: String,
    /// Where pages, cues and sections begin, by ascending `start`. An anchor holds up to the next one; text
    /// before the first has no place.
    pub anchors: Vec<Anchor>,
}

/// The beginning of a page, a cue or a section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Anchor {
    /// Byte offset into [`Document::text`], on a character boundary.
    pub start: usize,
    /// Page number, counted from 1; for paged sources.
    pub page: Option<u32>,
    /// Seconds from the beginning of the recording at which the cue appears; for transcripts.
    pub start_seconds: Option<f64>,
    /// Seconds from the beginning of the recording at which the cue disappears; for transcripts.
    pub end_seconds: Option<f64>,
    /// Headings the text stands under, outermost first, the section's own last; six at most, since neither
    /// Markdown nor HTML has more levels. Each is shared by all sections under it: a long one over many sections
    /// must not be there many times.
    pub heading_path: Vec<Arc<str>>,
}

impl Document {
    /// The anchor that holds at byte `offset`, if the source has any there.
    pub fn anchor_at(&self, offset: usize) -> Option<&Anchor> {
        let after = self.anchors.partition_point(|anchor| anchor.start <= offset);
        self.anchors[..after].last()
    }

    /// Appends `other` as a part of its own. Its text is of `page`, where that is given.
    pub(crate) fn append(&mut self, other: Self, page: Option<u32>) {
        if !self.text.is_empty() && !other.text.is_empty() {
            self.text.push_str("\n\n");
        }
        let start = self.text.len();
        self.text.push_str(&other.text);
        // What stands before the first place of the part must not stand at the last of the part before.
        self.anchors.push(Anchor {
            start,
            page,
            ..Anchor::default()
        });
        self.anchors
            .extend(other.anchors.into_iter().map(|anchor| Anchor {
                start: start + anchor.start,
                page: page.or(anchor.page),
                ..anchor
            }));
    }

    /// Whether the document has more anchors than [`MAX_ANCHORS`] or more headings than [`MAX_HEADINGS`].
    pub(crate) fn is_too_fine(&self) -> bool {
        let is_heading = |anchor: &&Anchor| !anchor.heading_path.is_empty();
        self.anchors.len() > MAX_ANCHORS || self.anchors.iter().filter(is_heading).count() > MAX_HEADINGS
    }
}

/// The open headings while a document is read, outermost first, each with its level.
pub(crate) struct Path<L>(Vec<(L, Arc<str>)>);

impl<L> Default for Path<L> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<L: PartialOrd> Path<L> {
    /// Opens the heading `title`, which closes those of its level and below; answers the path with it.
    pub(crate) fn open(&mut self, level: L, title: &str) -> Vec<Arc<str>> {
        while self.0.pop_if(|(open, _)| *open >= level).is_some() {}
        self.0.push((level, heading(title).into()));
        self.0.iter().map(|(_, title)| Arc::clone(title)).collect()
    }
}

/// As much of `title` as a path holds.
pub(crate) fn heading(title: &str) -> &str {
    let cut = title.char_indices().nth(MAX_HEADING);
    cut.map_or(title, |(end, _)| &title[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_shared_and_cut_between_characters() {
        let mut path = Path::default();
        let outer = path.open(1, &"ä".repeat(MAX_HEADING + 1));
        assert_eq!(outer[0].chars().count(), MAX_HEADING);
        let inner = path.open(2, "inner");
        assert!(Arc::ptr_eq(&outer[0], &inner[0]));
        assert_eq!(path.open(1, "next").len(), 1);
    }

    #[test]
    fn documents_of_too_many_parts_are_noticed() {
        let of = |count: usize, title: &str| Document {
            text: String::new(),
            anchors: vec![
                Anchor {
                    heading_path: Some(title)
                        .filter(|title| !title.is_empty())
                        .map(Arc::from)
                        .into_iter()
                        .collect(),
                    ..Anchor::default()
                };
                count
            ],
        };
        assert!(!of(MAX_ANCHORS, "").is_too_fine() && of(MAX_ANCHORS + 1, "").is_too_fine());
        assert!(!of(MAX_HEADINGS, "x").is_too_fine() && of(MAX_HEADINGS + 1, "x").is_too_fine());
    }
}
