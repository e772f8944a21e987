//! One part is away, frozen or full: what the others say of it, and that nothing is left half done.

use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use smartcourse_launcher::{Claim, Signal};
use smartcourse_tests::{Layout, Traces, World, wait_for};

use crate::{LESSONS, executable};

/// All services but that of enrollments, in one process.
const WITHOUT_ENROLLMENT: [&str; 3] = [
    "serve",
    "--only",
    "user,course,content,assistant,progress,notification,analytics,operations,gateway",
];

#[tokio::test(flavor = "multi_thread")]
async fn after_the_commit_nothing_fails() -> Result<()> {
    let mut world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    let path = format!("/courses/{course}");
    world.kill("serve");
    world.spawn("rest", &WITHOUT_ENROLLMENT, &[])?;
    let new = json!({ "title": "Made", "description": "While the seats are away" });
    wait_for("a course", async || {
        let made = instructor.post("/courses", &new).await;
        Ok(made
            .map_err(|error| error.to_string())
            .and_then(|made| match made.status {
                201 => Ok(()),
                status => Err(format!("{status}: {}", made.body)),
            }))
    })
    .await?;
    let made: i64 = sqlx::query_scalar("select count(*) from course.courses where title = 'Made'")
        .fetch_one(&world.pool)
        .await?;
    ensure!(made == 1, "{made} courses of one answer");
    // What cannot be answered is not done either.
    let patch = instructor
        .request(Method::PATCH, &path)
        .json(&json!({ "title": "Changed" }));
    instructor.send(patch).await?.expect(503)?;
    instructor
        .put(&format!("{path}/status"), &json!({ "status": "archived" }))
        .await?
        .expect(503)?;
    let changed: bool =
        sqlx::query_scalar("select archived or title = 'Changed' from course.courses where id = $1")
            .bind(course)
            .fetch_one(&world.pool)
            .await?;
    ensure!(!changed, "an answer of 503 has changed the course");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_relay_temporal_and_disk_apart() -> Result<()> {
    let mut world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    world.kill("relay");
    let publish = format!("/courses/{course}/publish");
    instructor.post(&publish, &Value::Null).await?.expect(202)?;
    instructor
        .publish_shows(course, "the relay", |status| status["waiting_for"] == "relay")
        .await?;
    world.stop_temporal().await?;
    instructor
        .publish_shows(course, "Temporal", |status| status["waiting_for"] == "temporal")
        .await?;
    world.start_temporal().await?;

    // What a full disk answers to every write of the steps, and to the report that they failed.
    sqlx::raw_sql(
        "create function full_disk() returns trigger language plpgsql as $$ begin
             raise exception 'could not extend file: No space left on device' using errcode = 'disk_full'; end $$;
         create trigger full_disk before insert or update on course.publish_steps execute function full_disk();
         create trigger full_disk before insert on course.versions execute function full_disk();",
    )
    .execute(&world.pool)
    .await?;
    world.restart("relay", &[]).await?;
    let words = "the database has no space left on its disk";
    instructor
        .publish_shows(course, "the cause of the retries", |status| {
            let mut steps = status["steps"].as_array().into_iter().flatten();
            status["waiting_for"] == "retry" && steps.any(|step| step["error"]["message"] == words)
        })
        .await?;
    sqlx::raw_sql(
        "drop trigger full_disk on course.publish_steps; drop trigger full_disk on course.versions",
    )
    .execute(&world.pool)
    .await?;
    let end = instructor.publish_end(course).await?;
    ensure!(end["state"] == "completed", "{end}");
    world.ready().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_put_back_to_an_earlier_day_publishes_at_the_first_try() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let (earlier, course) = (
        instructor.course(&LESSONS).await?,
        instructor.course(&LESSONS).await?,
    );
    ensure!(instructor.publish(earlier).await?["state"] == "completed");
    let attempt: String =
        sqlx::query_scalar("select id::text from course.publish_attempts where course_id = $1")
            .bind(earlier)
            .fetch_one(&world.pool)
            .await?;
    // Temporal knows a completed run under the id of what the database takes to be the first publish.
    let input = json!({ "course_id": earlier, "attempt_id": attempt, "version": 1 }).to_string();
    let id = format!("publish-{course}-v1");
    let start = [
        "workflow",
        "execute",
        "--type",
        "CoursePublishing",
        "--task-queue",
        "smartcourse",
    ];
    world.temporal_cli(&[&start[..], &["-w", &id, "-i", &input]].concat())?;
    let status = instructor.publish(course).await?;
    ensure!(
        status["state"] == "completed" && status["version"] == 1,
        "{status}"
    );
    ensure!(Traces::of(&world, course, 1).await?.published_events == 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_of_an_earlier_run_that_is_frozen_is_ended() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let lock = world.data_dir()?.role_lock("relay");
    world.signal("relay", Signal::STOP)?;
    Claim::end_holder(&lock, "relay", Duration::from_millis(100)).await?;
    ensure!(!world.is_running("relay"), "it still runs");
    Ok(())
}
