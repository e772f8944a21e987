//! The event log. A server is sent what is in the table by the relay that names it, and groups go on where they were; so a move
//! brings what is only elsewhere – in the files, or in a server – into the table, and sends what the relay would send, in its order.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use anyhow::Result;
use sha2::{Digest as _, Sha256};
use smartcourse_engines::Engines;
use smartcourse_platform::{
    events::{self, Consumer as _, Event},
    ports::event_log::{EventHistory, Replay},
};
use sqlx::PgPool;

use super::compared::{Compared, Sum, Ticker};

/// Events that are read at a time.
const BATCH: usize = 500;

/// Brings the whole log to the target, and compares what both say it is.
pub(super) async fn bring(pool: &PgPool, source: &Engines, target: &Engines) -> Result<Vec<Compared>> {
    let begun = Instant::now();
    let (here, there) = (source.event_history()?, target.event_history()?);
    let mut ticker = Ticker::new("events read");
    let (mut back, mut sent) = (0, 0);
    let mut log = replay(here.as_ref());
    loop {
        let events = log.next(BATCH).await?;
        if events.is_empty() {
            break;
        }
        events.iter().for_each(|_| ticker.tick());
        let mut connection = pool.acquire().await?;
        back += events::put_back(&mut connection, &events.iter().collect::<Vec<_>>()).await?;
    }
    // All of it is in the table now, so what is sent is sent in the order of the log.
    loop {
        let moved = target.event_log().publish().await?;
        sent += moved.count;
        if moved.count == 0 {
            break;
        }
    }
    tracing::info!(
        back,
        sent,
        seconds = begun.elapsed().as_secs(),
        "the log was brought over"
    );
    let (mut ours, last) = sums(replay(here.as_ref()), i64::MAX).await?;
    let (mut theirs, _) = sums(replay(there.as_ref()), last).await?;
    let kinds: BTreeSet<String> = ours.keys().chain(theirs.keys()).cloned().collect();
    let compared = kinds.into_iter().map(|name| Compared {
        source: ours.remove(&name).unwrap_or_default(),
        target: theirs.remove(&name).unwrap_or_default(),
        name,
        ..Compared::default()
    });
    Ok(compared.collect())
}

/// The log as the numbers were counted from it: theirs is the group that a rebuild asks for.
fn replay(history: &dyn EventHistory) -> Box<dyn Replay> {
    history.replay(smartcourse_analytics::Counter.group())
}

/// What a log has up to a position, by the kind of what the events are about; and the position of the last.
async fn sums(mut log: Box<dyn Replay>, until: i64) -> Result<(BTreeMap<String, Sum>, i64)> {
    let (mut sums, mut last) = (BTreeMap::<String, Sum>::new(), 0);
    let mut ticker = Ticker::new("events compared");
    loop {
        let mut events = log.next(BATCH).await?;
        // The group goes on meanwhile.
        events.retain(|event| event.position <= until);
        let Some(event) = events.last() else {
            return Ok((sums, last));
        };
        last = event.position;
        for event in events {
            ticker.tick();
            let kind = event.key.split('-').next().unwrap_or_default().to_owned();
            sums.entry(kind)
                .or_default()
                .add(&event.id.to_string(), &digest(event));
        }
    }
}

fn digest(mut event: Event) -> [u8; 32] {
    event.payload.sort_all_objects();
    let time = event.created_at.unix_timestamp_nanos();
    let whole = (
        event.position,
        &event.event_type,
        &event.key,
        time,
        event.payload.to_string(),
    );
    Sha256::digest(format!("{whole:?}")).into()
}
