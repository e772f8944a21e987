//! What time it is, for rules about days and hours. A test sets it.
//!
//! What orders writes of several processes asks the database instead: one clock for all.

use time::OffsetDateTime;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// This instant.
    fn now(&self) -> OffsetDateTime;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy)]
pub struct System;

impl Clock for System {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}
