//! Adapters of the vector port.

pub mod postgres;
