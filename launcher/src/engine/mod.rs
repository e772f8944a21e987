//! The engines that run as our children.

mod child;
mod cluster;
mod orphan;
mod postgres;
mod temporal;
mod watchdog;

pub use postgres::Postgres;
pub use temporal::{TemporalOptions, TemporalPorts, TemporalServer};
