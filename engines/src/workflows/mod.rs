//! Adapters of the workflow port.

mod schedule;
pub mod temporal;
