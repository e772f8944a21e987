//! What a process says of itself: metrics, traces and logs.
//!
//! Every metric of the platform is declared in [`catalogue`], with its labels; dashboards and alerts name those constants, so
//! a metric that is renamed or gone does not compile there. Traces are spans of `tracing`, sent by OTLP where an address is
//! named ([`trace`]). Both know of SQL what sqlx says of it ([`statements`]).

pub mod catalogue;
pub mod exporter;
pub mod logs;
pub mod metric;
pub mod request;
pub mod statements;
pub mod trace;
