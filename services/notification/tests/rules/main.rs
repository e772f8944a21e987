//! The rules of messages, over the service's own interface: who is told what, over which channels, and what became of it.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod deliveries;
mod feed;
mod harness;
mod wishes;
