//! The shared floor of SmartCourse: what every service stands on and nothing that belongs to one of them.
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | what crates declare of their settings, a file and the environment, checked at once |
//! | [`error`] | one enum of kinds and codes, projected to problem+json, gRPC and Temporal |
//! | [`postgres`] | the pool, transactions, migrations, mapping of database errors |
//! | [`outbox`] | what a transaction leaves behind: workflow starts, cancellations and events |
//! | [`open_writes`] | writes to engines that outlive their transaction |
//! | [`idempotency`] | requests that are sent again |
//! | [`tasks`] | the queue of background tasks |
//! | [`events`] | the event log read by consumer groups |
//! | [`grpc`] | servers, channels, service tokens and the acting user |
//! | [`server`] | connections: how many, and how long one that does nothing is kept |
//! | [`http`] | request ids |
//! | [`ports`] | what the services need of engines: traits alone, the adapters are in the crate `engines` |
//! | [`coalesce`], [`batch`] | reads that come at the same time share one: of one thing, of different ones |
//! | [`reader`] | connections of short reads, handed on |
//! | [`mod@unbroken`] | work that goes on when its client hangs up |
//! | [`concurrency`] | so many at once for each key |
//! | [`waker`] | waiting for what a transaction left behind |
//! | [`lifecycle`], [`fault`], [`page`] | graceful stop, kill points for tests, cursors |
//! | [`clock`], [`upkeep`] | what time it is, the clean-up of settled rows |

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
pub mod reader;
pub mod server;
pub mod tasks;
pub mod unbroken;
pub mod upkeep;
pub mod waker;

pub use error::{Error, Result};
pub use unbroken::unbroken;
