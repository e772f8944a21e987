//! The platform against a real PostgreSQL and real sockets: one executable, since each would carry all the platform stands on.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod outbox;
mod postgres;
mod reader;
mod refusals;
mod server;
mod tasks;
mod upkeep;
mod waking;
