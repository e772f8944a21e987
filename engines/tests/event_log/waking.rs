//! How groups learn that the log has grown.

use super::*;

/// So long that a test which depended on it would run out of time.
const NEVER: Duration = Duration::from_secs(3600);

/// The one process of the server that listens in this test's own database; `not` is gone.
async fn listener(pool: &PgPool, not: Option<i32>) -> i32 {
    wait_for("one listener", async || -> Result<_> {
        let found: Vec<i32> = sqlx::query_scalar(
            "select pid from pg_stat_activity where datname = current_database() and query ilike 'listen%'",
        )
        .fetch_all(pool)
        .await?;
        Ok(match found[..] {
            [one] if Some(one) != not => Ok(one),
            _ => Err(format!("{found:?}")),
        })
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn the_groups_of_a_process_wake_by_one_connection_and_outlive_it() {
    let pool = database().await;
    let life = Lifecycle::default();
    let log = Arc::new(Postgres::new(pool.clone(), pool.clone(), NEVER));
    for group in ["first", "second"] {
        deliver(&log, &pool, Recorder::new(group), &life);
    }
    let both_have = async |expected: &[i64]| {
        for group in ["first", "second"] {
            reached(&pool, group, "a", expected).await;
        }
    };
    publish(&pool, "thing", "a", 1).await;
    both_have(&[1]).await;
    let before = listener(&pool, None).await;
    sqlx::query("select pg_terminate_backend($1)")
        .bind(before)
        .execute(&pool)
        .await
        .unwrap();
    publish(&pool, "thing", "a", 2).await;
    both_have(&[1, 2]).await;
    listener(&pool, Some(before)).await;
    life.stop();
    assert!(life.finished().await);
}
