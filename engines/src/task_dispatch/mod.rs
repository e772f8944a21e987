//! Adapters of the task dispatch port.

pub mod postgres;
