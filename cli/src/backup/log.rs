//! The event log where a server has it: what left the table is only there, so all of it is a part, a line of JSON each.

use anyhow::Result;
use futures::TryStreamExt as _;
use smartcourse_engines::Engines;
use smartcourse_platform::events::{self, Consumer as _, Event};
use sqlx::PgConnection;

use super::place::{Place, line};

const PART: &str = "log.jsonl";
/// Events that are read and written at a time.
const BATCH: usize = 500;

/// The last position these rows know of.
pub(super) async fn last(rows: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "select greatest(0, (select max(position) from platform.events), (select max(position) from platform.event_partitions))",
    )
    .fetch_one(rows)
    .await?)
}

/// Writes the log up to this position. What comes after it says what the rows do not.
pub(super) async fn write(last: i64, engines: &Engines, place: &mut Place) -> Result<()> {
    // What this group was not given yet is in the table, and so among the rows.
    let group = smartcourse_analytics::Counter.group();
    let mut log = engines.event_history()?.replay(group);
    let mut writer = place.write(PART).await?;
    loop {
        let events = log.next(BATCH).await?;
        if events.is_empty() {
            return place.end(PART, writer).await;
        }
        for event in events.iter().filter(|event| event.position <= last) {
            writer.write(line(event)?).await?;
        }
    }
}

/// Puts what left the table back into it: a relay that names a server sends it there, in its order, and groups pass over what they
/// were given. Answers how many there were.
pub(super) async fn restore(rows: &mut PgConnection, place: &Place) -> Result<u64> {
    let mut back = 0;
    if place.sums.contains_key(PART) {
        let mut batches = place.values::<Event>(PART).await?.try_chunks(BATCH);
        while let Some(events) = batches.try_next().await.map_err(|error| error.1)? {
            back += events::put_back(rows, &events.iter().collect::<Vec<_>>()).await?;
        }
    }
    Ok(back)
}
