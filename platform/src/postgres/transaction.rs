//! Transactions: how they begin, so that no connection is used again inside one that nobody knows of.
//!
//! sqlx counts the transactions of a connection from the answer to BEGIN on. Whoever gives up before that answer – a client
//! hung up, a time-out struck, the process stops – gives a connection back that the server has in a transaction and sqlx
//! takes to be free (transact-rs/sqlx #4385, #4393). A statement that commits itself would then be answered on it, and
//! rolled back with the rest. Here a transaction that nobody waits for any more begins all the same, and is rolled back.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::future::BoxFuture;
use sqlx::{Connection as _, PgConnection, PgPool, Postgres, Row as _, Transaction};

/// A transaction of any service. Dropped, it is rolled back.
pub type Tx = Transaction<'static, Postgres>;

/// Begins a transaction; may be given up at any moment.
pub async fn begin(pool: &PgPool) -> sqlx::Result<Tx> {
    let connection = pool.acquire().await?;
    Beginning(Some(Transaction::begin(connection, None))).await
}

/// Begins a transaction within a transaction: dropped, it is rolled back alone. Given up half-way, the outer one must be
/// given up as well, since sqlx then takes that for rolled back.
#[expect(clippy::disallowed_methods, reason = "the one place that does")]
pub async fn savepoint(tx: &mut PgConnection) -> sqlx::Result<Transaction<'_, Postgres>> {
    tx.begin().await
}

/// A transaction on its way, until it has begun.
struct Beginning(Option<BoxFuture<'static, sqlx::Result<Tx>>>);

impl Future for Beginning {
    type Output = sqlx::Result<Tx>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(begin) = &mut self.0 else {
            return Poll::Pending;
        };
        let begun = ready!(begin.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(begun)
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        if let Some(begin) = self.0.take() {
            // Whatever it begins is dropped there, and its connection goes back after the rollback.
            tokio::spawn(begin);
        }
    }
}

/// Whether a connection that has rested is in no transaction; an error when it does not live, or its transaction failed.
/// It costs what a ping would, and tells both.
pub(super) async fn is_at_rest(connection: &mut PgConnection) -> sqlx::Result<bool> {
    // A statement on its own is as old as its transaction. Unprepared, so that the server takes one time for both.
    sqlx::raw_sql("select now() = statement_timestamp()")
        .fetch_one(connection)
        .await?
        .try_get(0)
}
