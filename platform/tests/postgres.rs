//! Pools against a real PostgreSQL.

use std::time::Duration;

use smartcourse_platform::{Error, config::Postgres, error::codes, postgres};
use sqlx::ConnectOptions as _;

#[tokio::test]
async fn a_transaction_that_stands_still_gives_its_locks_back() {
    let database = smartcourse_tests::database().await.unwrap();
    sqlx::raw_sql("create table seats (taken int not null); insert into seats values (0)")
        .execute(&database)
        .await
        .unwrap();
    let config = Postgres {
        url: database.connect_options().to_url_lossy().to_string().into(),
        pool_size: 2,
        acquire_timeout_seconds: 10,
        idle_transaction_seconds: 1,
    };
    let pool = postgres::pool(&config, "tests").unwrap();
    let mut frozen = pool.begin().await.unwrap();
    sqlx::query("update seats set taken = 1")
        .execute(&mut *frozen)
        .await
        .unwrap();
    let seat = sqlx::query("update seats set taken = taken + 10").execute(&database);
    tokio::time::timeout(Duration::from_secs(20), seat)
        .await
        .expect("the lock is free again")
        .unwrap();
    let late = sqlx::query("update seats set taken = 2")
        .execute(&mut *frozen)
        .await
        .map_err(Error::from);
    assert!(
        late.is_err_and(|error| error.is(&codes::UNAVAILABLE)),
        "it can be tried again"
    );
    let taken: i32 = sqlx::query_scalar("select taken from seats")
        .fetch_one(&database)
        .await
        .unwrap();
    assert_eq!(taken, 10, "nothing of the frozen transaction is left");
}
