//! Adapters of the document port.

pub mod postgres;
