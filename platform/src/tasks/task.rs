//! What a task is, and what is done for it.

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::{Error, Result, codes, to_json};

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
    /// A task to [`put`](super::put). Fails when the payload has no JSON form.
    pub fn new(id: Uuid, kind: &str, payload: &impl Serialize) -> Result<Self> {
        let payload = to_json(&payload)?;
        Ok(Self {
            id,
            kind: kind.to_owned(),
            payload,
            tries: 0,
        })
    }

    /// The task that goes on where this one ends; a run that asks for it again asks for the same.
    pub fn next(&self, payload: &impl Serialize) -> Result<Self> {
        Self::new(Uuid::new_v5(&self.id, b"next"), &self.kind, payload)
    }

    /// The payload as what it was made from; `task_unreadable`, which no retry mends, when it is something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(&self.payload).map_err(|error| {
            let detail = format!("the payload of a {} task cannot be read", self.kind);
            Error::new(&codes::TASK_UNREADABLE, detail).because(error)
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
    /// A service of ours or the database does not answer: this run counts as no try.
    Postponed(&'a Error),
    /// Given up: an administrator can [`replay`](super::replay) it.
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
