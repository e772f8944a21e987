//! Processes with different models.

use std::time::Duration;

use smartcourse_content::{ModelPlace, migrator};
use smartcourse_platform::lifecycle::Lifecycle;
use smartcourse_tests::{migrated, wait_for};
use sqlx::{AssertSqlSafe, PgPool};

/// How long nothing may happen before it counts as waiting.
const MOMENT: Duration = Duration::from_millis(300);

async fn place(pool: &PgPool, model: &str) -> ModelPlace {
    ModelPlace::wait(pool.clone(), model, &Lifecycle::default())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_process_waits_for_the_end_of_those_with_another_model() {
    let pool = migrated(&migrator()).await.unwrap();
    let first = place(&pool, "small").await;
    // Of the same model there may be any number.
    let second = place(&pool, "small").await;
    let other = place(&pool, "large");
    tokio::pin!(other);
    assert!(tokio::time::timeout(MOMENT, &mut other).await.is_err());
    drop(first);
    assert!(tokio::time::timeout(MOMENT, &mut other).await.is_err());
    drop(second);
    let large = other.await;
    let small = place(&pool, "small");
    tokio::pin!(small);
    assert!(tokio::time::timeout(MOMENT, &mut small).await.is_err());
    drop(large);
    small.await;
}

/// Sessions with a granted lock, and whether anybody waits for one.
async fn locks(pool: &PgPool) -> (Vec<i32>, bool) {
    let locks: Vec<(i32, bool)> = sqlx::query_as(
        "select pid, granted from pg_locks where locktype = 'advisory'
           and database = (select oid from pg_database where datname = current_database()) order by pid",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let granted = locks.iter().filter(|lock| lock.1).map(|lock| lock.0).collect();
    (granted, locks.iter().any(|lock| !lock.1))
}

async fn until(pool: &PgPool, what: &str, is: impl Fn(&(Vec<i32>, bool)) -> bool) -> Vec<i32> {
    wait_for(what, async || {
        let now = locks(pool).await;
        Ok(if is(&now) {
            Ok(now.0)
        } else {
            Err(format!("{now:?}"))
        })
    })
    .await
    .unwrap()
}

async fn end(pool: &PgPool, session: i32) {
    sqlx::query("select pg_terminate_backend($1)")
        .bind(session)
        .execute(pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn who_was_passed_by_while_its_session_was_broken_does_not_go_on() {
    let pool = migrated(&migrator()).await.unwrap();
    let kept = tokio::spawn(place(&pool, "small").await.keep(Lifecycle::default()));
    // Nobody else is there: it takes the place again.
    let (before, _) = locks(&pool).await;
    end(&pool, before[0]).await;
    let again = until(&pool, "the place to be taken again", |(held, _)| {
        held.len() == 1 && *held != before
    })
    .await;
    assert!(!kept.is_finished());

    // Another one stands in line before its session breaks.
    let mut line = pool.acquire().await.unwrap();
    let look = |what| format!("select pg_advisory_{what}(x'6d6f6465'::int, 0)");
    sqlx::query(AssertSqlSafe(look("lock")))
        .execute(&mut *line)
        .await
        .unwrap();
    let other = tokio::spawn({
        let pool = pool.clone();
        async move { place(&pool, "large").await }
    });
    until(&pool, "the other one to stand in line", |(_, waits)| *waits).await;
    end(&pool, again[0]).await;
    until(&pool, "the session to end", |(held, _)| !held.contains(&again[0])).await;
    sqlx::query(AssertSqlSafe(look("unlock")))
        .execute(&mut *line)
        .await
        .unwrap();
    let error = kept.await.unwrap().unwrap_err();
    assert!(error.chain().contains("large"), "{}", error.chain());
    drop(other.await.unwrap());
}
