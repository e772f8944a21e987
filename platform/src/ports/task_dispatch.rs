//! The task dispatch port: which background tasks are due, told to the processes that run them.
//!
//! Only ids are carried. The row of a task keeps its payload, tries and state ([`crate::tasks`]), and its lease decides who
//! runs it, so an id may come twice, and to several processes.

use async_trait::async_trait;
use uuid::Uuid;

use super::event_log::Moved;
use crate::{error::Result, lifecycle::Lifecycle};

/// Carries the ids of tasks.
#[async_trait]
pub trait TaskDispatch: Send + Sync {
    /// The channel whose notifications tell that there is something to [`offer`](Self::offer); none where the rows are asked.
    fn channel(&self) -> Option<&'static str>;
    /// Takes over the ids of tasks that committed transactions want done, or that are due again; `unavailable` when whatever carries
    /// them is away or has no room. Those it could not take, and some it could, are taken over by a later call.
    async fn offer(&self) -> Result<Moved>;
    /// Waits for tasks that are due, of each kind at most as many as there are places; none when the process stops. Given up
    /// half-way, it has taken nothing.
    async fn next(&self, places: &[(&'static str, usize)], life: &Lifecycle) -> Result<Vec<Uuid>>;
    /// How a run ended stands in the task's row, or somebody else has the task: its id need not come again. Each id that
    /// [`next`](Self::next) told is acknowledged or given back.
    async fn acknowledge(&self, id: Uuid) -> Result<()>;
    /// The task was not begun, or its end not written: its id is to come again.
    fn give_back(&self, id: Uuid);
}
