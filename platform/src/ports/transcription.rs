//! The transcription port: from a piece of a recording to what is said in it, with times.

use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;

/// What is said between two moments of a piece.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Seconds from the begin of the piece.
    pub start: f64,
    /// The same, behind `start`.
    pub end: f64,
    /// The words.
    pub text: String,
}

/// Something that writes down what is said.
#[async_trait]
pub trait Transcriber: Send + Sync {
    /// Names the model: what another one wrote is another transcript.
    fn model(&self) -> &str;
    /// How long a recording may be that is given to it, piece by piece.
    fn longest(&self) -> Duration;
    /// What is said in a piece, which is a WAV file of at most 25 MB, in order. `language` is that of the course (BCP 47), where it is
    /// known.
    ///
    /// Fails with `transcription_refused` when no other try would help, else with `unavailable`, with the fact `retry_after` when it
    /// has said how many seconds to wait. Nothing is promised of how often a piece is paid for when an answer is lost.
    async fn transcribe(&self, piece: Vec<u8>, language: Option<&str>) -> Result<Vec<Segment>>;
}
