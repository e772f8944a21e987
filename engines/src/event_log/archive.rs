//! A month of the log as a file: a line of JSON for each event, as PostgreSQL writes its row, in the order of the log;
//! compressed by gzip.

use std::io::{self, Write as _};

use data_encoding::HEXLOWER;
use flate2::{
    Compression,
    write::{GzDecoder, GzEncoder},
};
use futures::{TryStreamExt as _, stream::BoxStream};
use sha2::{Digest as _, Sha256};
use smartcourse_platform::{Error, Result, events::Event, ports::files::Files};
use sqlx::{AssertSqlSafe, PgPool};

/// Events that are read and written at a time.
const BATCH: i64 = 500;
/// Bytes of text that are taken from a file at a time, if it has as many.
const TEXT: usize = 512 * 1024;

/// What is in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) events: i64,
    /// Of the file, in hexadecimal digits.
    pub(super) sha256: String,
}

/// The key of a month's file.
fn key(month: &str) -> String {
    format!("events/{month}.jsonl.gz")
}

/// Writes the placed events of a table into the file of a month, and reads it back; answers what is in it, and the position
/// of the last.
pub(super) async fn write(
    pool: &PgPool,
    files: &dyn Files,
    month: &str,
    table: &str,
) -> Result<(Contents, i64)> {
    let query = format!(
        "select position, to_jsonb(e)::text from platform.{table} e where position > $1 order by position limit {BATCH}"
    );
    let mut file = files.write(&key(month)).await?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    let mut hash = Sha256::new();
    let (mut events, mut last) = (0, 0);
    loop {
        let rows: Vec<(i64, String)> = sqlx::query_as(AssertSqlSafe(query.clone()))
            .bind(last)
            .fetch_all(pool)
            .await?;
        for (position, line) in &rows {
            writeln!(gzip, "{line}").map_err(|error| broken(month, error))?;
            last = *position;
        }
        events += rows.len() as i64;
        if rows.is_empty() {
            break;
        }
        let bytes = std::mem::take(gzip.get_mut());
        hash.update(&bytes);
        file.write(bytes.into()).await?;
    }
    let bytes = gzip.finish().map_err(|error| broken(month, error))?;
    hash.update(&bytes);
    file.write(bytes.into()).await?;
    file.finish().await?;
    let written = Contents {
        events,
        sha256: HEXLOWER.encode(&hash.finalize()),
    };
    let mut reader = Reader::open(files, month, written.clone()).await?;
    while reader.lines().await?.is_some() {}
    Ok((written, last))
}

/// A file that is read.
pub(super) struct Reader {
    month: String,
    expected: Contents,
    bytes: BoxStream<'static, Result<bytes::Bytes>>,
    gunzip: GzDecoder<Vec<u8>>,
    hash: Sha256,
    events: i64,
    ended: bool,
}

impl Reader {
    /// Begins to read a month that has this in it. Fails when the file is not there.
    pub(super) async fn open(files: &dyn Files, month: &str, expected: Contents) -> Result<Self> {
        let bytes = files
            .read(&key(month))
            .await
            .map_err(|error| broken(month, error))?;
        Ok(Self {
            month: month.to_owned(),
            expected,
            bytes,
            gunzip: GzDecoder::new(Vec::new()),
            hash: Sha256::new(),
            events: 0,
            ended: false,
        })
    }

    /// The next events, in the order of the log; `None` at the end. Fails when the file has something else in it.
    pub(super) async fn events(&mut self, pool: &PgPool) -> Result<Option<Vec<Event>>> {
        let Some(lines) = self.lines().await? else {
            return Ok(None);
        };
        let events = sqlx::query_as!(
            Event,
            r#"select e.id as "id!", e.type as "event_type!", e.key as "key!", e.position as "position!",
                   e.payload as "payload!", e.created_at as "created_at!",
                   e.headers ->> 'traceparent' as traceparent
               from unnest($1::text[]) line, jsonb_populate_record(null::platform.events, line::jsonb) e
               order by e.position"#,
            &lines
        )
        .fetch_all(pool)
        .await?;
        Ok(Some(events))
    }

    async fn lines(&mut self) -> Result<Option<Vec<String>>> {
        while !self.ended && (self.gunzip.get_ref().len() < TEXT || !self.gunzip.get_ref().contains(&b'\n')) {
            if let Some(bytes) = self.bytes.try_next().await? {
                self.hash.update(&bytes);
                self.gunzip
                    .write_all(&bytes)
                    .map_err(|error| broken(&self.month, error))?;
            } else {
                self.gunzip
                    .try_finish()
                    .map_err(|error| broken(&self.month, error))?;
                self.ended = true;
            }
        }
        let text = self.gunzip.get_mut();
        let end = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |last| last + 1);
        let rest = text.split_off(end);
        let text =
            String::from_utf8(std::mem::replace(text, rest)).map_err(|error| broken(&self.month, error))?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        self.events += lines.len() as i64;
        if !lines.is_empty() {
            return Ok(Some(lines));
        }
        let found = Contents {
            events: self.events,
            sha256: HEXLOWER.encode(&self.hash.clone().finalize()),
        };
        if found == self.expected {
            return Ok(None);
        }
        let differs = format!("{found:?} instead of {:?}", self.expected);
        Err(broken(&self.month, io::Error::other(differs)))
    }
}

/// What is told of a file that is not what it was.
fn broken(month: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::internal(format!("the archive {} cannot be used", key(month))).because(cause)
}
