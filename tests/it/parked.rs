//! Events a consumer group cannot take: nobody else waits, administrators see why, and what is mended is taken once.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use smartcourse_platform::{outbox, postgres};
use smartcourse_proto::{
    events::{EnrollmentCreated, UserRegistered},
    key::Key,
};
use smartcourse_tests::{Layout, World, wait_for};

use crate::{analytics::rebuild, executable};

/// How long it takes until a new event of a key of its own is counted.
async fn latency(world: &World, user_id: i64) -> Result<Duration> {
    let mut tx = postgres::begin(&world.pool).await?;
    let role = "student".to_owned();
    let event = UserRegistered { user_id, role };
    outbox::put_event(&mut tx, "user.registered", &Key::User.of(user_id), &event).await?;
    tx.commit().await?;
    let begun = Instant::now();
    loop {
        let known: bool =
            sqlx::query_scalar("select exists (select from analytics.users where user_id = $1)")
                .bind(user_id)
                .fetch_one(&world.pool)
                .await?;
        if known {
            return Ok(begun.elapsed());
        }
        ensure!(
            begun.elapsed() < smartcourse_tests::PATIENCE,
            "user {user_id} is never counted"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The slowest of a few.
async fn slowest(world: &World, from: i64) -> Result<Duration> {
    let mut slowest = Duration::ZERO;
    for user_id in from..from + 10 {
        slowest = slowest.max(latency(world, user_id).await?);
    }
    Ok(slowest)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_nobody_can_take_delays_no_other_and_can_be_mended() -> Result<()> {
    const KEY: &str = "enrollment-7000";
    let world = World::start(executable(), Layout::Together).await?;
    let admin = world.admin().await?;
    let before = slowest(&world, 1_000).await?;

    let mut tx = postgres::begin(&world.pool).await?;
    let broken = json!({"enrollment_id": "seven", "epoch": 1});
    let poison = outbox::put_event(&mut tx, "enrollment.created", KEY, &broken).await?;
    let dropped = json!({"enrollment_id": 7000, "epoch": 1, "course_id": 70, "user_id": 700});
    let behind = outbox::put_event(&mut tx, "enrollment.dropped", KEY, &dropped).await?;
    tx.commit().await?;
    let after = slowest(&world, 2_000).await?;
    ensure!(
        after < before + Duration::from_secs(1),
        "{after:?} with a poison event, {before:?} without"
    );

    let shown = wait_for("the failed event", async || {
        let page = admin.get("/admin/events/failed?limit=100").await?.expect(200)?;
        let items = page["items"].as_array().context("items")?.clone();
        let of_counter = items
            .into_iter()
            .filter(|item| item["group"] == "analytics.counter");
        let shown: Vec<Value> = of_counter.collect();
        Ok(if shown.len() == 2 {
            Ok(shown)
        } else {
            Err(page.to_string())
        })
    })
    .await?;
    let reason = shown[0]["reason"].as_str().unwrap_or_default();
    ensure!(
        shown[0]["id"] == json!(poison)
            && shown[0]["cause"] == "refused"
            && reason.contains("enrollment.created cannot be read"),
        "{shown:?}"
    );
    ensure!(
        shown[1]["id"] == json!(behind) && shown[1]["cause"] == "behind",
        "{shown:?}"
    );
    let refused = admin
        .post(
            &format!("/admin/events/{}/replay", uuid::Uuid::nil()),
            &Value::Null,
        )
        .await?;
    ensure!(refused.status == 404, "{}", refused.body);

    let mended = EnrollmentCreated {
        enrollment_id: 7000,
        epoch: 1,
        course_id: 70,
        user_id: 700,
        instructor_id: 71,
        course_title: "Sagas".to_owned(),
    };
    sqlx::query("update platform.events set payload = $2 where id = $1")
        .bind(poison)
        .bind(serde_json::to_value(&mended)?)
        .execute(&world.pool)
        .await?;
    let path = format!("/admin/events/{poison}/replay");
    let alike = json!({"group": "analytics.counter", "reason": "cannot be read"});
    let answer = admin.post("/admin/events/replay", &alike).await?.expect(202)?;
    ensure!(answer["replayed"] == 1, "{answer}");
    wait_for("the mended event and the one behind it", async || {
        let (rows, parked): (i64, i64) = sqlx::query_as(
            "select (select count(*) from analytics.enrollments where enrollment_id = 7000
                 and began_at is not null and dropped_at is not null),
                 (select count(*) from platform.parked_events where key = $1)",
        )
        .bind(KEY)
        .fetch_one(&world.pool)
        .await?;
        Ok(if (rows, parked) == (1, 0) {
            Ok(())
        } else {
            Err(format!("{rows} rows, {parked} parked"))
        })
    })
    .await?;
    ensure!(
        admin.post(&path, &Value::Null).await?.status == 404,
        "nobody has it parked any more"
    );
    let taken: i64 = sqlx::query_scalar(
        "select count(*) from platform.inbox where group_name = 'analytics.counter' and event_id = $1",
    )
    .bind(poison)
    .fetch_one(&world.pool)
    .await?;
    ensure!(taken == 1);
    if world.names("KAFKA_BROKERS") {
        // What was sent stays as it is.
        return Ok(());
    }
    let (right, told) = rebuild(&world).await?;
    ensure!(right, "{told}");
    Ok(())
}
