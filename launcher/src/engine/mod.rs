//! The engines that run as our children.

mod cluster;
mod postgres;
mod temporal;

pub use postgres::Postgres;
pub(crate) use temporal::DYNAMIC_CONFIG;
pub use temporal::{TemporalOptions, TemporalPorts, TemporalServer};

use std::time::Duration;

use crate::DataDir;
use crate::process::{Escalation, Plan, Tie};

/// How an engine is kept: whoever owns it hears of its end, and `marker` is a word of its command line.
pub(crate) fn plan(name: &'static str, dir: &DataDir, marker: String, stop: Escalation) -> Plan {
    Plan {
        name,
        log: dir.log(name),
        tie: Tie::Watchdog(marker),
        stop,
        drop: Duration::from_secs(5),
        restart: None,
    }
}
