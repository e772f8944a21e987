//! The database: pools, transactions, migrations, and what its errors mean.

mod error;
mod pools;
mod transaction;

use std::{borrow::Cow, time::Duration};

use secrecy::ExposeSecret;
use sqlx::{Executor as _, PgPool, migrate::Migrator, postgres::PgPoolOptions};

pub use self::{
    error::OnConstraint,
    pools::{observe_pools, record_pools},
    transaction::{Tx, begin, savepoint},
};
use crate::{
    config::Postgres,
    error::{Error, Result, codes},
};

/// Start of the names our sessions have at the server.
const SESSION: &str = "smartcourse-";
/// End of the names of sessions in a transaction that may stand still.
const PATIENT: &str = " (patient)";
/// A transaction that stands still for this long is stuck: those that wait for a call of another service take seconds.
const STILL: Duration = Duration::from_secs(10);

/// How long a connection may rest before it is closed.
const RESTED: Duration = Duration::from_secs(60);

/// How long an idle connection is taken to be alive.
pub(crate) const TRUSTED: Duration = Duration::from_secs(1);

/// A pool that connects when it is first used, so that a service starts before its database. Fails when the URL is none.
pub fn pool(config: &Postgres, service: &str) -> Result<PgPool> {
    let options: sqlx::postgres::PgConnectOptions =
        config.url.expose_secret().parse().map_err(|error: sqlx::Error| {
            Error::internal("postgres.url or postgres.direct_url cannot be read").because(error)
        })?;
    let limits = format!(
        // The server ends the sessions of a process that vanished, and with them their locks; over a local socket it need not.
        "set idle_in_transaction_session_timeout = '{}s'; set statement_timeout = '{}s'; set lock_timeout = '{}s';
         set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 3; set tcp_keepalives_count = 3; set tcp_user_timeout = 15000",
        config.idle_transaction_seconds, config.statement_seconds, config.lock_seconds
    );
    let pool = PgPoolOptions::new()
        // What is heard of statements and connections is counted (`smartcourse_telemetry::statements`).
        .acquire_time_level(log::LevelFilter::Debug)
        .max_connections(config.pool_size)
        // Others may need them: the server has so many for all.
        .idle_timeout(RESTED)
        .acquire_timeout(Duration::from_secs(config.acquire_timeout_seconds))
        // A connection in use a moment ago needs no look whether it lives: that would double every read's way.
        .test_before_acquire(false)
        .before_acquire(|connection, usage| {
            Box::pin(async move {
                if error::is_behind_a_failover(usage.age) {
                    return Ok(false);
                }
                if usage.idle_for <= TRUSTED {
                    return Ok(true);
                }
                let at_rest = transaction::is_at_rest(connection).await?;
                if !at_rest {
                    tracing::error!("a connection was given back inside a transaction; it is closed");
                }
                Ok(at_rest)
            })
        })
        // Not among the options of the connection: poolers in between refuse those they do not know.
        .after_connect(move |connection, _| {
            let limits = sqlx::AssertSqlSafe(limits.clone());
            Box::pin(async move { connection.execute(limits).await.map(drop) })
        })
        .connect_lazy_with(options.application_name(&format!("{SESSION}{service}")));
    pools::note(service, &pool);
    Ok(pool)
}

/// Gives a service's embedded migrations its own schema and its own table of applied migrations. Those a later version has applied are
/// left alone: this one goes on with them.
pub fn in_schema(schema: &str, mut migrator: Migrator) -> Migrator {
    migrator.ignore_missing = true;
    migrator.create_schemas = Cow::Owned(vec![Cow::Owned(schema.to_owned())]);
    migrator.table_name = Cow::Owned(format!("{schema}._migrations"));
    migrator
}

/// The migrations of the shared tables: outbox, inbox, documents, vectors, search.
pub fn migrator() -> Migrator {
    in_schema("platform", sqlx::migrate!("./migrations"))
}

/// A text in which `like` finds no wildcard: it matches itself alone.
pub fn literal(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}

/// Waits for a lock that the transaction holds until its end. `what` tells locks of one kind from those of another; the id
/// has 32 bits of it: two that share them wait for each other, nothing worse.
pub async fn lock(tx: &mut sqlx::PgConnection, what: i32, id: i64) -> Result<()> {
    sqlx::query("select pg_advisory_xact_lock($1, hashint8($2))")
        .bind(what)
        .bind(id)
        .execute(tx)
        .await?;
    Ok(())
}

/// Lets a transaction stand still, and its statements take, for longer than others: it holds a lock while files or engines are
/// written to, or writes much, for as long as an activity may take.
pub async fn be_patient(tx: &mut sqlx::PgConnection) -> Result<()> {
    sqlx::query(
        "select set_config('idle_in_transaction_session_timeout', '30min', true),
                set_config('statement_timeout', '30min', true), set_config('lock_timeout', '30min', true),
                set_config('application_name', current_setting('application_name') || $1, true)",
    )
    .bind(PATIENT)
    .execute(tx)
    .await?;
    Ok(())
}

/// The same without an end, for what an operator waits for.
pub async fn be_endless(tx: &mut sqlx::PgConnection) -> Result<()> {
    be_patient(tx).await?;
    sqlx::raw_sql(
        "set local idle_in_transaction_session_timeout = 0; set local statement_timeout = 0; set local lock_timeout = 0",
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A transaction that sees the database as it is now for as long as it lasts, and writes nothing.
pub async fn snapshot(pool: &PgPool) -> Result<Tx> {
    let mut tx = begin(pool).await?;
    sqlx::query("set transaction isolation level repeatable read, read only")
        .execute(&mut *tx)
        .await?;
    be_endless(&mut tx).await?;
    Ok(tx)
}

/// The transactions of ours that have stood still for longer than any should, patient ones apart, each with its session,
/// its age and its last statement: something holds on to their locks and does not go on.
pub async fn standing_still(pool: &PgPool) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(
        "select format('%s, %s s: %s', application_name, extract(epoch from now() - state_change)::int, left(query, 200))
         from pg_stat_activity
         where datname = current_database() and state like 'idle in transaction%'
           and application_name like $1 || '%' and application_name not like '%' || $2
           and state_change < now() - make_interval(secs => $3)",
    )
    .bind(SESSION)
    .bind(PATIENT)
    .bind(STILL.as_secs_f64())
    .fetch_all(pool)
    .await?)
}

/// The connections of all clients at the server, ours and others', and how many it takes of those who are no superusers.
pub async fn server_connections(pool: &PgPool) -> Result<(i64, i64)> {
    Ok(sqlx::query_as(
        "select (select sum(numbackends)::bigint from pg_stat_database),
                current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint",
    )
    .fetch_one(pool)
    .await?)
}

/// Those of some pools, by their names, that are connected to the database.
pub async fn connected(pool: &PgPool, names: &[&str]) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(
        "select name from unnest($1::text[]) name where exists (
             select from pg_stat_activity where datname = current_database() and application_name = $2 || name)",
    )
    .bind(names)
    .bind(SESSION)
    .fetch_all(pool)
    .await?)
}

/// What a call of the database answers, if it does so in this time; `timeout` otherwise.
pub async fn in_time<T>(limit: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Err(Error::new(&codes::TIMEOUT, "the database does not answer"));
    tokio::time::timeout(limit, call).await.unwrap_or_else(late)
}

/// Whether a connection still answers, within whatever transaction it is in.
pub async fn lives(connection: &mut sqlx::PgConnection) -> Result<()> {
    connection.execute("select 1").await?;
    Ok(())
}

/// Whether the database answers and, when this process has seen it refuse to write, whether it writes again.
pub async fn is_ready(pool: &PgPool) -> Result<()> {
    let probe = match error::writes_are_in_doubt() {
        // Takes a new file on the disk, and is refused by a standby.
        true => "create temporary table probe on commit drop as select 1",
        false => "select 1",
    };
    pool.execute(probe).await?;
    error::writes_work();
    Ok(())
}
