//! Kept connections against a real PostgreSQL: they are handed on while they work, and never in anybody's way.

use std::time::Duration;

use smartcourse_platform::{postgres, reader::Reader};
use sqlx::{PgPool, postgres::PgPoolOptions};

async fn pool(connections: u32) -> PgPool {
    let database = smartcourse_tests::database().await.unwrap();
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(database.connect_options().as_ref().clone())
        .await
        .unwrap()
}

/// Which connection of the server answers.
async fn backend(reader: &Reader) -> sqlx::Result<i32> {
    let mut connection = reader.connection().await.unwrap();
    let backend = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&mut *connection)
        .await?;
    connection.done();
    Ok(backend)
}

#[tokio::test]
async fn reads_hand_their_connection_on() {
    let reader = Reader::new(pool(8).await);
    let first = backend(&reader).await.unwrap();
    for _ in 0..20 {
        assert_eq!(backend(&reader).await.unwrap(), first);
    }
}

#[tokio::test]
async fn a_connection_that_died_costs_one_read_at_most() {
    let pool = pool(8).await;
    let reader = Reader::new(pool.clone());
    let first = backend(&reader).await.unwrap();
    sqlx::query("select pg_terminate_backend($1)")
        .bind(first)
        .execute(&pool)
        .await
        .unwrap();
    backend(&reader).await.expect_err("the kept connection is gone");
    assert_ne!(backend(&reader).await.unwrap(), first);
}

#[tokio::test]
async fn a_read_that_was_given_up_is_not_handed_on() {
    let pool = pool(8).await;
    let reader = Reader::new(pool.clone());
    backend(&reader).await.unwrap();
    let mut connection = reader.connection().await.unwrap();
    let slow = sqlx::query("select pg_sleep(30), 'not mine'").execute(&mut *connection);
    tokio::time::timeout(Duration::from_millis(50), slow)
        .await
        .expect_err("it sleeps");
    drop(connection);
    backend(&reader).await.unwrap();
}

#[tokio::test]
async fn who_writes_finds_every_connection_of_a_small_pool() {
    let pool = pool(2).await;
    let reader = Reader::new(pool.clone());
    backend(&reader).await.unwrap();
    let _one = postgres::begin(&pool).await.unwrap();
    let _two = postgres::begin(&pool).await.unwrap();
}
