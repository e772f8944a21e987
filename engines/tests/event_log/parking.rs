//! Events a group cannot take: their key waits, others go on, and nothing is lost or done out of order.

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use smartcourse_platform::{events::MAX_TRIES, lifecycle::Lifecycle};
use sqlx::PgPool;

use crate::{Postgres, Recorder, count, database, deliver, effects, given, publish, reached};

/// `(tries, retrying, seconds until the next try, last_error)` of the parked events of a key, in order.
async fn parked(pool: &PgPool, group: &str, key: &str) -> Vec<(i32, bool, f64, String)> {
    let query = "select tries, retrying, extract(epoch from next_try_at - now())::float8, last_error
         from platform.parked_events where group_name = $1 and key = $2 order by position";
    sqlx::query_as(query)
        .bind(group)
        .bind(key)
        .fetch_all(pool)
        .await
        .unwrap()
}

/// Lets the pause before the next tries pass.
async fn make_due(pool: &PgPool) {
    let query = "update platform.parked_events set next_try_at = now() - interval '1 second'";
    sqlx::query(query).execute(pool).await.unwrap();
}

#[tokio::test]
async fn a_poison_event_is_parked_and_only_its_key_waits() {
    let pool = database().await;
    let group = Recorder::new("parking");
    for (event_type, key, n) in [
        ("thing", "a", 1),
        ("poison", "a", 2),
        ("thing", "a", 3),
        ("thing", "b", 4),
    ] {
        publish(&pool, event_type, key, n).await;
    }
    assert_eq!(given(&pool, &group).await, 4);
    assert_eq!(
        effects(&pool, "parking", "a").await,
        [1],
        "the refused effect is taken back"
    );
    assert_eq!(effects(&pool, "parking", "b").await, [4], "another key goes on");
    let waiting = parked(&pool, "parking", "a").await;
    assert_eq!(waiting.len(), 2);
    assert!(waiting[0].3.contains("cannot swallow this"), "{waiting:?}");
    assert!(waiting[1].3.contains("behind"), "{waiting:?}");

    // A later batch: still only this key waits, and a due retry that fails changes nothing for the others.
    make_due(&pool).await;
    publish(&pool, "thing", "a", 5).await;
    publish(&pool, "thing", "b", 6).await;
    assert_eq!(given(&pool, &group).await, 2);
    assert_eq!(group.refused.load(SeqCst), 2);
    assert_eq!(effects(&pool, "parking", "a").await, [1]);
    assert_eq!(effects(&pool, "parking", "b").await, [4, 6]);
    assert_eq!(parked(&pool, "parking", "a").await.len(), 3);
    // The same event is no poison to a group that takes it.
    let healthy = Recorder::new("healthy");
    healthy.mend();
    given(&pool, &healthy).await;
    assert_eq!(effects(&pool, "healthy", "a").await, [1, 2, 3, 5]);

    // Mended: the parked ones are done in order, before what is new in the log.
    group.mend();
    make_due(&pool).await;
    publish(&pool, "thing", "a", 7).await;
    assert_eq!(given(&pool, &group).await, 1);
    assert_eq!(effects(&pool, "parking", "a").await, [1, 2, 3, 5, 7]);
    assert_eq!(
        count(&pool, "select count(*) from platform.parked_events").await,
        0
    );
}

#[tokio::test]
async fn a_running_consumer_goes_on_past_poison_and_catches_up_when_mended() {
    let pool = database().await;
    let group = Recorder::new("running");
    let life = Lifecycle::default();
    let log = Arc::new(Postgres::new(pool.clone(), Duration::from_millis(20)));
    deliver(&log, &pool, group.clone(), &life);
    for (event_type, key, n) in [("poison", "a", 1), ("thing", "a", 2), ("thing", "b", 3)] {
        publish(&pool, event_type, key, n).await;
    }
    reached(&pool, "running", "b", &[3]).await;
    assert!(effects(&pool, "running", "a").await.is_empty());
    group.mend();
    make_due(&pool).await;
    reached(&pool, "running", "a", &[1, 2]).await;
    life.stop();
    assert!(life.finished().await);
}

#[tokio::test]
async fn tries_are_counted_and_end() {
    let pool = database().await;
    let group = Recorder::new("tries");
    publish(&pool, "poison", "a", 1).await;
    publish(&pool, "thing", "a", 2).await;
    given(&pool, &group).await;
    let mut pause = 0.0;
    for tries in 1..=MAX_TRIES {
        // Not due: not tried.
        let refused = group.refused.load(SeqCst);
        sqlx::query("update platform.parked_events set next_try_at = now() + interval '1 hour'")
            .execute(&pool)
            .await
            .unwrap();
        given(&pool, &group).await;
        assert_eq!(group.refused.load(SeqCst), refused);
        make_due(&pool).await;
        given(&pool, &group).await;
        let rows = parked(&pool, "tries", "a").await;
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].0, rows[0].1), (tries, tries < MAX_TRIES));
        assert!(
            rows[0].2 > pause && rows[0].2 <= 300.0,
            "the pause grows: {} after {pause}",
            rows[0].2
        );
        assert_eq!(rows[1].0, 0, "what waits behind is not tried");
        pause = rows[0].2.floor();
    }
    // Used up: it stays, its key stays, and nobody tries it again.
    let refused = group.refused.load(SeqCst);
    group.mend();
    make_due(&pool).await;
    given(&pool, &group).await;
    assert_eq!(group.refused.load(SeqCst), refused);
    assert!(effects(&pool, "tries", "a").await.is_empty());
    // The administrator's word is enough to go on.
    sqlx::query("update platform.parked_events set retrying = true")
        .execute(&pool)
        .await
        .unwrap();
    given(&pool, &group).await;
    assert_eq!(effects(&pool, "tries", "a").await, [1, 2]);
}

#[tokio::test]
async fn a_group_takes_no_more_at_once_than_it_says() {
    let pool = database().await;
    let group = Recorder {
        batch: 1,
        ..Recorder::new("careful")
    };
    for (event_type, key, n) in [
        ("unwanted", "a", 1),
        ("poison", "a", 2),
        ("unwanted", "a", 3),
        ("thing", "a", 4),
        ("thing", "b", 5),
    ] {
        publish(&pool, event_type, key, n).await;
    }
    // What it does not want costs nothing: it is moved past together with the next event it takes.
    for (moved, taken) in [(3, 0), (1, 0), (1, 1)] {
        assert_eq!(given(&pool, &group).await, moved);
        assert_eq!(effects(&pool, "careful", "b").await.len(), taken);
    }
    assert_eq!(parked(&pool, "careful", "a").await.len(), 2);
    group.mend();
    make_due(&pool).await;
    for expected in [&[2][..], &[2, 4]] {
        given(&pool, &group).await;
        assert_eq!(effects(&pool, "careful", "a").await, expected);
    }
}
