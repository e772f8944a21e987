//! Everything from the log again, in one transaction, compared with what was there.

use smartcourse_platform::{Result, events, ports::event_log::EventLog, postgres};
use sqlx::{PgConnection, PgPool};

use crate::consumers::{Counter, GROUP};

/// What a rebuild found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Events that were counted again.
    pub events: u64,
    /// Tables that differ from what the consumer had counted; empty when both agree to the digit.
    pub differing: Vec<String>,
}

/// Counts the log again up to where the consumer group has read, without the events it has parked.
///
/// Readers see the old numbers until the new ones are complete.
///
/// # Errors
/// When an event cannot be counted; nothing is changed then.
pub async fn rebuild(pool: &PgPool, log: &dyn EventLog) -> Result<Rebuilt> {
    let mut tx = postgres::begin(pool).await?;
    events::hold_group(&mut tx, GROUP).await?;
    let before = digests(&mut tx).await?;
    // Not truncated: readers would wait for the whole rebuild.
    sqlx::query!(
        "with u as (delete from analytics.users), a as (delete from analytics.activity),
             c as (delete from analytics.courses), e as (delete from analytics.enrollments),
             l as (delete from analytics.lessons), q as (delete from analytics.questions),
             z as (delete from analytics.certificates), p as (delete from analytics.popularity), f as (delete from analytics.failed_publishes)
         delete from analytics.counted"
    )
    .execute(&mut *tx)
    .await?;
    let counted = log.replay(&mut tx, &Counter).await?;
    let after = digests(&mut tx).await?;
    tx.commit().await?;
    let differing = before
        .into_iter()
        .zip(after)
        .filter(|(before, after)| before != after)
        .map(|((table, _), _)| table);
    Ok(Rebuilt {
        events: counted,
        differing: differing.collect(),
    })
}

/// One digest per table, over all its rows.
async fn digests(tx: &mut PgConnection) -> Result<Vec<(String, String)>> {
    let rows = sqlx::query!(
        r#"select 'users' as "name!", coalesce(md5(string_agg(t::text, '|' order by t::text)), '') as "digest!" from analytics.users t
           union all select 'activity', coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from analytics.activity t
           union all select 'courses', coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from analytics.courses t
           union all select 'enrollments', coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from analytics.enrollments t
           union all select 'lessons', coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from analytics.lessons t
           union all select 'questions', coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from analytics.questions t
           union all select 'certificates', coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from analytics.certificates t
           union all select 'popularity', coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from analytics.popularity t
           union all select 'failed_publishes', coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from analytics.failed_publishes t
           union all select 'counted', coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from analytics.counted t
           order by 1"#
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.name, row.digest)).collect())
}
