//! Adapters of the file port.

pub mod directory;
mod objects;
