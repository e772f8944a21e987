//! What measurements have in common: how operations went, what the machine did meanwhile, and tables that tell of it.

pub mod machine;
mod outcome;
pub mod proc;
pub mod table;

pub use outcome::Outcome;
