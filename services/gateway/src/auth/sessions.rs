//! Sessions that ended early, such as by a change of role.
//!
//! They are few and requests are many, so all of them are asked for at once, and by one request a second; whoever comes
//! meanwhile compares a token with what is known.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use smartcourse_platform::{
    Error, Result,
    coalesce::Coalesce,
    error::codes,
    grpc::{Actor, Transport},
};
use smartcourse_proto::{
    ids::UserId,
    user::{EndedSessions, user_service_client::UserServiceClient},
};

/// How long a session's end may go unnoticed by a gateway that had no part in it.
const TTL: Duration = Duration::from_secs(1);

/// What the user service said last.
pub(crate) struct Sessions {
    users: UserServiceClient<Transport>,
    known: Mutex<Known>,
    reads: Coalesce<(), Arc<EndedSessions>>,
}

#[derive(Default)]
struct Known {
    /// When it was asked for, and what it was.
    latest: Option<(Instant, Arc<EndedSessions>)>,
    /// What was asked for before this does not count.
    not_before: Option<Instant>,
}

impl Known {
    fn latest(&self) -> Option<&Arc<EndedSessions>> {
        self.latest
            .as_ref()
            .filter(|(asked, _)| asked.elapsed() < TTL && self.not_before.is_none_or(|end| *asked > end))
            .map(|(_, ended)| ended)
    }

    fn learn(&mut self, asked: Instant, ended: Arc<EndedSessions>) {
        if self.latest.as_ref().is_none_or(|(before, _)| asked > *before) {
            self.latest = Some((asked, ended));
        }
    }
}

impl Sessions {
    pub(crate) fn new(users: UserServiceClient<Transport>) -> Self {
        Self {
            users,
            known: Mutex::default(),
            reads: Coalesce::default(),
        }
    }

    /// `Ok` when a token that a user was given at this second, in this generation of sessions, still counts.
    pub(crate) async fn require(&self, user: UserId, issued_at: i64, generation: i32) -> Result<()> {
        let known = self.known().latest().cloned();
        let ended = match known {
            Some(ended) => ended,
            None => self.reads.read((), self.ask()).await?,
        };
        let earliest = ended.generations.get(&user.0).copied().unwrap_or(generation);
        if issued_at < ended.since || generation < earliest {
            return Err(Error::new(
                &codes::UNAUTHENTICATED,
                "this session has ended; sign in again",
            ));
        }
        Ok(())
    }

    async fn ask(&self) -> Result<Arc<EndedSessions>> {
        let asked = Instant::now();
        let request = Actor::Service.request(());
        let ended = self.users.clone().list_ended_sessions(request).await?;
        let ended = Arc::new(ended.into_inner());
        self.known().learn(asked, Arc::clone(&ended));
        Ok(ended)
    }

    /// Some have ended right now: whoever comes next asks.
    pub(crate) fn have_ended(&self) {
        self.known().not_before = Some(Instant::now());
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_before_an_end_does_not_count_after_it() {
        let mut known = Known::default();
        let (early, late) = (Arc::new(EndedSessions::default()), Arc::default());
        let before = Instant::now();
        known.learn(before, Arc::clone(&early));
        assert!(known.latest().is_some_and(|latest| Arc::ptr_eq(latest, &early)));
        known.not_before = Some(Instant::now());
        assert!(known.latest().is_none());
        // Its answer comes after the end, but it was asked for before.
        known.learn(before, Arc::clone(&early));
        assert!(known.latest().is_none());
        known.learn(Instant::now(), Arc::clone(&late));
        assert!(known.latest().is_some_and(|latest| Arc::ptr_eq(latest, &late)));
        known.learn(before, early);
        assert!(
            known.latest().is_some_and(|latest| Arc::ptr_eq(latest, &late)),
            "an answer that was overtaken"
        );
    }

    #[test]
    fn what_is_known_is_asked_for_again() {
        let mut known = Known::default();
        let long_ago = Instant::now()
            .checked_sub(TTL)
            .expect("the machine runs for longer");
        known.learn(long_ago, Arc::default());
        assert!(known.latest().is_none());
    }
}
