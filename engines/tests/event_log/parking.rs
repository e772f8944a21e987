//! Events a group cannot take: their key waits, others go on, and nothing is lost or done out of order.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use smartcourse_platform::{
    events::{Consumer, Event, MAX_TRIES},
    lifecycle::Lifecycle,
};
use sqlx::{PgConnection, PgPool};

use crate::{
    Postgres, Recorder, count, database, deliver, deliver_batch, effects, given, place, position, publish,
    reached,
};

/// `(tries, retrying, seconds until the next try, last_error)` of the parked events of a key, in order. One that waits behind
/// another has no next try and no error.
async fn parked(pool: &PgPool, group: &str, key: &str) -> Vec<(i32, bool, Option<f64>, Option<String>)> {
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
    let query = "update platform.parked_events set next_try_at = now() - interval '1 second' where next_try_at is not null";
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
    let reason = waiting[0].3.as_deref().unwrap();
    assert!(reason.contains("cannot swallow this"), "{waiting:?}");
    assert_eq!((waiting[1].2, &waiting[1].3), (None, &None));

    // A later batch: still only this key waits, and a due retry that fails changes nothing for the others.
    make_due(&pool).await;
    publish(&pool, "thing", "a", 5).await;
    publish(&pool, "thing", "b", 6).await;
    let refused = group.refused.load(SeqCst);
    assert_eq!(given(&pool, &group).await, 2);
    assert_eq!(group.refused.load(SeqCst), refused + 1);
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
    let log = Arc::new(Postgres::new(
        pool.clone(),
        pool.clone(),
        Duration::from_millis(20),
    ));
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
        sqlx::query("update platform.parked_events set next_try_at = now() + interval '1 hour' where next_try_at is not null")
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
        let next = rows[0].2.unwrap();
        assert!(
            next > pause && next <= 300.0,
            "the pause grows: {next} after {pause}"
        );
        assert_eq!(rows[1].0, 0, "what waits behind is not tried");
        pause = next.floor();
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

#[tokio::test]
async fn what_passes_by_itself_uses_up_no_try() {
    let pool = database().await;
    let group = Recorder::new("passing");
    group.passing.store(true, SeqCst);
    publish(&pool, "poison", "a", 1).await;
    given(&pool, &group).await;
    for _ in 0..2 * MAX_TRIES {
        make_due(&pool).await;
        given(&pool, &group).await;
    }
    let [(tries, retrying, Some(pause), reason)] = &parked(&pool, "passing", "a").await[..] else {
        panic!("it is parked")
    };
    assert_eq!((*tries, *retrying), (0, true));
    assert!(*pause > 290.0 && *pause <= 300.0, "{pause}");
    assert!(reason.as_ref().unwrap().contains("somebody is away"));
    // Now it is refused: that counts.
    group.passing.store(false, SeqCst);
    for _ in 0..MAX_TRIES {
        make_due(&pool).await;
        given(&pool, &group).await;
    }
    let rows = parked(&pool, "passing", "a").await;
    assert_eq!((rows[0].0, rows[0].1), (MAX_TRIES, false));
}

/// A group that loses its connection once.
struct CutOff {
    inner: Recorder,
    cut: AtomicBool,
}

#[async_trait]
impl Consumer for CutOff {
    fn group(&self) -> &'static str {
        self.inner.group
    }

    fn wants(&self, _: &str) -> bool {
        true
    }

    async fn handle(&self, tx: &mut PgConnection, event: &Event) -> smartcourse_platform::Result<()> {
        if event.event_type == "cut" && !self.cut.swap(true, SeqCst) {
            sqlx::query("select pg_terminate_backend(pg_backend_pid())")
                .execute(&mut *tx)
                .await?;
        }
        self.inner.handle(tx, event).await
    }
}

#[tokio::test]
async fn a_connection_that_breaks_parks_nothing_and_the_batch_is_read_again() {
    let pool = database().await;
    let group = CutOff {
        inner: Recorder::new("cut"),
        cut: AtomicBool::default(),
    };
    for (event_type, key, n) in [("thing", "a", 1), ("cut", "b", 2), ("thing", "c", 3)] {
        publish(&pool, event_type, key, n).await;
    }
    let lost = deliver_batch(&pool, &group).await.unwrap_err();
    assert!(
        lost.chain().contains("terminating connection"),
        "{}",
        lost.chain()
    );
    assert_eq!(position(&pool, "cut").await.unwrap_or(0), 0);
    deliver_batch(&pool, &group).await.unwrap();
    for (key, n) in [("a", 1), ("b", 2), ("c", 3)] {
        assert_eq!(effects(&pool, "cut", key).await, [n]);
    }
    assert_eq!(
        count(&pool, "select count(*) from platform.parked_events").await,
        0
    );
}

#[tokio::test]
async fn thousands_behind_a_parked_event_cost_nobody_anything_and_come_after_it_in_order() {
    const FOLLOWERS: i64 = 5_000;
    let pool = database().await;
    let group = Recorder::new("followers");
    publish(&pool, "poison", "a", 0).await;
    let fill = "insert into platform.events (id, type, key, payload)
         select gen_random_uuid(), 'thing', 'a', jsonb_build_object('n', i) from generate_series(1, $1) i";
    sqlx::query(fill).bind(FOLLOWERS).execute(&pool).await.unwrap();
    while place(&pool).await.unwrap().more {}
    while deliver_batch(&pool, &group).await.unwrap().more {}
    assert_eq!(parked(&pool, "followers", "a").await.len() as i64, FOLLOWERS + 1);

    // A retry writes the one row of the first, and takes no room from other keys.
    let written = "select count(*) from platform.parked_events where xmin::text::bigint > $1";
    let before: i64 = sqlx::query_scalar("select txid_current()")
        .fetch_one(&pool)
        .await
        .unwrap();
    make_due(&pool).await;
    publish(&pool, "thing", "b", 1).await;
    given(&pool, &group).await;
    assert_eq!(effects(&pool, "followers", "b").await, [1]);
    let touched: i64 = sqlx::query_scalar(written)
        .bind(before)
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(touched, 1);

    group.mend();
    make_due(&pool).await;
    let mut rounds = 1;
    while deliver_batch(&pool, &group).await.unwrap().more {
        rounds += 1;
    }
    assert_eq!(rounds, FOLLOWERS / 100 + 1, "each as full as a batch may be");
    let in_order: Vec<i64> = (0..=FOLLOWERS).collect();
    assert_eq!(effects(&pool, "followers", "a").await, in_order);
    assert_eq!(
        count(&pool, "select count(*) from platform.parked_events").await,
        0
    );
}

#[tokio::test]
async fn a_follower_that_is_refused_is_the_first_then() {
    let pool = database().await;
    let group = Recorder::new("second");
    for (event_type, n) in [("poison", 1), ("thing", 2), ("poison", 3), ("thing", 4)] {
        publish(&pool, event_type, "a", n).await;
    }
    given(&pool, &group).await;
    // Only the first is mended.
    sqlx::query("update platform.events set type = 'thing' where payload ->> 'n' = '1'")
        .execute(&pool)
        .await
        .unwrap();
    make_due(&pool).await;
    given(&pool, &group).await;
    assert_eq!(effects(&pool, "second", "a").await, [1, 2]);
    let rows = parked(&pool, "second", "a").await;
    let [(0, true, Some(pause), Some(_)), (0, true, None, None)] = &rows[..] else {
        panic!("{rows:?}")
    };
    assert!(*pause <= 1.0, "its tries begin");
    group.mend();
    make_due(&pool).await;
    given(&pool, &group).await;
    assert_eq!(effects(&pool, "second", "a").await, [1, 2, 3, 4]);
}
