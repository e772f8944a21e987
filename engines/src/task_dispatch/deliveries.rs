//! The ids a server has delivered over one connection: those that wait for a place, and those that were told to whoever runs tasks.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use lapin::Acker;
use tokio::sync::Notify;
use uuid::Uuid;

/// Deliveries that were not acknowledged.
#[derive(Default)]
pub(super) struct Deliveries {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Default)]
struct State {
    held: HashMap<Uuid, Held>,
    waiting: HashMap<&'static str, VecDeque<Uuid>>,
    /// The connection is lost: the server gives all of them again, over another.
    over: bool,
}

struct Held {
    kind: &'static str,
    acker: Acker,
    waits: bool,
}

impl State {
    fn wait(&mut self, id: Uuid) {
        if let Some(held) = self.held.get_mut(&id)
            && !std::mem::replace(&mut held.waits, true)
        {
            self.waiting.entry(held.kind).or_default().push_back(id);
        }
    }
}

impl Deliveries {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a delivery in. An id that was here already has two: the former is for the caller to acknowledge.
    pub(super) fn arrive(&self, kind: &'static str, id: Uuid, acker: Acker) -> Option<Acker> {
        let mut state = self.state();
        let waits = state.held.get(&id).is_some_and(|held| held.waits);
        let former = state.held.insert(id, Held { kind, acker, waits });
        state.wait(id);
        self.news.notify_one();
        former.map(|held| held.acker)
    }

    /// The connection is lost.
    pub(super) fn end(&self) {
        self.state().over = true;
        self.news.notify_one();
    }

    /// Whether the connection is lost.
    pub(super) fn is_over(&self) -> bool {
        self.state().over
    }

    /// Waits for ids, of each kind at most as many as there are places; none when the connection is lost.
    pub(super) async fn next(&self, places: &[(&'static str, usize)]) -> Vec<Uuid> {
        loop {
            {
                let mut state = self.state();
                let State {
                    held, waiting, over, ..
                } = &mut *state;
                let mut told = Vec::new();
                for (kind, free) in places {
                    if let Some(waiting) = waiting.get_mut(kind) {
                        told.extend(waiting.drain(..waiting.len().min(*free)));
                    }
                }
                for id in &told {
                    if let Some(held) = held.get_mut(id) {
                        held.waits = false;
                    }
                }
                if *over || !told.is_empty() {
                    return told;
                }
            }
            self.news.notified().await;
        }
    }

    /// Forgets a delivery, for its acknowledgement. If the id arrived again meanwhile, it is still told again: a try may have become
    /// due just before the former one was acknowledged.
    pub(super) fn remove(&self, id: Uuid) -> Option<Acker> {
        self.state().held.remove(&id).map(|held| held.acker)
    }

    /// What was told waits again.
    pub(super) fn give_back(&self, id: Uuid) {
        self.state().wait(id);
        self.news.notify_one();
    }
}
