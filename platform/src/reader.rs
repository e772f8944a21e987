//! Connections for short reads and statements that commit themselves, kept at hand.
//!
//! sqlx asks the server whether a connection still lives each time it comes back to its pool: a round trip, and a task that
//! waits for it, which cost as much as reading a row by its key. Connections that were in use a moment ago are therefore
//! handed from one use to the next, and go back to the pool only when there are more of them than are kept.

use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};

use crate::{error::Result, postgres::TRUSTED};

/// One connection in so many of the pool may be kept: the others stay with whoever writes.
const SHARE: u32 = 4;

/// Short uses of a pool that others use too.
#[derive(Debug)]
pub struct Reader {
    pool: PgPool,
    kept: Mutex<Vec<(PoolConnection<Postgres>, Instant)>>,
}

impl Reader {
    /// Over this pool.
    pub fn new(pool: PgPool) -> Self {
        Self {
            pool,
            kept: Mutex::default(),
        }
    }

    /// A connection: one that was used a moment ago, else one of the pool.
    pub async fn connection(&self) -> Result<Reading<'_>> {
        let kept = {
            let mut kept = self.kept();
            // Those that rest for longer go back: the pool looks whether they live before it hands them out.
            kept.retain(|(_, since)| since.elapsed() < TRUSTED);
            // The last one in use: its server process has what it needs in the processor's caches.
            kept.pop()
        };
        let connection = match kept {
            Some((connection, _)) => connection,
            None => self.pool.acquire().await?,
        };
        Ok(Reading {
            connection,
            home: self,
        })
    }

    fn kept(&self) -> MutexGuard<'_, Vec<(PoolConnection<Postgres>, Instant)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use. Dropping it gives it back to the pool, which finds out whether it still works.
#[derive(Debug)]
pub struct Reading<'a> {
    connection: PoolConnection<Postgres>,
    home: &'a Reader,
}

impl Reading<'_> {
    /// The use has ended well: the connection is kept for the next one.
    pub fn done(self) {
        let pool = &self.home.pool;
        let max = pool.options().get_max_connections();
        // When all are in use somebody may be waiting for this one, in the pool's own order.
        let spare = pool.num_idle() > 0 || pool.size() < max;
        let mut kept = self.home.kept();
        if spare && kept.len() < (max / SHARE) as usize {
            kept.push((self.connection, Instant::now()));
        }
    }
}

impl Deref for Reading<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Reading<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
