//! The numbers do not depend on how the events come: in any order across keys, and twice.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::{BTreeMap, VecDeque};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde::Serialize;
use serde_json::{Value, json};
use smartcourse_analytics::{Counter, GROUP, migrator, rebuild};
use smartcourse_platform::{
    events::{Consumer as _, Event},
    postgres,
};
use smartcourse_proto::{
    events::{
        AssistantAnswered, CertificateIssued, CourseArchived, CourseCompleted, CoursePublishFailed,
        CoursePublished, EnrollmentCreated, EnrollmentDropped, ProgressUpdated, UserRegistered,
        UserRoleChanged,
    },
    key::Key,
};
use smartcourse_tests::{
    engines::event_log::postgres::{deliver_batch, place},
    history,
};
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// Orders that are tried.
const SEEDS: u64 = 12;
const COURSES: i64 = 4;
const STUDENTS: i64 = 6;

async fn database() -> PgPool {
    smartcourse_tests::migrated(&migrator()).await.unwrap()
}

/// A log that is being written: events in the order in which they happened, a minute apart.
#[derive(Default)]
struct Log(Vec<Event>);

impl Log {
    fn put(&mut self, event_type: &str, key: impl ToString, payload: impl Serialize) {
        let n = self.0.len() as i64 + 1;
        self.0.push(Event {
            id: Uuid::from_u128(n as u128),
            event_type: event_type.to_owned(),
            key: key.to_string(),
            position: n,
            payload: serde_json::to_value(payload).unwrap(),
            created_at: OffsetDateTime::UNIX_EPOCH + Duration::minutes(n),
            traceparent: None,
        });
    }

    fn enrolled(&mut self, enrollment_id: i64, epoch: i32, course_id: i64, user_id: i64) {
        let event = EnrollmentCreated {
            enrollment_id,
            epoch,
            course_id,
            user_id,
            instructor_id: 100 + course_id,
            course_title: format!("Course {course_id}"),
        };
        self.put("enrollment.created", format!("enrollment-{enrollment_id}"), event);
    }
}

/// A few terms of a small school: what each kind of event is good for, on many keys.
fn school() -> Vec<Event> {
    let mut log = Log::default();
    let register = |log: &mut Log, user_id: i64, role: &str| {
        let role = role.to_owned();
        log.put(
            "user.registered",
            Key::User.of(user_id),
            UserRegistered { user_id, role },
        );
    };
    let publish = |log: &mut Log, course_id: i64, version: i32| {
        let event = CoursePublished {
            course_id,
            version,
            instructor_id: 100 + course_id,
            title: format!("Course {course_id}, version {version}"),
            ai_ready: true,
        };
        log.put("course.published", Key::Course.of(course_id), event);
    };
    for user in 1..=STUDENTS {
        register(&mut log, user, "student");
    }
    for course in 1..=COURSES {
        register(&mut log, 100 + course, "instructor");
        publish(&mut log, course, 1);
    }
    let (from, to) = ("student".to_owned(), "admin".to_owned());
    log.put(
        "user.role_changed",
        Key::User.of(STUDENTS),
        UserRoleChanged {
            user_id: STUDENTS,
            from,
            to,
        },
    );
    for course_id in 1..=COURSES {
        for user_id in 1..=STUDENTS {
            let enrollment_id = course_id * 10 + user_id;
            study(&mut log, enrollment_id, course_id, user_id);
        }
        let (version, instructor_id) = (2, 100 + course_id);
        match course_id {
            1 => log.put(
                "course.archived",
                Key::Course.of(course_id),
                CourseArchived { course_id },
            ),
            2 => {
                let code = "publish_timed_out".to_owned();
                let event = CoursePublishFailed {
                    course_id,
                    version,
                    instructor_id,
                    code,
                };
                log.put("course.publish_failed", Key::Course.of(course_id), event);
            }
            3 => {
                log.put(
                    "course.archived",
                    Key::Course.of(course_id),
                    CourseArchived { course_id },
                );
                publish(&mut log, course_id, version);
            }
            _ => publish(&mut log, course_id, version),
        }
    }
    log.0
}

/// What one student does in one course; every way it can go is there.
fn study(log: &mut Log, enrollment_id: i64, course_id: i64, user_id: i64) {
    let key = format!("enrollment-{enrollment_id}");
    log.enrolled(enrollment_id, 1, course_id, user_id);
    let refused = user_id % 2 == 0;
    let asked = AssistantAnswered {
        course_id,
        user_id,
        version: 1,
        refused,
        usage: None,
    };
    log.put("assistant.answered", Key::Course.of(course_id), asked);
    let mut epoch = 1;
    if user_id % 3 == 0 {
        let dropped = EnrollmentDropped {
            enrollment_id,
            epoch,
            course_id,
            user_id,
        };
        log.put("enrollment.dropped", &key, dropped);
        if user_id == 3 {
            return;
        }
        epoch = 2;
        log.enrolled(enrollment_id, epoch, course_id, user_id);
    }
    let lessons = if user_id < 3 { 2 } else { 1 };
    for lesson in 1..=lessons {
        let event = ProgressUpdated {
            enrollment_id,
            epoch,
            course_id,
            user_id,
            lesson_id: format!("l{lesson}"),
        };
        log.put("progress.updated", &key, event);
    }
    if lessons == 2 {
        let event = CertificateIssued {
            code: format!("SC-{enrollment_id}"),
            enrollment_id,
            course_id,
            user_id,
            version: 1,
            course_title: format!("Course {course_id}"),
        };
        log.put("certificate.issued", &key, event);
        let event = CourseCompleted {
            enrollment_id,
            epoch,
            course_id,
            user_id,
            version: 1,
        };
        log.put("course.completed", &key, event);
    }
}

/// The events in another order, in which those of one key keep theirs.
fn shuffled(events: &[Event], random: &mut StdRng) -> Vec<Event> {
    let mut keys: BTreeMap<&str, VecDeque<&Event>> = BTreeMap::new();
    for event in events {
        keys.entry(&event.key).or_default().push_back(event);
    }
    let mut queues: Vec<VecDeque<&Event>> = keys.into_values().collect();
    let mut order = Vec::new();
    while !queues.is_empty() {
        let index = random.random_range(0..queues.len());
        order.extend(queues[index].pop_front().cloned());
        queues.retain(|queue| !queue.is_empty());
    }
    order
}

/// Every row of every table that is counted from events.
async fn tables(pool: &PgPool) -> BTreeMap<String, Value> {
    let mut tables = BTreeMap::new();
    for name in names(pool).await {
        let query =
            format!("select coalesce(jsonb_agg(to_jsonb(t) order by t::text), '[]') from analytics.{name} t");
        let rows = sqlx::query_scalar(sqlx::AssertSqlSafe(query))
            .fetch_one(pool)
            .await
            .unwrap();
        tables.insert(name, rows);
    }
    tables
}

async fn names(pool: &PgPool) -> Vec<String> {
    let query = "select tablename::text from pg_tables where schemaname = 'analytics'
         and tablename not in ('_migrations', 'reports') and tablename not like 'rebuilt%' order by 1";
    sqlx::query_scalar(query).fetch_all(pool).await.unwrap()
}

async fn empty(pool: &PgPool) {
    let names: Vec<String> = names(pool)
        .await
        .into_iter()
        .map(|name| format!("analytics.{name}"))
        .collect();
    let query = format!(
        "truncate {}, platform.events, platform.inbox, platform.parked_events, platform.event_groups",
        names.join(", ")
    );
    sqlx::query(sqlx::AssertSqlSafe(query))
        .execute(pool)
        .await
        .unwrap();
}

/// Writes the events into the log in this order.
async fn write(pool: &PgPool, events: &[Event]) {
    let mut tx = postgres::begin(pool).await.unwrap();
    for event in events {
        sqlx::query(
            "insert into platform.events (id, type, key, payload, created_at) values ($1, $2, $3, $4, $5)",
        )
        .bind(event.id)
        .bind(&event.event_type)
        .bind(&event.key)
        .bind(&event.payload)
        .bind(event.created_at)
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    while place(pool).await.unwrap().more {}
}

async fn read(pool: &PgPool) {
    while deliver_batch(pool, &Counter).await.unwrap().more {}
    let parked: i64 = sqlx::query_scalar("select count(*) from platform.parked_events")
        .fetch_one(pool)
        .await
        .unwrap();
    assert_eq!(parked, 0);
}

#[tokio::test]
async fn any_order_across_keys_and_every_event_twice_give_the_same_numbers() {
    let pool = database().await;
    let events = school();
    write(&pool, &events).await;
    read(&pool).await;
    let expected = tables(&pool).await;
    for (name, rows) in &expected {
        assert_ne!(
            *rows,
            json!([]),
            "nothing is counted in {name}: the school lacks an event"
        );
    }
    for seed in 0..SEEDS {
        let mut random = StdRng::seed_from_u64(seed);
        let order = shuffled(&events, &mut random);
        empty(&pool).await;
        write(&pool, &order).await;
        read(&pool).await;
        assert_eq!(tables(&pool).await, expected, "seed {seed}");
        // Read again from the start: what a group that lost its position does.
        let again = "update platform.event_groups set position = 0 where name = $1";
        sqlx::query(again).bind(GROUP).execute(&pool).await.unwrap();
        read(&pool).await;
        assert_eq!(tables(&pool).await, expected, "seed {seed}, read twice");
        let (history, _files) = history(&pool).unwrap();
        let rebuilt = rebuild(&pool, &history).await.unwrap();
        assert_eq!(rebuilt.differing, Vec::<String>::new(), "seed {seed}, rebuilt");

        // Past the inbox: the effects themselves bear a repetition.
        empty(&pool).await;
        let mut tx = postgres::begin(&pool).await.unwrap();
        for event in &order {
            for _ in 0..2 {
                Counter.handle(&mut tx, event).await.unwrap();
            }
        }
        tx.commit().await.unwrap();
        assert_eq!(tables(&pool).await, expected, "seed {seed}, handled twice");
    }
}
