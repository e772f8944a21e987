//! What a process says of itself: metrics, traces and logs.
//!
//! Every metric of the platform is declared in [`catalogue`], and recorded with the labels that are declared of it. Traces are
//! spans of `tracing`, sent by OTLP where an address is named ([`trace`]). Both know of SQL what sqlx says of it ([`statements`]).

pub mod catalogue;
pub mod exporter;
pub mod logs;
pub mod metric;
pub mod request;
pub mod statements;
pub mod trace;
