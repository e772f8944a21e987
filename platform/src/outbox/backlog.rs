//! What waits: for whoever watches.

use sqlx::PgPool;

use crate::error::Result;

/// What waits to be carried on.
#[derive(Debug, Clone, Default)]
pub struct Backlog {
    /// Rows of the outbox by kind, and the age of the oldest in seconds.
    pub outbox: Vec<(&'static str, i64, f64)>,
    /// Events that are parked, by group.
    pub parked: Vec<(String, i64)>,
    /// Background tasks by kind: those that are due and wait, and those that were given up.
    pub tasks: Vec<(String, i64, i64)>,
}

/// Looks at everything that waits.
pub async fn backlog(pool: &PgPool) -> Result<Backlog> {
    let commands = sqlx::query!(
        r#"select count(*) as "count!", coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as "age!"
           from platform.outbox_commands where done_at is null"#
    )
    .fetch_one(pool)
    .await?;
    let events = sqlx::query!(
        r#"select count(*) as "count!", coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as "age!"
           from platform.events where position is null"#
    )
    .fetch_one(pool)
    .await?;
    let parked = sqlx::query!(
        r#"select name, (select count(*) from platform.parked_events where group_name = name) as "count!"
           from platform.event_groups"#
    )
    .fetch_all(pool)
    .await?;
    let tasks = sqlx::query!(
        // Each by an index of its own: those that are done are many.
        r#"select kind as "kind!", count(*) filter (where waits) as "waiting!", count(*) filter (where not waits) as "dead!"
           from (select kind, true as waits from platform.tasks where state = 'queued' and next_try_at <= now()
                 union all select kind, false from platform.tasks where state = 'dead') tasks group by kind"#
    )
    .fetch_all(pool)
    .await?;
    Ok(Backlog {
        outbox: vec![
            ("commands", commands.count, commands.age),
            ("events", events.count, events.age),
        ],
        parked: parked.into_iter().map(|row| (row.name, row.count)).collect(),
        tasks: tasks
            .into_iter()
            .map(|row| (row.kind, row.waiting, row.dead))
            .collect(),
    })
}
