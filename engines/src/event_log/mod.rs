//! Adapters of the event log port.

pub mod postgres;
