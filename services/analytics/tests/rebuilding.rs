//! A rebuild beside everything else: readers and the consumer go on, and what it finds is what the log says.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use smartcourse_analytics::{Counter, GROUP, Rebuilt, migrator, rebuild};
use smartcourse_platform::{
    Result, events, outbox,
    ports::event_log::EventHistory as _,
    postgres::{self, Tx},
};
use smartcourse_proto::{
    events::{CourseArchived, CoursePublished, EnrollmentCreated},
    key::Key,
};
use smartcourse_tests::{
    engines::event_log::postgres::{deliver_batch, place},
    history, wait_for,
};
use sqlx::{PgPool, types::time::OffsetDateTime};
use tokio::task::JoinHandle;

const COURSE: i64 = 7;

async fn database() -> PgPool {
    smartcourse_tests::migrated(&migrator()).await.unwrap()
}

async fn put(pool: &PgPool, event_type: &str, key: &str, event: &impl Serialize) {
    let mut tx = postgres::begin(pool).await.unwrap();
    outbox::put_event(&mut tx, event_type, key, event).await.unwrap();
    tx.commit().await.unwrap();
    place(pool).await.unwrap();
}

async fn enroll(pool: &PgPool, user_id: i64) {
    let event = EnrollmentCreated {
        enrollment_id: user_id,
        epoch: 1,
        course_id: COURSE,
        user_id,
        instructor_id: 1,
        course_title: "Sagas".to_owned(),
    };
    put(
        pool,
        "enrollment.created",
        &format!("enrollment-{user_id}"),
        &event,
    )
    .await;
}

async fn read(pool: &PgPool) {
    while deliver_batch(pool, &Counter).await.unwrap().more {}
}

fn rebuilding(pool: &PgPool) -> JoinHandle<Result<Rebuilt>> {
    let pool = pool.clone();
    tokio::spawn(async move {
        let (history, _files) = history(&pool).unwrap();
        rebuild(&pool, &history).await
    })
}

/// Takes the group, lets a rebuild begin, and waits until it has counted all it can without the group.
async fn almost_rebuilt(pool: &PgPool) -> (Tx, JoinHandle<Result<Rebuilt>>) {
    let mut tx = postgres::begin(pool).await.unwrap();
    events::hold_group(&mut tx, GROUP).await.unwrap();
    let rebuilding = rebuilding(pool);
    let waits = "select exists (select from pg_locks where not granted and locktype = 'advisory'
         and database = (select oid from pg_database where datname = current_database()))";
    wait_for("the rebuild", async || {
        let waits: bool = sqlx::query_scalar(waits).fetch_one(pool).await?;
        Ok(if waits {
            Ok(())
        } else {
            Err("it counts".to_owned())
        })
    })
    .await
    .unwrap();
    (tx, rebuilding)
}

/// Enrollments of the course: as a list of the most popular has them, and as they are.
async fn enrollments(pool: &PgPool) -> (i64, i64) {
    let query = "select (select enrollments from analytics.popularity where course_id = $1),
         (select count(*) from analytics.enrollments where course_id = $1)";
    sqlx::query_as(query).bind(COURSE).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn readers_see_the_old_numbers_until_the_new_ones_are_complete() {
    let pool = database().await;
    for user_id in 1..=5 {
        enroll(&pool, user_id).await;
    }
    read(&pool).await;
    let wrong = "update analytics.popularity set enrollments = 9";
    sqlx::query(wrong).execute(&pool).await.unwrap();
    // What one that was killed has left.
    let left = "insert into analytics.rebuilt_users values (1, 'student', now())";
    sqlx::query(left).execute(&pool).await.unwrap();

    let (tx, first) = almost_rebuilt(&pool).await;
    assert_eq!(enrollments(&pool).await, (9, 5));
    let second = rebuilding(&pool).await.unwrap().unwrap_err();
    assert_eq!(second.code(), "rebuild_running");
    enroll(&pool, 6).await;
    tx.commit().await.unwrap();
    let rebuilt = first.await.unwrap().unwrap();
    assert_eq!(
        (rebuilt.events, rebuilt.differing),
        (5, vec!["popularity".to_owned()])
    );
    assert_eq!(enrollments(&pool).await, (5, 5));

    read(&pool).await;
    assert_eq!(enrollments(&pool).await, (6, 6));
    let rebuilt = rebuilding(&pool).await.unwrap().unwrap();
    assert_eq!((rebuilt.events, rebuilt.differing), (6, Vec::new()));
}

#[tokio::test]
async fn what_was_parked_and_is_taken_before_the_end_is_counted_in_its_order() {
    let pool = database().await;
    let key = Key::Course.of(COURSE);
    let version = |version: i32| CoursePublished {
        course_id: COURSE,
        version,
        instructor_id: 1,
        title: format!("Version {version}"),
        ai_ready: true,
    };
    put(&pool, "course.published", &key, &version(1)).await;
    put(&pool, "course.published", &key, &json!({"course_id": "seven"})).await;
    put(
        &pool,
        "course.archived",
        &key,
        &CourseArchived { course_id: COURSE },
    )
    .await;
    put(&pool, "course.published", &key, &version(3)).await;
    enroll(&pool, 1).await;
    read(&pool).await;
    let rebuilt = rebuilding(&pool).await.unwrap().unwrap();
    assert_eq!(
        (rebuilt.events, rebuilt.differing),
        (2, Vec::new()),
        "parked ones do not count"
    );

    let (mut tx, again) = almost_rebuilt(&pool).await;
    let mended = "update platform.events set payload = $1 where payload ->> 'course_id' = 'seven'";
    sqlx::query(mended)
        .bind(serde_json::to_value(version(2)).unwrap())
        .execute(&mut *tx)
        .await
        .unwrap();
    let due = "update platform.parked_events set next_try_at = now() where next_try_at is not null";
    sqlx::query(due).execute(&mut *tx).await.unwrap();
    events::retry_parked(&mut tx, &Counter, 100).await.unwrap();
    tx.commit().await.unwrap();
    let rebuilt = again.await.unwrap().unwrap();
    assert_eq!((rebuilt.events, rebuilt.differing), (5, Vec::new()));
    let course: (String, bool) = sqlx::query_as("select title, published from analytics.courses")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(course, ("Version 3".to_owned(), true));
}

#[tokio::test]
async fn months_that_went_to_the_files_are_counted_from_there() {
    let pool = database().await;
    let (history, files) = history(&pool).unwrap();
    for user_id in 1..=5 {
        enroll(&pool, user_id).await;
    }
    read(&pool).await;
    // The month of now is over then.
    let later = OffsetDateTime::now_utc().replace_day(1).unwrap() + Duration::from_secs(32 * 24 * 3600);
    assert_eq!(history.sweep(later, Some(later)).await.unwrap(), 5);
    enroll(&pool, 6).await;
    read(&pool).await;
    let rebuilt = rebuild(&pool, &history).await.unwrap();
    assert_eq!((rebuilt.events, rebuilt.differing), (6, Vec::new()));
    assert_eq!(enrollments(&pool).await, (6, 6));

    std::fs::remove_dir_all(files.path().join("events")).unwrap();
    let error = rebuild(&pool, &history).await.unwrap_err();
    assert!(error.chain().contains("events/"), "{}", error.chain());
    assert_eq!(enrollments(&pool).await, (6, 6), "nothing was changed");
}
