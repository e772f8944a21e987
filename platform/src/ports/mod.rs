//! Ports: what the services need from an engine, and no more. One folder or file per port; the embedded adapter first.
//! Nothing outside this module knows which adapter is in use.

pub mod answers;
pub mod cache;
pub mod documents;
pub mod embeddings;
pub mod files;
pub mod mail;
mod outgoing;
pub mod push;
pub mod search;
pub mod sms;
pub mod vectors;
