//! The months of the log: those to come are made, and the oldest goes to the files when it is old enough and nobody needs it.

use smartcourse_platform::{Result, ports::files::Files, postgres, upkeep};
use sqlx::{AssertSqlSafe, PgConnection, PgPool, types::time::OffsetDateTime};

use super::archive;

/// Advisory lock of whoever wants the months to stay as they are, "mont"; whoever changes them needs it alone.
const MONTHS: i64 = 0x6d6f_6e74;

/// Keeps the months as they are for as long as this session lives: a table that is dropped is gone from every snapshot.
pub(super) async fn keep(session: &mut PgConnection) -> Result<()> {
    sqlx::query("select pg_advisory_lock_shared($1)")
        .bind(MONTHS)
        .execute(session)
        .await?;
    Ok(())
}

/// Whether they may be changed until the transaction ends; a later clean-up does it otherwise, and nobody waits.
async fn may_change(tx: &mut PgConnection) -> Result<bool> {
    let may: bool = sqlx::query_scalar("select pg_try_advisory_xact_lock($1)")
        .bind(MONTHS)
        .fetch_one(tx)
        .await?;
    if !may {
        tracing::info!("a back-up is made: the months of the log stay as they are");
    }
    Ok(may)
}

/// Makes the month of this time and the next two; those that are there stay.
pub(super) async fn make(pool: &PgPool, now: OffsetDateTime) -> Result<()> {
    let mut tx = postgres::begin(pool).await?;
    if may_change(&mut tx).await? {
        sqlx::query!(r#"select platform.make_event_months($1)::text as "made?""#, now)
            .fetch_one(&mut *tx)
            .await?;
    }
    Ok(tx.commit().await?)
}

/// Takes the oldest month to the files if it ended before this time; answers how many events it had. A month somebody needs
/// stays, and with it all later ones.
pub(super) async fn archive_oldest(pool: &PgPool, files: &dyn Files, before: OffsetDateTime) -> Result<u64> {
    let oldest = sqlx::query_scalar!(
        r#"select c.relname::text as "table!" from pg_inherits i join pg_class c on c.oid = i.inhrelid
           where i.inhparent = 'platform.events'::regclass and c.relname like 'events\_2%'
           order by c.relname limit 1"#
    )
    .fetch_optional(pool)
    .await?;
    let Some(table) = oldest else { return Ok(0) };
    let month = table.trim_start_matches("events_").replace('_', "-");
    let over = sqlx::query_scalar!(
        r#"select to_date($1, 'YYYY-MM') + interval '1 month' <= $2 at time zone 'UTC' as "over!""#,
        month,
        before
    )
    .fetch_one(pool)
    .await?;
    if !over || is_needed(&mut *pool.acquire().await?, &month, &table).await? {
        return Ok(0);
    }
    let (contents, last) = archive::write(pool, files, &month, &table).await?;
    // Its events cannot come again: nobody asks any more who has taken them.
    let taken = format!(
        "delete from platform.inbox i using (
             select i.group_name, i.event_id from platform.event_groups g join platform.inbox i on i.group_name = g.name
             where i.event_id between (select id from platform.{table} order by id limit 1)
                 and (select id from platform.{table} order by id desc limit 1) limit $1) old
         where i.group_name = old.group_name and i.event_id = old.event_id"
    );
    while upkeep::batched(pool, || {
        sqlx::query(AssertSqlSafe(taken.clone())).bind(upkeep::BATCH)
    })
    .await?
        > 0
    {}

    let mut tx = postgres::begin(pool).await?;
    if !may_change(&mut tx).await? {
        return Ok(0);
    }
    // Whoever parks an event holds the one and then looks at the other: in this order nobody waits in a circle.
    sqlx::query("lock table platform.parked_events, platform.events in access exclusive mode")
        .execute(&mut *tx)
        .await?;
    let now_last = format!("select coalesce(max(position), 0) from platform.{table}");
    let now_last: i64 = sqlx::query_scalar(AssertSqlSafe(now_last))
        .fetch_one(&mut *tx)
        .await?;
    if now_last != last || is_needed(&mut tx, &month, &table).await? {
        tracing::warn!(
            month,
            "the month changed while it was archived; it is archived again by the next clean-up"
        );
        return Ok(0);
    }
    sqlx::query!(
        "insert into platform.event_archives (month, events, last_position, sha256) values ($1, $2, $3, $4)",
        month,
        contents.events,
        last,
        contents.sha256
    )
    .execute(&mut *tx)
    .await?;
    for statement in ["alter table platform.events detach partition", "drop table"] {
        let statement = format!("{statement} platform.{table}");
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    tracing::info!(
        month,
        events = contents.events,
        "a month of the log went to the files"
    );
    Ok(contents.events.unsigned_abs())
}

/// Whether somebody needs the events of a month, which is said in the log.
async fn is_needed(connection: &mut PgConnection, month: &str, table: &str) -> Result<bool> {
    let why = format!(
        "select coalesce(
             (select 'an event has no position yet' from platform.{table} where position is null limit 1),
             (select format('group %s has parked event %s', p.group_name, p.event_id)
              from platform.parked_events p join platform.{table} e on e.id = p.event_id limit 1),
             (select format('group %s has not read past it', name) from platform.event_groups
              where position < (select max(position) from platform.{table}) limit 1))"
    );
    let why: Option<String> = sqlx::query_scalar(AssertSqlSafe(why))
        .fetch_one(connection)
        .await?;
    if let Some(why) = &why {
        tracing::warn!(
            month,
            why,
            "the month is old enough to go to the files, and stays"
        );
    }
    Ok(why.is_some())
}
