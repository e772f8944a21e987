//! Adapters of the search port.

pub mod postgres;
