//! The rows of the database, as COPY writes and reads them: by any connection, whatever programs this machine has.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use futures::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use time::OffsetDateTime;

use super::place::Place;
use crate::schemas;

/// Tables that are no part of a back-up: documents are a part of their own, whatever has them; vectors and search entries are made
/// from them; the others are true of one place alone.
const LEFT_OUT: [&str; 8] = [
    "platform.documents",
    "platform.vectors",
    "platform.vector_stamps",
    "platform.search_entries",
    "platform.engine_places",
    "platform.open_writes",
    "platform.event_partitions",
    "platform.group_partitions",
];

/// What is in a back-up, and how its rows are written.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Version of the executable.
    made_by: String,
    /// When the rows were seen: what was acknowledged by then is in it.
    #[serde(with = "time::serde::rfc3339")]
    seen: OffsetDateTime,
    /// The last migration of each schema.
    migrations: BTreeMap<String, i64>,
    /// Each table with its columns, quoted, in an order in which their rows can be written.
    tables: Vec<(String, String)>,
    /// The last value of each sequence.
    sequences: BTreeMap<String, i64>,
    pub(super) rows: u64,
    pub(super) documents: u64,
    pub(super) files: usize,
    /// What rows name and nobody had.
    pub(super) missing: Vec<String>,
}

impl Manifest {
    const PART: &str = "manifest.json";

    pub(super) async fn write(&self, place: &mut Place) -> Result<()> {
        let mut writer = place.write(Self::PART).await?;
        writer.write(serde_json::to_vec_pretty(self)?.into()).await?;
        place.end(Self::PART, writer).await
    }

    pub(super) async fn read(place: &Place) -> Result<Self> {
        let bytes: Vec<_> = place.read(Self::PART).await?.try_collect().await?;
        serde_json::from_slice(&bytes.concat())
            .with_context(|| format!("{} was made by another version", place.path.display()))
    }
}

fn names() -> Vec<&'static str> {
    schemas::all().into_iter().map(|(schema, _)| schema).collect()
}

fn part(table: &str) -> String {
    format!("rows/{}", table.replace('"', ""))
}

async fn last_migration(rows: &mut PgConnection, schema: &str) -> Result<Option<i64>> {
    let query = format!("select max(version) from \"{schema}\"._migrations where success");
    Ok(sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(rows).await?)
}

/// Writes all rows this transaction sees.
pub(super) async fn write(tx: &mut PgConnection, place: &mut Place) -> Result<Manifest> {
    // When the transaction began, which is before what it sees.
    let seen = sqlx::query_scalar("select now()").fetch_one(&mut *tx).await?;
    let mut migrations = BTreeMap::new();
    for schema in names() {
        let last = last_migration(tx, schema).await?;
        let last = last.with_context(|| format!("schema {schema} is empty: run `smartcourse migrate`"))?;
        migrations.insert(schema.to_owned(), last);
    }
    let tables = tables(tx).await?;
    let mut count = 0;
    for (table, columns) in &tables {
        let part = part(table);
        let mut writer = place.write(&part).await?;
        let copy = format!("copy (select {columns} from {table}) to stdout");
        let mut rows = tx.copy_out_raw(&copy).await?;
        while let Some(bytes) = rows.try_next().await? {
            // Line ends within values are written otherwise.
            count += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            writer.write(bytes).await?;
        }
        drop(rows);
        place.end(&part, writer).await?;
    }
    // These are of no transaction: they are at the last row that was written, or beyond.
    let sequences: Vec<(String, i64)> = sqlx::query_as(
        "select format('%I.%I', schemaname, sequencename), last_value from pg_sequences
         where schemaname = any($1) and last_value is not null",
    )
    .bind(names())
    .fetch_all(tx)
    .await?;
    Ok(Manifest {
        made_by: env!("SMARTCOURSE_VERSION").to_owned(),
        seen,
        migrations,
        tables,
        sequences: sequences.into_iter().collect(),
        rows: count,
        documents: 0,
        files: 0,
        missing: Vec::new(),
    })
}

/// The tables, each after those its rows refer to.
async fn tables(tx: &mut PgConnection) -> Result<Vec<(String, String)>> {
    Ok(sqlx::query_as(
        "with recursive kept as (
             select c.oid, format('%I.%I', n.nspname, c.relname) as name
             from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where n.nspname = any($1) and c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence = 'p'
                 and c.relname <> '_migrations' and n.nspname || '.' || c.relname <> all($2)
         ), deep as (
             select oid, 0 as depth from kept
             union select f.conrelid, deep.depth + 1 from deep
             join pg_constraint f on f.confrelid = deep.oid and f.contype = 'f' and f.conrelid <> f.confrelid
         )
         select name, (
             select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute a
             where a.attrelid = kept.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '')
         from kept order by (select max(depth) from deep where deep.oid = kept.oid), name",
    )
    .bind(names())
    .bind(&LEFT_OUT[..])
    .fetch_all(tx)
    .await?)
}

/// Brings an empty database to the migrations of a back-up.
pub(super) async fn migrate(pool: &PgPool, manifest: &Manifest) -> Result<()> {
    let made_by = &manifest.made_by;
    for (schema, migrator) in schemas::all() {
        // A schema that it did not have is made later, empty.
        let Some(&last) = manifest.migrations.get(schema) else {
            continue;
        };
        anyhow::ensure!(
            migrator.version_exists(last),
            "the back-up was made by SmartCourse {made_by}, which is newer than this one: restore it with that version"
        );
        migrator
            .run_to(last, pool)
            .await
            .with_context(|| format!("the migrations of schema {schema} failed"))?;
        let there = last_migration(&mut *pool.acquire().await?, schema).await?;
        anyhow::ensure!(
            there == Some(last),
            "the database has newer migrations than the back-up of SmartCourse {made_by}: name an empty database"
        );
    }
    Ok(())
}

/// Fails when somebody has used this database; it may have no tables yet.
pub(super) async fn require_empty(rows: &mut PgConnection) -> Result<()> {
    anyhow::ensure!(
        is_empty(rows).await?,
        "the database is in use: a back-up is restored into an empty one. If PostgreSQL's own means have put the rows back, \
         --beside-rows brings the documents and files they name"
    );
    Ok(())
}

async fn is_empty(rows: &mut PgConnection) -> Result<bool> {
    let tables = ["\"user\".users", "course.courses", "platform.events"];
    let there: i64 = sqlx::query_scalar("select count(to_regclass(name)) from unnest($1::text[]) name")
        .bind(&tables[..])
        .fetch_one(&mut *rows)
        .await?;
    if there < 3 {
        return Ok(true);
    }
    Ok(sqlx::query_scalar(
        "select not exists (select from \"user\".users) and not exists (select from course.courses)
             and not exists (select from platform.events)",
    )
    .fetch_one(rows)
    .await?)
}

/// Makes the rows of an empty database those of a back-up, once the transaction commits; answers how many there are.
pub(super) async fn read(tx: &mut PgConnection, place: &Place, manifest: &Manifest) -> Result<u64> {
    let names: Vec<&str> = manifest.tables.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(", ");
    // A role that was started meanwhile may have written.
    let lock = format!("lock table {names} in access exclusive mode");
    sqlx::query(AssertSqlSafe(lock)).execute(&mut *tx).await?;
    require_empty(tx).await?;
    // Migrations have written some.
    let truncate = format!("truncate {names}");
    sqlx::query(AssertSqlSafe(truncate)).execute(&mut *tx).await?;
    let mut count = 0;
    for (table, columns) in &manifest.tables {
        let mut bytes = place.read(&part(table)).await?;
        let mut rows = tx
            .copy_in_raw(&format!("copy {table} ({columns}) from stdin"))
            .await?;
        while let Some(bytes) = bytes.try_next().await? {
            rows.send(bytes).await?;
        }
        count += rows.finish().await?;
    }
    for (sequence, last) in &manifest.sequences {
        sqlx::query("select setval($1::regclass, $2)")
            .bind(sequence)
            .bind(last)
            .execute(&mut *tx)
            .await?;
    }
    Ok(count)
}
