//! Adapters of the search port.

mod languages;
pub mod postgres;
