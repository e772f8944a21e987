//! What happens by the clock, told to happen now: the nightly report and the clean-up.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use smartcourse_tests::{Layout, Session, Traces, World, wait_for};
use smartcourse_workflows::{
    policy::UPKEEP_TIMEOUT,
    upkeep::{SCHEDULES, Schedule},
};

use crate::{LESSONS, executable};

/// The schedules Temporal knows, once all of ours are among them.
async fn listed(world: &World) -> Result<Vec<Value>> {
    wait_for("the schedules", async || {
        let text = world.temporal_cli(&["schedule", "list", "--really-long", "-o", "json"])?;
        let listed: Vec<Value> = serde_json::from_str(&text)?;
        Ok(if listed.len() >= SCHEDULES.len() {
            Ok(listed)
        } else {
            Err(text)
        })
    })
    .await
}

/// Triggers a schedule and waits until its workflow has completed; answers the workflow's id.
async fn trigger(world: &World, admin: &Session, schedule: &Schedule) -> Result<String> {
    trigger_until(world, admin, schedule, "completed").await
}

/// The same until it has ended in this way.
async fn trigger_until(world: &World, admin: &Session, schedule: &Schedule, end: &str) -> Result<String> {
    world.temporal_cli(&["schedule", "trigger", "--schedule-id", schedule.id])?;
    wait_for(schedule.workflow_type, async || {
        let page = admin
            .get(&format!("/admin/workflows?state={end}&limit=100"))
            .await?
            .expect(200)?;
        let runs = page["items"].as_array().context("items")?;
        let run = runs.iter().find(|run| run["type"] == schedule.workflow_type);
        Ok(match run.and_then(|run| run["workflow_id"].as_str()) {
            Some(id) => Ok(id.to_owned()),
            None => Err(page.to_string()),
        })
    })
    .await
}

fn schedule(workflow_type: &str) -> Result<&'static Schedule> {
    let found = SCHEDULES
        .iter()
        .find(|schedule| schedule.workflow_type == workflow_type);
    found.context("a schedule of this type")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nightly_report_is_made() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let admin = world.admin().await?;
    let listed = listed(&world).await?;
    for schedule in &SCHEDULES {
        let shown = listed.iter().find(|shown| shown["scheduleId"] == schedule.id);
        ensure!(shown.is_some(), "{} is missing: {listed:?}", schedule.id);
    }
    ensure!(listed.len() == SCHEDULES.len(), "{listed:?}");
    let limit = format!("{}s", UPKEEP_TIMEOUT.as_secs());
    for schedule in &SCHEDULES {
        let shown =
            world.temporal_cli(&["schedule", "describe", "--schedule-id", schedule.id, "-o", "json"])?;
        ensure!(shown.contains(&limit), "no run is without an end: {shown}");
    }

    let workflow_id = trigger(&world, &admin, schedule("NightlyReport")?).await?;
    let reports: Vec<String> = sqlx::query_scalar("select id::text from analytics.reports where key = $1")
        .bind(&workflow_id)
        .fetch_all(&world.pool)
        .await?;
    let [report] = &reports[..] else {
        anyhow::bail!("one report of {workflow_id}, not {reports:?}")
    };
    let path = format!("/admin/reports/{report}");
    wait_for("the report", async || {
        let shown = admin.get(&path).await?.expect(200)?;
        Ok(if shown["state"] == "ready" {
            Ok(())
        } else {
            Err(shown.to_string())
        })
    })
    .await?;
    let csv = admin.get(&format!("{path}?format=csv")).await?.expect(200)?;
    ensure!(
        csv.as_str().is_some_and(|text| text.contains("\nplatform,")),
        "{csv}"
    );
    Ok(())
}

/// Two versions of a course with a file.
async fn published_twice(instructor: &Session) -> Result<i64> {
    let course = instructor.course(&LESSONS).await?;
    let file = instructor
        .upload(course, "sagas.md", LESSONS[0].1)
        .await?
        .expect(201)?;
    let lesson =
        json!({"id": "l1", "title": "Sagas", "type": "document", "content": {"asset_id": file["id"]}});
    instructor.put_lessons(course, &[lesson]).await?.expect(200)?;
    for version in [1, 2] {
        let status = instructor.publish(course).await?;
        ensure!(
            status["state"] == "completed" && status["version"] == version,
            "{status}"
        );
    }
    Ok(course)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clean_up_removes_what_nobody_needs_and_nothing_else() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let admin = world.admin().await?;
    let instructor = world.sign_up("instructor").await?;
    let course = published_twice(&instructor).await?;
    let gone = world.sign_up("student").await?;
    let traces = async |version| Traces::of(&world, course, version).await;
    let live = traces(2).await?;
    let old = traces(1).await?;
    ensure!(old.files > 0 && old.vectors > 0 && old.entries > 0, "{old:?}");

    let expire =
        r#"update "user".refresh_families set expires_at = now() - interval '1 second' where user_id = $1"#;
    sqlx::query(expire).bind(gone.id).execute(&world.pool).await?;
    let retire = "update content.versions set retire_after = now() - interval '1 second'
         where course_id = $1 and version = 1";
    sqlx::query(retire).bind(course).execute(&world.pool).await?;

    let reports = "insert into analytics.reports (id, state, requested_at) values
         (gen_random_uuid(), 'ready', now() - interval '91 days'), (gen_random_uuid(), 'ready', now())";
    sqlx::query(reports).execute(&world.pool).await?;
    let keys = "insert into platform.idempotency_keys (scope, key, request_hash, response, created_at)
         values ('old', 'k', '', '{}', now() - interval '31 days')";
    sqlx::query(keys).execute(&world.pool).await?;

    let uploads = format!("/courses/{course}/assets/uploads");
    let announced = json!({"filename": "a.md", "size_bytes": 7});
    let upload = instructor.post(&uploads, &announced).await?.expect(201)?;
    let upload = format!("{uploads}/{}", upload["id"].as_str().context("an id")?);
    let part = instructor.request(Method::PUT, &format!("{upload}/parts/1"));
    instructor.send(part.body("A saga.")).await?.expect(204)?;
    let late = "update content.part_uploads set expires_at = now() - interval '1 second'";
    sqlx::query(late).execute(&world.pool).await?;
    let parts = || {
        world
            .files()
            .join(format!("parts/{course}"))
            .read_dir()
            .map_or(0, Iterator::count)
    };
    ensure!(parts() == 1);

    listed(&world).await?;
    trigger(&world, &admin, schedule("CleanUp")?).await?;
    ensure!(parts() == 0 && instructor.get(&upload).await?.status == 404);
    let old = traces(1).await?;
    ensure!(old.files + old.vectors + old.entries == 0, "{old:?}");
    ensure!(traces(2).await? == live, "the live version is as it was");
    let families: Vec<i64> = sqlx::query_scalar(r#"select user_id from "user".refresh_families order by 1"#)
        .fetch_all(&world.pool)
        .await?;
    ensure!(
        !families.contains(&gone.id) && families.contains(&instructor.id),
        "{families:?}"
    );
    let token = json!({"refresh_token": gone.refresh_token});
    ensure!(gone.post("/auth/refresh", &token).await?.status == 401);
    let settled =
        "select (select count(*) from analytics.reports), (select count(*) from platform.idempotency_keys
         where scope = 'old'), (select count(*) from platform.events)";
    let (reports, keys, events): (i64, i64, i64) = sqlx::query_as(settled).fetch_one(&world.pool).await?;
    ensure!((reports, keys) == (1, 0), "{reports} reports, {keys} keys");
    ensure!(events > 0, "the log stays");
    let question = json!({"question": "What is a saga?"});
    let path = format!("/courses/{course}/ask");
    let answer = instructor.post(&path, &question).await?.expect(200)?;
    ensure!(answer["refused"] == false && answer["version"] == 2, "{answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_clean_up_that_fails_is_named_and_the_rest_is_done() -> Result<()> {
    let mut world = World::start(executable(), Layout::Together).await?;
    let admin = world.admin().await?;
    let gone = world.sign_up("student").await?;
    world
        .restart("worker", &[("SMARTCOURSE_FAIL_AT", "content.sweep")])
        .await?;
    let expire =
        r#"update "user".refresh_families set expires_at = now() - interval '1 second' where user_id = $1"#;
    sqlx::query(expire).bind(gone.id).execute(&world.pool).await?;
    listed(&world).await?;
    let run = trigger_until(&world, &admin, schedule("CleanUp")?, "failed").await?;
    let families: i64 =
        sqlx::query_scalar(r#"select count(*) from "user".refresh_families where user_id = $1"#)
            .bind(gone.id)
            .fetch_one(&world.pool)
            .await?;
    ensure!(families == 0, "the tokens went all the same");
    let told = world.temporal_cli(&["workflow", "show", "--workflow-id", &run, "-o", "json"])?;
    ensure!(
        told.contains("content.sweep: ") && told.contains("1 tokens"),
        "the run says which part failed: {told}"
    );
    Ok(())
}
