//! Everything from the log again, beside what readers see, then compared with it.
//!
//! The log is counted while the consumer group goes on. The group is held while the last few events are counted, and a view of
//! that moment is opened, in which the tables are compared. It is held once more when some differ, until their rows are replaced.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use smartcourse_platform::{
    Error, Result,
    events::{self, Event, parked},
    ports::event_log::{EventHistory, Replay},
    postgres::{self, Tx},
};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use uuid::Uuid;

use crate::{codes, consumers::GROUP, facts};

/// Events that are counted in one transaction.
const BATCH: usize = 2_000;
/// Advisory lock of the one rebuild.
const LOCK: i64 = 0x5343_5245_4255;
/// The tables that are counted. Each has its double, `rebuilt_…`.
const TABLES: [&str; 10] = [
    "activity",
    "certificates",
    "counted",
    "courses",
    "enrollments",
    "failed_publishes",
    "lessons",
    "popularity",
    "questions",
    "users",
];

/// What a rebuild found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Events that were counted again.
    pub events: u64,
    /// Tables that differed from what the consumer had counted; empty when both agreed to the digit.
    pub differing: Vec<String>,
    /// How long the consumer was held up.
    pub held: Duration,
}

/// Counts the log again, its archived months first, up to where the consumer group has read, without the events it has parked.
///
/// Readers see the old numbers until the new ones are complete. What a rebuild that was cut off has left is cleared by the
/// next.
///
/// # Errors
/// `rebuild_running` while another is under way; `unavailable` when a month of the log was archived meanwhile; when an archive
/// is not there or not what it was; when an event cannot be counted. Nothing is changed then.
pub async fn rebuild(pool: &PgPool, history: &dyn EventHistory) -> Result<Rebuilt> {
    // Held by a transaction that does nothing else, so that it ends with this process.
    let mut alone = postgres::begin(pool).await?;
    postgres::be_patient(&mut alone).await?;
    let first = sqlx::query_scalar!("select pg_try_advisory_xact_lock($1) as \"first!\"", LOCK)
        .fetch_one(&mut *alone)
        .await?;
    if !first {
        let detail = "another rebuild is under way";
        return Err(Error::new(&codes::REBUILD_RUNNING, detail));
    }
    clear(pool).await?;
    let mut again = Again {
        replay: history.replay(GROUP),
        counted: 0,
        keys: HashSet::new(),
        aside: Vec::new(),
        held: Duration::ZERO,
    };
    loop {
        // Fails when the lock is lost, and with it the tables.
        postgres::lives(&mut alone).await?;
        let mut tx = postgres::begin(pool).await?;
        let more = again.count(&mut tx).await?;
        tx.commit().await?;
        if !more {
            break;
        }
    }
    let mut view = again.catch_up(pool).await?;
    let differing = differing(&mut view).await?;
    view.rollback().await?;
    // Without the lock the doubles may be somebody else's by now.
    postgres::lives(&mut alone).await?;
    if !differing.is_empty() {
        let (mut tx, since) = hold(pool).await?;
        again.count_last(&mut tx).await?;
        for table in &differing {
            replace(&mut tx, table).await?;
        }
        postgres::lives(&mut alone).await?;
        tx.commit().await?;
        again.held += since.elapsed();
    }
    clear(pool).await?;
    alone.rollback().await?;
    Ok(Rebuilt {
        events: again.counted,
        differing: differing.into_iter().map(str::to_owned).collect(),
        held: again.held,
    })
}

/// A transaction while which the group takes no event, and when it began to.
async fn hold(pool: &PgPool) -> Result<(Tx, Instant)> {
    let mut tx = postgres::begin(pool).await?;
    postgres::be_patient(&mut tx).await?;
    events::hold_group(&mut tx, GROUP).await?;
    Ok((tx, Instant::now()))
}

/// A rebuild on its way through the log.
struct Again {
    replay: Box<dyn Replay>,
    counted: u64,
    /// Keys of events that were parked when their turn came.
    keys: HashSet<String>,
    /// Those events, and whatever came later under their keys, in order: the group may take them before the rebuild ends.
    aside: Vec<Uuid>,
    /// How long the group was held.
    held: Duration,
}

impl Again {
    /// Counts a batch; answers whether there may be more.
    async fn count(&mut self, tx: &mut PgConnection) -> Result<bool> {
        let mut events = self.replay.next(BATCH).await?;
        let more = events.len() == BATCH;
        events.retain(|event| facts::count(&event.event_type));
        // Looked up after the events were read: one that was parked meanwhile was not among them.
        let ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
        let parked = parked::among(tx, GROUP, &ids).await?;
        events.retain(|event| {
            let aside = parked.contains(&event.id) || self.keys.contains(&event.key);
            if aside {
                self.keys.insert(event.key.clone());
                self.aside.push(event.id);
            }
            !aside
        });
        self.count_all(tx, &events).await?;
        Ok(more)
    }

    /// Counts what the group has taken so far; answers a transaction that sees that moment, whatever the group takes from now on.
    async fn catch_up(&mut self, pool: &PgPool) -> Result<Tx> {
        let (held, since) = hold(pool).await?;
        let mut tx = postgres::begin(pool).await?;
        self.count_last(&mut tx).await?;
        tx.commit().await?;
        let mut view = postgres::begin(pool).await?;
        sqlx::query("set transaction isolation level repeatable read")
            .execute(&mut *view)
            .await?;
        // The first query opens the view.
        postgres::be_patient(&mut view).await?;
        held.rollback().await?;
        self.held += since.elapsed();
        Ok(view)
    }

    /// Counts the last events while the group is held, and what was set aside and is not parked any more.
    async fn count_last(&mut self, tx: &mut PgConnection) -> Result<()> {
        while self.count(tx).await? {}
        for ids in std::mem::take(&mut self.aside).chunks(BATCH) {
            let events = parked::others(tx, GROUP, ids).await?;
            let taken: HashSet<Uuid> = events.iter().map(|event| event.id).collect();
            self.aside.extend(ids.iter().filter(|id| !taken.contains(id)));
            self.count_all(tx, &events).await?;
        }
        Ok(())
    }

    async fn count_all(&mut self, tx: &mut PgConnection, events: &[Event]) -> Result<()> {
        facts::rebuilt(tx, &events.iter().collect::<Vec<_>>()).await?;
        self.counted += events.len() as u64;
        Ok(())
    }
}

/// Removes what a rebuild has counted.
async fn clear(pool: &PgPool) -> Result<()> {
    let tables = TABLES
        .map(|table| format!("analytics.rebuilt_{table}"))
        .join(", ");
    sqlx::query(AssertSqlSafe(format!("truncate {tables}")))
        .execute(pool)
        .await?;
    Ok(())
}

/// The tables that are not as their doubles.
async fn differing(view: &mut PgConnection) -> Result<Vec<&'static str>> {
    let mut differing = Vec::new();
    for table in TABLES {
        if digest(view, table).await? != digest(view, &format!("rebuilt_{table}")).await? {
            differing.push(table);
        }
    }
    Ok(differing)
}

/// How many rows a table has, and the sum of a hash of each.
async fn digest(tx: &mut PgConnection, table: &str) -> Result<(i64, String)> {
    let digest = format!(
        "select count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text from analytics.{table} t"
    );
    Ok(sqlx::query_as(AssertSqlSafe(digest)).fetch_one(tx).await?)
}

/// Replaces the rows of a table that differ from those of its double.
async fn replace(tx: &mut PgConnection, table: &str) -> Result<()> {
    // As texts, which can be hashed whatever their columns are.
    let wrong = format!(
        "delete from analytics.{table} old where not exists (
             select from analytics.rebuilt_{table} new where new::text = old::text)"
    );
    let missing = format!(
        "insert into analytics.{table} select * from analytics.rebuilt_{table} new where not exists (
             select from analytics.{table} old where old::text = new::text)"
    );
    for statement in [wrong, missing] {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await?;
    }
    Ok(())
}
