//! Adapters of the rate limit port.

pub mod in_process;
