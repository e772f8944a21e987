//! Background tasks: work a transaction wants done once, by another process, with retries.
//!
//! A task is put in the transaction of whoever wants it. [`run`] is told which are due
//! ([`TaskDispatch`](crate::ports::task_dispatch::TaskDispatch)), leases them, lets their [`Handler`] bring the effect about
//! and settles them in a transaction of its own. A task may run more than once: the process may die between effect and
//! settling. So every effect carries the task's id, and whoever receives it takes that id once. Tasks of one kind wait for
//! places of their own, never for those of another.

pub mod dead;
mod run;
mod store;
mod task;

pub use run::run;
pub use store::{CHANNEL, put, replay};
pub use task::{Handler, Outcome, Task};
