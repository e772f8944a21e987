//! The settings of uploads, texts and versions.

use serde::Deserialize;
use smartcourse_platform::config::{Days, Declared, Problems, Reader, Section};

/// What is declared here.
pub const CONFIG: Declared = Declared::of(include_str!("config.toml"), &[Reader::of::<Content>()]);

/// `[content]`
#[derive(Debug, Clone, Deserialize)]
pub struct Content {
    /// Largest upload in bytes.
    pub max_upload_bytes: i64,
    /// Bytes of a part of an upload; more where a file would have too many parts.
    pub upload_part_bytes: i64,
    /// Hours an upload in parts may take.
    pub keep_open_uploads_hours: u32,
    /// Words of a chunk at most.
    pub chunk_words: usize,
    /// Hours a superseded version stays.
    pub retain_hours: i32,
    /// Superseded versions that always stay.
    pub retain_versions: i32,
    /// Days for which an upload is kept that neither the draft nor a version names.
    pub keep_unused_uploads_days: Days,
    /// Days for which an embedding is kept that no version uses.
    pub keep_embeddings_days: Days,
}

impl Section for Content {
    const NAME: &'static str = "content";

    fn check(&self, problems: &mut Problems) {
        problems.require(
            (20..=200).contains(&self.chunk_words),
            "content.chunk_words: must be 20 to 200",
        );
        problems.require(
            self.max_upload_bytes > 0 && self.upload_part_bytes > 0,
            "content: max_upload_bytes and upload_part_bytes must be positive",
        );
        problems.require(
            (1..=8760).contains(&self.keep_open_uploads_hours),
            "content.keep_open_uploads_hours: must be 1 to 8760",
        );
        problems.require(
            self.retain_hours >= 0 && self.retain_versions >= 0,
            "content: retain_hours and retain_versions must not be negative",
        );
        problems.days("content.keep_unused_uploads_days", self.keep_unused_uploads_days);
        problems.days("content.keep_embeddings_days", self.keep_embeddings_days);
    }
}
