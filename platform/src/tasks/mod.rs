//! Background tasks: work a transaction wants done once, by another process, with retries.
//!
//! A task is put in the transaction of whoever wants it. [`run`] is told which are due
//! ([`TaskDispatch`](crate::ports::task_dispatch::TaskDispatch)), leases them, lets their [`Handler`] bring the effect about and settles them in a transaction of its own. A task
//! may run more than once: the process may die between effect and settling. So every effect carries the task's id, and
//! whoever receives it takes that id once. Tasks of one kind wait for places of their own, never for those of another.

pub mod dead;
mod run;
mod store;

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

pub use run::run;
pub use store::{put, replay};

use crate::error::{Error, Result};

/// The channel that wakes whoever runs tasks.
pub const CHANNEL: &str = "smartcourse_tasks";

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Identity: derived from what caused the task, so that asking twice asks once.
    pub id: Uuid,
    /// Which handler does it, such as `notification.email`.
    pub kind: String,
    /// What the handler has to know, as JSON.
    pub payload: Value,
    /// Which run this is, from 1; 0 before the first.
    pub tries: i32,
}

impl Task {
    /// A task to [`put`].
    ///
    /// # Errors
    /// When the payload has no JSON form.
    pub fn new(id: Uuid, kind: &str, payload: &impl Serialize) -> Result<Self> {
        let payload = serde_json::to_value(payload)
            .map_err(|error| Error::internal("tasks are JSON").because(error))?;
        Ok(Self {
            id,
            kind: kind.to_owned(),
            payload,
            tries: 0,
        })
    }

    /// The payload as what it was made from.
    ///
    /// # Errors
    /// `task_unreadable`, which no retry mends, when it is something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(&self.payload).map_err(|error| {
            let detail = format!("the payload of a {} task cannot be read", self.kind);
            Error::new(&crate::error::codes::TASK_UNREADABLE, detail).because(error)
        })
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// The effect is there.
    Done,
    /// Not yet: it will be tried again.
    Retrying(&'a Error),
    /// Given up: an administrator can [`replay`] it.
    Dead(&'a Error),
}

/// What is done for the tasks of one kind.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// The kind of the tasks.
    fn kind(&self) -> &'static str;

    /// Brings the effect about. It may be there already, from a run that was not settled: the task's id tells. It must
    /// end on its own; as long as it runs, the task is nobody else's.
    async fn handle(&self, task: &Task) -> Result<()>;

    /// Records the outcome through this connection: it commits together with the new state of the task.
    async fn settle(&self, tx: &mut PgConnection, task: &Task, outcome: Outcome<'_>) -> Result<()>;
}
