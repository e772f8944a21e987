//! Answers that come about in this process, for whoever follows one: the reader who asked, and a reader who lost the connection.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{Stream, stream};
use smartcourse_proto::{assistant::AskEvent, ids::UserId};
use tokio::sync::watch;

/// Whose, in which conversation, and which turn.
type Key = (UserId, String, i32);
type Answers = Mutex<HashMap<Key, watch::Receiver<Vec<AskEvent>>>>;

/// The answers under way.
#[derive(Clone, Default)]
pub(crate) struct UnderWay(Arc<Answers>);

/// One of them: told event by event, and no more under way when it is dropped.
pub(crate) struct Telling {
    events: watch::Sender<Vec<AskEvent>>,
    key: Key,
    answers: Arc<Answers>,
}

impl UnderWay {
    /// Begins one.
    pub(crate) fn begin(&self, user: UserId, conversation: &str, turn: i32) -> Telling {
        let (events, followed) = watch::channel(Vec::new());
        let key = (user, conversation.to_owned(), turn);
        lock(&self.0).insert(key.clone(), followed);
        Telling {
            events,
            key,
            answers: Arc::clone(&self.0),
        }
    }

    /// The events of one after so many of them, as they come; `None` when it is not under way.
    pub(crate) fn follow(
        &self,
        user: UserId,
        conversation: &str,
        turn: i32,
        after: usize,
    ) -> Option<impl Stream<Item = AskEvent> + Send + use<>> {
        let key = (user, conversation.to_owned(), turn);
        let told = lock(&self.0).get(&key).cloned()?;
        Some(as_told(told, after))
    }
}

fn as_told(told: watch::Receiver<Vec<AskEvent>>, after: usize) -> impl Stream<Item = AskEvent> + Send {
    stream::unfold((told, after), async |(mut told, seen)| {
        loop {
            let next = told.borrow_and_update().get(seen).cloned();
            let ended = next.is_none() && told.changed().await.is_err();
            match next {
                Some(event) => return Some((event, (told, seen + 1))),
                None if ended => return None,
                None => {}
            }
        }
    })
}

impl Telling {
    /// Its events, as they come.
    pub(crate) fn follow(&self) -> impl Stream<Item = AskEvent> + Send + use<> {
        as_told(self.events.subscribe(), 0)
    }

    /// Tells events, and numbers them.
    pub(crate) fn tell(&self, events: impl IntoIterator<Item = AskEvent>) {
        self.events
            .send_modify(|told| crate::events::number(told, events));
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        lock(&self.answers).remove(&self.key);
    }
}

fn lock(answers: &Answers) -> MutexGuard<'_, HashMap<Key, watch::Receiver<Vec<AskEvent>>>> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}
