//! What networks do to the ways to servers, and what ports make of it: every call ends in time, right or as `unavailable`; what was
//! answered is there; what failed is there whole or not at all, and can be written again; and when the way is good again, so are they.

use std::{
    cell::Cell,
    pin::pin,
    time::{Duration, Instant},
};

use futures::{
    StreamExt as _,
    future::{join_all, ready},
    stream,
};
use smartcourse_platform::{Result, error::codes};
use smartcourse_tests::{Fault, Link, wait_for};

/// For how long calls begin while a fault lasts.
pub(crate) const SPELL: Duration = Duration::from_secs(3);
/// Calls under way at once.
const AT_ONCE: usize = 4;
/// Numbers of writes under one fault.
const WRITES: usize = 1_000;
/// A slow way, as by satellite.
const SLOW: Fault = Fault::Delay(Duration::from_millis(300));

/// A way to a server, and what befalls it.
pub(crate) struct Spell {
    pub(crate) fault: Fault,
    pub(crate) link: Link,
    /// The server's URL by this way.
    pub(crate) url: String,
    /// Tells it from the others.
    pub(crate) number: usize,
}

impl Spell {
    pub(crate) fn begin(&self) {
        self.link.fail(self.fault);
    }

    /// Ends what befalls new connections. What befell those of before has not to be mended: by new ones the server is reached.
    pub(crate) fn end(&self) {
        if !matches!(self.fault, Fault::ServerHalfClosed | Fault::ClientHalfClosed) {
            self.link.mend();
        }
    }

    /// What a call answers, which it does in time; `None` when the server cannot be reached.
    pub(crate) async fn answer<T>(
        &self,
        bound: Duration,
        call: impl Future<Output = Result<T>>,
    ) -> Option<T> {
        let fault = self.fault;
        let in_time = tokio::time::timeout(bound, call).await;
        match in_time.unwrap_or_else(|_| panic!("{fault:?}: a call goes on after {bound:?}")) {
            Ok(answer) => Some(answer),
            Err(error) => {
                assert!(error.is(&codes::UNAVAILABLE), "{fault:?}: {}", error.chain());
                assert_ne!(fault, SLOW, "slow is not away: {}", error.chain());
                None
            }
        }
    }
}

/// All faults at once, each on a way of its own to a server.
pub(crate) async fn each_fault(url: &str, bear: impl AsyncFn(Spell)) {
    let faults = [
        Fault::Silence,
        SLOW,
        Fault::Cut,
        Fault::ServerHalfClosed,
        Fault::ClientHalfClosed,
    ];
    let spells = faults.into_iter().enumerate().map(async |(number, fault)| {
        let (link, url) = Link::before(url).await.unwrap();
        let spell = Spell {
            fault,
            link,
            url,
            number,
        };
        bear(spell).await;
    });
    join_all(spells).await;
}

/// A port that writes what has a number, and says whether it is there, whole; half of it is for `is_there` to refuse. No call takes
/// longer than `bound`.
pub(crate) async fn faults_contract<P>(
    url: &str,
    bound: Duration,
    open: impl Fn(&str) -> P,
    write: impl AsyncFn(&P, usize) -> Result<()>,
    is_there: impl AsyncFn(&P, usize) -> Result<bool>,
) {
    each_fault(url, async |spell| {
        let (fault, port) = (spell.fault, open(&spell.url));
        let first = spell.number * WRITES;
        let last = first + WRITES - 1;
        write(&port, first).await.unwrap();

        let begun = Cell::new(None::<Instant>);
        let is_due = |_: &usize| ready(begun.get().is_none_or(|begun| begun.elapsed() < SPELL));
        let call = async |number| {
            let (written, found) = tokio::join!(
                spell.answer(bound, write(&port, number)),
                spell.answer(bound, is_there(&port, first))
            );
            assert_ne!(found, Some(false), "{fault:?}: what was written is gone");
            (number, written.is_some())
        };
        let mut calls = pin!(
            stream::iter(first + 1..last)
                .take_while(is_due)
                .map(call)
                .buffer_unordered(AT_ONCE)
        );
        let mut outcomes = Vec::new();
        while let Some(outcome) = calls.next().await {
            outcomes.push(outcome);
            if outcomes.len() == AT_ONCE {
                // In the middle of others.
                spell.begin();
                begun.set(Some(Instant::now()));
            }
        }
        assert!(begun.get().is_some(), "{fault:?}: it began");

        spell.end();
        wait_for("calls to be answered again", async || -> anyhow::Result<_> {
            let again = async {
                write(&port, last).await?;
                is_there(&port, last).await
            };
            Ok(match again.await {
                Ok(true) => Ok(()),
                Ok(false) => panic!("{fault:?}: what was written is not there"),
                Err(error) => Err(format!("{fault:?}: {}", error.chain())),
            })
        })
        .await
        .unwrap();
        let lasting = async |(number, written): (usize, bool)| {
            let found = is_there(&port, number).await.unwrap();
            assert!(found || !written, "{fault:?}: what was answered is not there");
            if !written {
                write(&port, number).await.unwrap();
                assert!(is_there(&port, number).await.unwrap());
            }
        };
        stream::iter(outcomes).for_each_concurrent(AT_ONCE, lasting).await;
    })
    .await;
}
