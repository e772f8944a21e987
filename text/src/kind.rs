//! The formats text is extracted from.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A format [`extract`](crate::extract) reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// CommonMark with tables, footnotes and strikethrough.
    Markdown,
    /// Text without markup.
    PlainText,
    /// HTML.
    Html,
    /// WebVTT subtitles.
    WebVtt,
    /// SubRip subtitles.
    Srt,
    /// PDF with a text layer.
    Pdf,
    /// A Word document of Office Open XML.
    Docx,
    /// A PowerPoint presentation of Office Open XML.
    Pptx,
    /// A text of OpenDocument.
    Odt,
    /// A book.
    Epub,
    /// Pages of HTML that link to each other, in one archive.
    Site,
    /// A notebook of Jupyter.
    Notebook,
    /// A picture of text, which only a [`Sandbox`](crate::Sandbox) with [`Tools`](crate::Tools) reads.
    Image,
    /// A recording that may have subtitles, which only a [`Sandbox`](crate::Sandbox) with [`Tools`](crate::Tools) reads.
    Recording,
    /// What was recognised in pictures, one line a line, pages apart by form feeds.
    Recognised,
}

impl SourceKind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::Markdown,
        Self::PlainText,
        Self::Html,
        Self::WebVtt,
        Self::Srt,
        Self::Pdf,
        Self::Docx,
        Self::Pptx,
        Self::Odt,
        Self::Epub,
        Self::Site,
        Self::Notebook,
        Self::Image,
        Self::Recording,
        Self::Recognised,
    ];

    /// Whether its files are text, which anybody can read as it is stored.
    pub(crate) fn is_text(self) -> bool {
        matches!(
            self,
            Self::Markdown | Self::PlainText | Self::Html | Self::WebVtt | Self::Srt | Self::Notebook
        )
    }

    /// Whether its files are ZIP archives of files.
    pub(crate) fn is_archive(self) -> bool {
        matches!(
            self,
            Self::Docx | Self::Pptx | Self::Odt | Self::Epub | Self::Site
        )
    }

    /// Whether its files are pictures or recordings.
    pub(crate) fn is_media(self) -> bool {
        matches!(self, Self::Image | Self::Recording)
    }

    /// Stable name, the same as in serialised form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::PlainText => "plain_text",
            Self::Html => "html",
            Self::WebVtt => "web_vtt",
            Self::Srt => "srt",
            Self::Pdf => "pdf",
            Self::Docx => "docx",
            Self::Pptx => "pptx",
            Self::Odt => "odt",
            Self::Epub => "epub",
            Self::Site => "site",
            Self::Notebook => "notebook",
            Self::Image => "image",
            Self::Recording => "recording",
            Self::Recognised => "recognised",
        }
    }
}

impl FromStr for SourceKind {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_a_round_trip_and_agree_with_serde() {
        for kind in SourceKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert!("xlsx".parse::<SourceKind>().is_err());
    }
}
