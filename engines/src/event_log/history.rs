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
use sqlx::{PgPool, types::time::OffsetDateTime};

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
}

#[async_trait]
impl EventHistory for History {
    fn replay(&self, group: &'static str) -> Box<dyn Replay> {
        Box::new(FromStart {
            pool: self.pool.clone(),
            files: Arc::clone(&self.files),
            group,
            archived: None,
            position: 0,
            live: VecDeque::new(),
        })
    }

    async fn sweep(&self, now: OffsetDateTime, before: Option<OffsetDateTime>) -> Result<u64> {
        months::make(&self.pool, now).await?;
        match before {
            Some(before) => months::archive_oldest(&self.pool, self.files.as_ref(), before).await,
            None => Ok(0),
        }
    }
}

/// A group's part of the log.
struct FromStart {
    pool: PgPool,
    files: Arc<dyn Files>,
    group: &'static str,
    /// The months that had gone to the files when it began.
    archived: Option<Vec<Month>>,
    /// Up to where the table was read.
    position: i64,
    live: VecDeque<Event>,
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
            if self.live.is_empty() && !live_ended {
                self.read_table(limit).await?;
                live_ended = self.live.is_empty();
            }
            // The first event of a month can have been placed before the last one of the month before.
            let mut first = &mut self.live;
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
            events.push(event);
        }
        Ok(events)
    }
}

impl FromStart {
    /// Reads on in the table.
    async fn read_table(&mut self, limit: usize) -> Result<()> {
        let events = sqlx::query_as!(
            Event,
            r#"select e.id, e.type as event_type, e.key, e.position as "position!", e.payload, e.created_at
               from platform.events e
               where e.position > $1 and e.position <= (select position from platform.event_groups where name = $2)
               order by e.position limit $3"#,
            self.position,
            self.group,
            limit as i64
        )
        .fetch_all(&self.pool)
        .await?;
        // Looked up after the events were read: no month had left the table then that is not among the files here.
        let archived = sqlx::query_scalar!(r#"select count(*) as "count!" from platform.event_archives"#)
            .fetch_one(&self.pool)
            .await?;
        if self.archived.as_ref().map(Vec::len) != usize::try_from(archived).ok() {
            let moved = "a month of the log went to the files meanwhile: begin again";
            return Err(Error::new(&codes::UNAVAILABLE, moved));
        }
        if let Some(last) = events.last() {
            self.position = last.position;
        }
        self.live = events.into();
        Ok(())
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
