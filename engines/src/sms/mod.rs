//! Adapters of the text message port.

pub mod twilio;
