//! How groups learn that the log has grown.

use super::*;

/// So long that a test which depended on it would run out of time.
const NEVER: Duration = Duration::from_secs(3600);

/// The server's processes that listen, in this test's own database.
async fn listening(pool: &PgPool) -> Vec<i32> {
    sqlx::query_scalar(
        "select pid from pg_stat_activity where datname = current_database() and query ilike 'listen%' order by pid",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn the_groups_of_a_process_wake_by_one_connection_and_outlive_it() {
    let pool = database().await;
    let life = Lifecycle::default();
    let waker = events::waker(pool.clone(), NEVER, life.clone());
    for group in ["first", "second"] {
        let consumer = events::consume(pool.clone(), Recorder::new(group), waker.clone());
        life.spawn("consumer", consumer);
    }
    let both_have = async |expected: &[i64]| {
        for group in ["first", "second"] {
            wait_for("the effects", async || -> Result<_> {
                let seen = effects(&pool, group, "a").await;
                Ok(if seen == expected {
                    Ok(())
                } else {
                    Err(format!("{group}: {seen:?}"))
                })
            })
            .await
            .unwrap();
        }
    };
    publish(&pool, "thing", "a", 1).await;
    both_have(&[1]).await;
    let before = listening(&pool).await;
    assert_eq!(before.len(), 1, "one connection for all groups");
    sqlx::query("select pg_terminate_backend($1)")
        .bind(before[0])
        .execute(&pool)
        .await
        .unwrap();
    publish(&pool, "thing", "a", 2).await;
    both_have(&[1, 2]).await;
    assert_ne!(listening(&pool).await, before);
    life.stop();
    assert!(life.finished().await);
}
