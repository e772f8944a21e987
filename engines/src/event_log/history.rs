//! The log from its first event: the months that went to the files, and those in the table.

use std::{collections::VecDeque, sync::Arc};

use async_trait::async_trait;
use smartcourse_platform::{
    Error, Result,
    error::codes,
    events::Event,
    ports::{
        event_log::{EventHistory, Replay},
        files::Files,
    },
};
use sqlx::{PgConnection, PgPool, types::time::OffsetDateTime};

use super::{
    archive::{Contents, Reader},
    months,
};

/// The table and the files.
pub struct History {
    pool: PgPool,
    files: Arc<dyn Files>,
}

impl History {
    /// Over the pool of the engines.
    pub fn new(pool: PgPool, files: Arc<dyn Files>) -> Self {
        Self { pool, files }
    }

    /// No month of the table comes or goes for as long as this session lives, so that a snapshot sees them all to its end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keep_months(session: &mut PgConnection) -> Result<()> {
        months::keep(session).await
    }
}

#[async_trait]
impl EventHistory for History {
    fn replay(&self, group: &'static str) -> Box<dyn Replay> {
        let table = Table {
            pool: self.pool.clone(),
            group,
            position: 0,
        };
        from_start(self.pool.clone(), Arc::clone(&self.files), table)
    }

    async fn sweep(&self, now: OffsetDateTime, before: Option<OffsetDateTime>) -> Result<u64> {
        months::make(&self.pool, now).await?;
        match before {
            Some(before) => months::archive_oldest(&self.pool, self.files.as_ref(), before).await,
            None => Ok(0),
        }
    }
}

/// A group's part of the log but for the months in the files.
#[async_trait]
pub(super) trait Live: Send {
    /// As [`Replay::next`].
    async fn read(&mut self, limit: usize) -> Result<Vec<Event>>;
}

/// A group's part of the log: the months in the files, then what is live.
pub(super) fn from_start(pool: PgPool, files: Arc<dyn Files>, live: impl Live + 'static) -> Box<dyn Replay> {
    Box::new(FromStart {
        pool,
        files,
        archived: None,
        live: Box::new(live),
        next: VecDeque::new(),
        last: 0,
    })
}

struct FromStart {
    pool: PgPool,
    files: Arc<dyn Files>,
    /// The months that had gone to the files when it began.
    archived: Option<Vec<Month>>,
    live: Box<dyn Live>,
    /// What is live and comes next.
    next: VecDeque<Event>,
    /// Position of the last event.
    last: i64,
}

/// A month in a file, and those of its events that come next.
struct Month {
    /// Until its end.
    reader: Option<Reader>,
    next: VecDeque<Event>,
}

#[async_trait]
impl Replay for FromStart {
    async fn next(&mut self, limit: usize) -> Result<Vec<Event>> {
        if self.archived.is_none() {
            self.archived = Some(open(&self.pool, self.files.as_ref()).await?);
        }
        let mut live_ended = false;
        let mut events = Vec::with_capacity(limit);
        while events.len() < limit {
            if self.next.is_empty() && !live_ended {
                self.read(limit).await?;
                live_ended = self.next.is_empty();
            }
            // The first event of a month can have been placed before the last one of the month before.
            let mut first = &mut self.next;
            for month in self.archived.iter_mut().flatten() {
                if month.next.is_empty()
                    && let Some(reader) = &mut month.reader
                {
                    match reader.events(&self.pool).await? {
                        Some(events) => month.next = events.into(),
                        None => month.reader = None,
                    }
                }
                let earlier =
                    |event: &Event| first.front().is_none_or(|known| event.position < known.position);
                if month.next.front().is_some_and(earlier) {
                    first = &mut month.next;
                }
            }
            let Some(event) = first.pop_front() else { break };
            // One that is live may have gone to the files as well.
            if event.position != self.last {
                self.last = event.position;
                events.push(event);
            }
        }
        Ok(events)
    }
}

impl FromStart {
    /// Reads on in what is live.
    async fn read(&mut self, limit: usize) -> Result<()> {
        let events = self.live.read(limit).await?;
        // Looked up after the events were read: no month had gone to the files then that is not among those here.
        let archived = sqlx::query_scalar!(r#"select count(*) as "count!" from platform.event_archives"#)
            .fetch_one(&self.pool)
            .await?;
        if self.archived.as_ref().map(Vec::len) != usize::try_from(archived).ok() {
            let moved = "a month of the log went to the files meanwhile: begin again";
            return Err(Error::new(&codes::UNAVAILABLE, moved));
        }
        self.next = events.into();
        Ok(())
    }
}

/// What is in the table.
struct Table {
    pool: PgPool,
    group: &'static str,
    /// Up to where it was read.
    position: i64,
}

#[async_trait]
impl Live for Table {
    async fn read(&mut self, limit: usize) -> Result<Vec<Event>> {
        let events = sqlx::query_as!(
            Event,
            r#"select e.id, e.type as event_type, e.key, e.position as "position!", e.payload, e.created_at,
                   e.headers ->> 'traceparent' as traceparent
               from platform.events e
               where e.position > $1 and e.position <= (select position from platform.event_groups where name = $2)
               order by e.position limit $3"#,
            self.position,
            self.group,
            limit as i64
        )
        .fetch_all(&self.pool)
        .await?;
        if let Some(last) = events.last() {
            self.position = last.position;
        }
        Ok(events)
    }
}

/// The months in the files.
async fn open(pool: &PgPool, files: &dyn Files) -> Result<Vec<Month>> {
    let archives = sqlx::query!("select month, events, sha256 from platform.event_archives order by month")
        .fetch_all(pool)
        .await?;
    let mut months = Vec::new();
    for archive in archives {
        let contents = Contents {
            events: archive.events,
            sha256: archive.sha256,
        };
        months.push(Month {
            reader: Some(Reader::open(files, &archive.month, contents).await?),
            next: VecDeque::new(),
        });
    }
    Ok(months)
}
