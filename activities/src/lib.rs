//! Implementations of the declared activities: each is one typed call, made from its declaration.
//!
//! An activity decides nothing: it calls one service once, and the [`perform`](report::Reporter::perform) wrapper does
//! what all of them need – a heartbeat each second, cancellation, progress reports, and errors with their codes.

mod calls;
mod report;

use std::time::Duration;

pub use calls::Activities;
use report::Reporter;

/// A call that handles much ends before its activity's limit of half an hour does.
const LONGEST_CALL: Duration = Duration::from_secs(1790);
