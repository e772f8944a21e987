//! Runs that end without doing their clean-up, and a Temporal server that forgets.

use anyhow::{Result, ensure};
use serde_json::Value;
use smartcourse_tests::{Layout, Traces, World, wait_for};

use crate::{LESSONS, executable, standing};

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_workflow_is_found_and_undone() -> Result<()> {
    let mut world = World::start(executable(), Layout::Apart).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = standing(&mut world, &instructor).await?;
    world.temporal_cli(&[
        "workflow",
        "terminate",
        "-w",
        &format!("publish-{course}-v1"),
        "--reason",
        "test",
    ])?;
    world.restart("content", &[]).await?;
    let status = instructor.publish_end(course).await?;
    ensure!(
        status["state"] == "failed" && status["error"]["code"] == "publish_lost",
        "{status}"
    );
    ensure!(Traces::of(&world, course, 1).await?.none());
    world.ready().await?;
    ensure!(instructor.publish(course).await?["state"] == "completed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_the_server_timed_out_is_found_and_undone() -> Result<()> {
    let mut world = World::start(executable(), Layout::Apart).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    world.kill("content");
    let (id, input) = (
        format!("publish-{course}-v1"),
        format!("{{\"course_id\":{course}}}"),
    );
    world.temporal_cli(&[
        "workflow",
        "start",
        "--type",
        "CoursePublishing",
        "--task-queue",
        "smartcourse",
        "-w",
        &id,
        "-i",
        &input,
        "--execution-timeout",
        "6s",
    ])?;
    let path = format!("/courses/{course}/publish");
    wait_for("the raw start's attempt", async || {
        let reply = instructor.get(&path).await?;
        Ok(if reply.body["state"] == "running" {
            Ok(())
        } else {
            Err(reply.body.to_string())
        })
    })
    .await?;
    world.kill("worker");
    wait_for("the server to end the run", async || {
        let shown = world.temporal_cli(&["workflow", "describe", "-w", &id, "-o", "json"])?;
        Ok(if shown.contains("TIMED_OUT") {
            Ok(())
        } else {
            Err(shown)
        })
    })
    .await?;
    world.restart("worker", &[]).await?;
    world.restart("content", &[]).await?;
    let status = instructor.publish_end(course).await?;
    ensure!(
        status["state"] == "failed" && status["error"]["code"] == "publish_timed_out",
        "{status}"
    );
    ensure!(Traces::of(&world, course, 1).await?.none());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_says_that_no_worker_is_there() -> Result<()> {
    let mut world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    world.kill("worker");
    let path = format!("/courses/{course}/publish");
    instructor.post(&path, &Value::Null).await?.expect(202)?;
    let waits = |status: &Value| status["waiting_for"] == "worker";
    instructor
        .publish_shows(course, "the status to name the worker", waits)
        .await?;
    world.restart("worker", &[]).await?;
    ensure!(instructor.publish_end(course).await?["state"] == "completed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lost_its_data_starts_the_publish_again() -> Result<()> {
    let mut world = World::start(executable(), Layout::Apart).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = standing(&mut world, &instructor).await?;
    world.stop_temporal().await?;
    world.lose_temporal_data()?;
    world.start_temporal().await?;
    world.restart("content", &[]).await?;
    let status = instructor.publish_end(course).await?;
    ensure!(status["state"] == "completed", "{status}");
    let traces = Traces::of(&world, course, 1).await?;
    ensure!(
        traces.published_events == 1 && traces.documents == 1,
        "{traces:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_after_the_server_lost_a_run_undoes_what_that_run_did() -> Result<()> {
    let mut world = World::start(executable(), Layout::Apart).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    let path = format!("/courses/{course}/publish");
    // The first run gets as far as the search index, with files, chunks and vectors in place.
    let at_the_index = [("SMARTCOURSE_KILL_AT", "content.index_course.before_commit")];
    world.restart("content", &at_the_index).await?;
    world.ready().await?;
    instructor.post(&path, &Value::Null).await?.expect(202)?;
    wait_for("the content service's death", async || {
        Ok(if world.is_running("content") {
            Err("alive".to_owned())
        } else {
            Ok(())
        })
    })
    .await?;
    ensure!(Traces::of(&world, course, 1).await?.vectors > 0);
    world.stop_temporal().await?;
    world.lose_temporal_data()?;
    world.start_temporal().await?;
    // The second run stands at its first step when the user cancels: it has done nothing itself.
    let standing = |status: &Value| status["step"] == 1 && status["steps"][0]["state"] == "retrying";
    instructor
        .publish_shows(course, "the second run", standing)
        .await?;
    instructor.delete(&path).await?.expect(202)?;
    world.restart("content", &[]).await?;
    let status = instructor.publish_end(course).await?;
    ensure!(status["state"] == "cancelled", "{status}");
    let left = Traces::of(&world, course, 1).await?;
    ensure!(left.none(), "left over: {left:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_past_its_deadline_undoes_itself() -> Result<()> {
    let mut world = World::start_with(
        executable(),
        Layout::Apart,
        &[("PUBLISH__DEADLINE_SECONDS", "10")],
    )
    .await?;
    let instructor = world.sign_up("instructor").await?;
    let course = standing(&mut world, &instructor).await?;
    // Its compensations need the content service, which comes back after the deadline.
    wait_for("the deadline", async || {
        let shown = world.temporal_cli(&["workflow", "show", "-w", &format!("publish-{course}-v1")])?;
        Ok(if shown.contains("TimerFired") {
            Ok(())
        } else {
            Err("running".to_owned())
        })
    })
    .await?;
    world.restart("content", &[]).await?;
    let status = instructor.publish_end(course).await?;
    ensure!(
        status["state"] == "failed" && status["error"]["code"] == "publish_timed_out",
        "{status}"
    );
    ensure!(Traces::of(&world, course, 1).await?.none());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_relays_hand_over_each_start_once() -> Result<()> {
    let mut world = World::start(executable(), Layout::Together).await?;
    world.spawn("relay-2", &["relay"], &[])?;
    let instructor = world.sign_up("instructor").await?;
    let mut courses = Vec::new();
    for _ in 0..10 {
        courses.push(instructor.course(&LESSONS).await?);
    }
    for course in &courses {
        instructor
            .post(&format!("/courses/{course}/publish"), &Value::Null)
            .await?
            .expect(202)?;
    }
    for course in courses {
        let status = instructor.publish_end(course).await?;
        ensure!(
            status["state"] == "completed" && status["version"] == 1,
            "{status}"
        );
        ensure!(Traces::of(&world, course, 1).await?.published_events == 1);
    }
    let twice: i64 = sqlx::query_scalar("select count(*) from platform.outbox_commands where tries > 1")
        .fetch_one(&world.pool)
        .await?;
    ensure!(twice == 0, "{twice} commands were sent twice");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_start_through_temporal_follows_the_same_rules() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    let input = format!("{{\"course_id\":{course}}}");
    let id = format!("publish-{course}-v1");
    world.temporal_cli(&[
        "workflow",
        "start",
        "--type",
        "CoursePublishing",
        "--task-queue",
        "smartcourse",
        "-w",
        &id,
        "-i",
        &input,
    ])?;
    wait_for("the raw start's attempt", async || {
        let reply = instructor.get(&format!("/courses/{course}/publish")).await?;
        Ok(if reply.status == 200 {
            Ok(())
        } else {
            Err(reply.body.to_string())
        })
    })
    .await?;
    let status = instructor.publish_end(course).await?;
    ensure!(
        status["state"] == "completed" && status["workflow_id"] == id,
        "{status}"
    );
    Ok(())
}
