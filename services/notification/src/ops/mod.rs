//! One file per use case, and what the tasks and the feed share with it.

pub(crate) mod deliveries;
pub(crate) mod notifications;
pub(crate) mod preferences;
pub(crate) mod sweep;
pub(crate) mod welcome;
