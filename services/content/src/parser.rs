//! Runs of the parser: how they are watched, and what one means that could not be.

use std::time::Instant;

use smartcourse_platform::Error;
use smartcourse_telemetry::{
    catalogue::{PARSING, PARSING_SECONDS},
    metric::UnderWay,
};
use smartcourse_text::ExtractError;
use tracing::Instrument as _;

use crate::codes;

/// A parser that could not be run.
pub(crate) fn unreadable(error: ExtractError) -> Error {
    Error::new(&codes::UNAVAILABLE, "a text could not be read").because(error)
}

/// Watches a run of the parser.
pub(crate) async fn parsing<T>(
    run: impl Future<Output = Result<T, ExtractError>>,
) -> Result<T, ExtractError> {
    let begun = Instant::now();
    let _under_way = UnderWay::begin(&PARSING, []);
    let outcome = run.instrument(tracing::info_span!("parse")).await;
    let label = outcome.as_ref().map_or_else(ExtractError::code, |_| "ok");
    PARSING_SECONDS.since(begun, [label]);
    outcome
}
