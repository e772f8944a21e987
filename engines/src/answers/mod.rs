//! Adapters of the answer port.

pub mod extractive;
