//! Sessions that ended early, such as by a change of role.
//!
//! They are few and requests are many, so one task asks for all of them, at most once a second and only when somebody wants
//! to know; a request compares its token with the latest answer. Requests that are given up take nothing with them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use smartcourse_platform::{
    Error, Result,
    grpc::{Actor, Transport},
    ports::announcements::Announcements,
};
use smartcourse_proto::{ids::UserId, stubs::UserStub, user::EndedSessions};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    watch,
};

use crate::codes;

/// What gateways tell each other when sessions have ended.
const ENDED: &str = "sessions ended";
/// How long a session's end may go unnoticed by a gateway that was not told.
const TTL: Duration = Duration::from_secs(1);

/// What the user service says.
pub(crate) struct Sessions {
    latest: watch::Receiver<Option<Answer>>,
    /// Holds one wish at most: one answer is for all.
    wishes: mpsc::Sender<()>,
    valid: Arc<Validity>,
    announcements: Arc<dyn Announcements>,
}

/// An answer of the user service, or that there was none.
struct Answer {
    asked: Instant,
    ended: Result<Arc<EndedSessions>>,
}

/// Which answers count.
#[derive(Default)]
struct Validity {
    /// Those that were asked for later than this.
    after: Mutex<Option<Instant>>,
}

impl Validity {
    fn is_fresh(&self, answer: &Answer) -> bool {
        answer.ended.is_ok()
            && answer.asked.elapsed() < TTL
            && self.after().is_none_or(|after| answer.asked > after)
    }

    /// From here on only answers count that are asked for later.
    fn outdate(&self) {
        *self.after() = Some(Instant::now());
    }

    fn after(&self) -> MutexGuard<'_, Option<Instant>> {
        self.after.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    /// Asks from now on, until it is dropped.
    pub(crate) fn new(users: UserStub<Transport>, announcements: Arc<dyn Announcements>) -> Self {
        let (wishes, wished) = mpsc::channel(1);
        let (answers, latest) = watch::channel(None);
        let valid = Arc::<Validity>::default();
        tokio::spawn(ask(users, wished, answers, Arc::clone(&valid)));
        listen(announcements.as_ref(), &valid);
        Self {
            latest,
            wishes,
            valid,
            announcements,
        }
    }

    /// `Ok` when a token that a user was given at this second, in this generation of sessions, still counts.
    pub(crate) async fn require(&self, user: UserId, issued_at: i64, generation: i32) -> Result<()> {
        let ended = self.ended().await?;
        let earliest = ended.generations.get(&user.0).copied().unwrap_or(generation);
        if issued_at < ended.since || generation < earliest {
            return Err(Error::new(
                &codes::UNAUTHENTICATED,
                "this session has ended; sign in again",
            ));
        }
        Ok(())
    }

    /// An answer that is fresh, or was asked for after this call, whatever it is.
    async fn ended(&self) -> Result<Arc<EndedSessions>> {
        let came = Instant::now();
        let mut latest = self.latest.clone();
        loop {
            if let Some(answer) = latest.borrow_and_update().as_ref()
                && (self.valid.is_fresh(answer) || answer.asked > came)
            {
                return match &answer.ended {
                    Ok(ended) => Ok(Arc::clone(ended)),
                    Err(error) => Err(error.without_cause()),
                };
            }
            match self.wishes.try_send(()) {
                // Full: somebody wishes for the same.
                Ok(()) | Err(TrySendError::Full(())) => {}
                Err(TrySendError::Closed(())) => return Err(alone()),
            }
            latest.changed().await.map_err(|_| alone())?;
        }
    }

    /// Some have ended right now: whoever comes next, to this gateway or to another, gets an answer that was asked for later.
    pub(crate) async fn have_ended(&self) {
        self.valid.outdate();
        self.announcements.announce(ENDED).await;
    }
}

/// Lets no answer count that was asked for before another gateway announced an end, until nobody needs the answers.
fn listen(announcements: &dyn Announcements, valid: &Arc<Validity>) {
    let (mut ended, valid) = (announcements.hear(ENDED), Arc::downgrade(valid));
    tokio::spawn(async move {
        while ended.next().await.is_some() {
            match valid.upgrade() {
                Some(valid) => valid.outdate(),
                None => break,
            }
        }
    });
}

fn alone() -> Error {
    Error::internal("nobody asks for the sessions that ended")
}

async fn ask(
    users: UserStub<Transport>,
    mut wished: mpsc::Receiver<()>,
    answers: watch::Sender<Option<Answer>>,
    valid: Arc<Validity>,
) {
    while wished.recv().await.is_some() {
        // The wish may have come while the answer was on its way.
        if answers
            .borrow()
            .as_ref()
            .is_some_and(|latest| valid.is_fresh(latest))
        {
            continue;
        }
        let asked = Instant::now();
        let ended = match users.list_ended_sessions(Actor::Service.request(())).await {
            Ok(ended) => Ok(Arc::new(ended)),
            Err(status) => {
                let error = Error::from(status);
                tracing::warn!(error = %error.chain(), "the sessions that ended are not known");
                Err(error)
            }
        };
        answers.send_replace(Some(Answer { asked, ended }));
    }
}

#[cfg(test)]
mod tests {
    use smartcourse_tests::engines::announcements::in_process::InProcess;
    use tokio::task::JoinHandle;

    use super::*;

    /// Sessions whose answers a test gives.
    struct Stub {
        sessions: Arc<Sessions>,
        wished: mpsc::Receiver<()>,
        answers: watch::Sender<Option<Answer>>,
    }

    impl Stub {
        fn new() -> Self {
            Self::beside(Arc::new(InProcess::default()))
        }

        /// One of several gateways.
        fn beside(announcements: Arc<dyn Announcements>) -> Self {
            let (wishes, wished) = mpsc::channel(1);
            let (answers, latest) = watch::channel(None);
            let valid = Arc::default();
            listen(announcements.as_ref(), &valid);
            let sessions = Arc::new(Sessions {
                latest,
                wishes,
                valid,
                announcements,
            });
            Self {
                sessions,
                wished,
                answers,
            }
        }

        /// User 7 with a token of the second 100 and of this generation.
        fn require(&self, generation: i32) -> JoinHandle<Result<()>> {
            let sessions = Arc::clone(&self.sessions);
            tokio::spawn(async move { sessions.require(UserId(7), 100, generation).await })
        }

        /// User 7's sessions before generation 2 have ended, and all tokens from before this second.
        fn answer(&self, asked: Instant, since: i64) {
            let ended = Arc::new(EndedSessions {
                since,
                generations: [(7, 2)].into(),
            });
            self.answers.send_replace(Some(Answer {
                asked,
                ended: Ok(ended),
            }));
        }
    }

    fn is_ended(outcome: Result<()>) -> bool {
        outcome.is_err_and(|error| error.is(&codes::UNAUTHENTICATED))
    }

    #[tokio::test]
    async fn one_answer_is_for_all_who_wait_and_for_those_who_come_soon() {
        let mut stub = Stub::new();
        let crowd: Vec<_> = (0..50).map(|_| stub.require(2)).collect();
        let old = stub.require(1);
        stub.wished.recv().await.expect("a wish");
        stub.answer(Instant::now(), 0);
        for one in crowd {
            one.await.expect("runs").expect("the latest generation counts");
        }
        assert!(is_ended(old.await.expect("runs")), "an earlier generation");
        stub.require(3).await.expect("runs").expect("a later one counts");
        // One more wish may have come before the answer did.
        while stub.wished.try_recv().is_ok() {}
        assert!(is_ended(stub.require(1).await.expect("runs")));
        assert!(stub.wished.try_recv().is_err(), "what is known is not asked for");
    }

    #[tokio::test]
    async fn a_token_from_before_all_that_is_known_does_not_count() {
        let stub = Stub::new();
        stub.answer(Instant::now(), 101);
        assert!(is_ended(stub.require(2).await.expect("runs")));
    }

    #[tokio::test]
    async fn what_was_asked_for_before_an_end_does_not_count_after_it() {
        let mut stub = Stub::new();
        let before = Instant::now();
        stub.answer(before, 0);
        stub.sessions.have_ended().await;
        let waits = stub.require(2);
        stub.wished.recv().await.expect("a wish");
        // It comes after the end, but was asked for before.
        stub.answer(before, 0);
        stub.wished.recv().await.expect("another wish");
        assert!(!waits.is_finished());
        stub.answer(Instant::now(), 0);
        waits.await.expect("runs").expect("counts");
    }

    #[tokio::test]
    async fn another_gateway_is_told_of_an_end() {
        let announcements = Arc::new(InProcess::default());
        let (one, mut other) = (Stub::beside(announcements.clone()), Stub::beside(announcements));
        other.answer(Instant::now(), 0);
        other.require(2).await.expect("runs").expect("counts");
        one.sessions.have_ended().await;
        // Told, it asks again; without that it would within a second.
        let waits = loop {
            let waits = other.require(2);
            tokio::task::yield_now().await;
            if !waits.is_finished() {
                break waits;
            }
        };
        other.wished.recv().await.expect("a wish");
        other.answer(Instant::now(), 101);
        assert!(is_ended(waits.await.expect("runs")));
    }

    #[tokio::test]
    async fn an_answer_grows_old_and_a_failure_is_told_to_those_who_waited_for_it() {
        let mut stub = Stub::new();
        let long_ago = Instant::now()
            .checked_sub(TTL)
            .expect("the machine runs for longer");
        stub.answer(long_ago, 0);
        let waits = stub.require(2);
        stub.wished.recv().await.expect("a wish");
        stub.answers.send_replace(Some(Answer {
            asked: Instant::now(),
            ended: Err(Error::new(&codes::UNAVAILABLE, "down")),
        }));
        let refused = waits.await.expect("runs");
        assert!(refused.is_err_and(|error| error.is(&codes::UNAVAILABLE)));
        let next = stub.require(2);
        stub.wished.recv().await.expect("the next one asks");
        stub.answer(Instant::now(), 0);
        next.await.expect("runs").expect("counts");
    }
}
