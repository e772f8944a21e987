//! A lesson's text: what kind of file it is, its readable text with places to cite, and the passages retrieval
//! works on.
//!
//! [`sniff`] decides from name, declared type and first bytes what an upload is. [`extract`] turns Markdown,
//! plain text, HTML, WebVTT, SubRip, PDF, documents of office programs, books, sites and notebooks into a
//! [`Document`]: text plus [`Anchor`]s that say which page, time or heading each part belongs to. [`chunk`] cuts it into [`Chunk`]s that are verbatim slices of that text, so
//! a quotation can always be found again.
//!
//! Parsers of hostile formats overflow stacks, loop and allocate without bound, which no error handling inside
//! the process can contain. [`Sandbox`] therefore runs both in a child process with hard limits that can reach
//! nothing; [`child_main`] is that child.

mod chunk;
mod document;
mod encoding;
mod error;
mod extract;
mod hash;
mod kind;
mod sandbox;
mod sentences;
mod sniff;
mod units;

pub use chunk::{Chunk, CueStart, chunk};
pub use document::{Anchor, Document, MAX_ANCHORS, MAX_HEADING, MAX_HEADINGS};
pub use error::ExtractError;
pub use extract::extract;
pub use hash::source_hash;
pub use kind::SourceKind;
pub use sandbox::{Confinement, Hold, Limits, SOUND_RATE, Sandbox, Tools, child_main, run_child};
pub use sentences::sentences;
pub use sniff::{Detected, UnsupportedMedia, extensions, promised, sniff};
pub use units::{Unit, UnitKind, units};

/// Version of extraction and chunking together. Raise it when either gives another result for the same bytes:
/// stored passages made with another version are then made anew.
pub const EXTRACTOR_VERSION: &str = "3";
