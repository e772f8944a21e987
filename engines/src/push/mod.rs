//! Adapters of the push message port.

pub mod web_push;
