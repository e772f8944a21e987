//! Content processes with different models do not serve together: half of a version would have vectors of one, half of the
//! other, and neither would find it complete.
//!
//! The place belongs to a model, for as long as a session of one of its processes holds the lock that the model's name makes.
//! A process with another model waits for it before it listens.

use std::time::Duration;

use smartcourse_platform::{Error, Result, lifecycle::Lifecycle, postgres};
use sqlx::{PgPool, Postgres, pool::PoolConnection};

/// First key of the advisory locks, "mode". The second is 0 for whoever looks who is there, else made of a model's name.
const LOCK: i32 = 0x6d6f_6465;
/// Start of the name of a session that holds the place; the name of the model follows.
const SESSION: &str = "smartcourse-model ";
/// How often the place is asked for, and its session whether it lives.
const LOOK: Duration = Duration::from_secs(2);
/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The place of this process's model.
#[derive(Debug)]
pub struct ModelPlace {
    pool: PgPool,
    model: String,
    session: Option<PoolConnection<Postgres>>,
}

impl ModelPlace {
    /// Waits until no process with another model serves; `None` when this one is to stop meanwhile. A database that is away is
    /// not waited for: [`keep`](Self::keep) takes the place when it is back.
    pub async fn wait(pool: PgPool, model: &str, life: &Lifecycle) -> Option<Self> {
        let mut place = Self {
            pool,
            model: model.to_owned(),
            session: None,
        };
        while let Ok(Some(other)) = place.take().await {
            tracing::warn!(
                model,
                other,
                "content is served with another model: waiting for the end of its processes"
            );
            if !life.sleep(LOOK).await {
                return None;
            }
        }
        Some(place)
    }

    /// Keeps the place until the process stops.
    ///
    /// # Errors
    /// When the session broke and another model has the place by now: this process must not go on.
    pub async fn keep(mut self, life: Lifecycle) -> Result<()> {
        while life.sleep(LOOK).await {
            if self.is_held().await {
                continue;
            }
            match self.take().await {
                Ok(None) => {}
                Ok(Some(other)) => {
                    return Err(Error::internal(format!("content is served with {other} by now")));
                }
                Err(error) => tracing::debug!(error = %error.chain(), "the place of the model is taken soon"),
            }
        }
        Ok(())
    }

    /// Takes the place; answers the other model whose it is.
    async fn take(&mut self) -> Result<Option<String>> {
        postgres::in_time(PATIENCE, self.ask()).await
    }

    async fn ask(&mut self) -> Result<Option<String>> {
        // Not of the pool any more: whatever happens to it, its locks go with it.
        let mut session = self.pool.acquire().await?;
        session.close_on_drop();
        sqlx::query("select set_config('application_name', left($1, 63), false)")
            .bind(format!("{SESSION}{}", self.model))
            .execute(&mut *session)
            .await?;
        // One at a time, so that of two who come at once the second sees the first.
        sqlx::query("select pg_advisory_lock($1, 0)")
            .bind(LOCK)
            .execute(&mut *session)
            .await?;
        let other: Option<String> = sqlx::query_scalar(
            "select substr(coalesce(max(a.application_name), ''), length($3) + 1)
             from pg_locks l left join pg_stat_activity a using (pid)
             where l.locktype = 'advisory' and l.objsubid = 2 and l.classid::bigint = $1
               and l.database = (select oid from pg_database where datname = current_database())
               and l.objid::bigint not in (0, (hashtext($2) | 1)::bigint & 4294967295)
             having count(*) > 0",
        )
        .bind(LOCK)
        .bind(&self.model)
        .bind(SESSION)
        .fetch_optional(&mut *session)
        .await?;
        if other.is_none() {
            sqlx::query("select pg_advisory_lock_shared($1, hashtext($2) | 1), pg_advisory_unlock($1, 0)")
                .bind(LOCK)
                .bind(&self.model)
                .execute(&mut *session)
                .await?;
            self.session = Some(session);
        }
        Ok(other)
    }

    async fn is_held(&mut self) -> bool {
        let Some(session) = &mut self.session else {
            return false;
        };
        let lives = postgres::in_time(PATIENCE, postgres::lives(session))
            .await
            .is_ok();
        if !lives {
            self.session = None;
        }
        lives
    }
}
