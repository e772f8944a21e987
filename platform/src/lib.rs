//! The shared floor of SmartCourse: what every service stands on and nothing that belongs to one of them.
//! Each module says in its first line what it holds. Whatever takes a pool or a transaction fails with `unavailable`
//! when the database does not answer; that is not said again at each.

pub mod batch;
pub mod clock;
pub mod coalesce;
pub mod concurrency;
pub mod config;
pub mod error;
pub mod events;
pub mod fault;
pub mod grpc;
pub mod http;
pub mod idempotency;
pub mod lifecycle;
pub mod open_writes;
pub mod outbox;
pub mod page;
pub mod ports;
pub mod postgres;
pub mod read_through;
pub mod reader;
pub mod runs;
pub mod server;
mod sleep;
pub mod tasks;
pub mod tls;
pub mod unbroken;
pub mod unseen;
pub mod upkeep;
pub mod waker;

pub use error::{Error, Result};
pub use unbroken::unbroken;
