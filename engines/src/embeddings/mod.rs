//! Adapters of the embedding port.

pub mod embedded;
