//! A publish that is cancelled: before it begins, on the way, and too late.

use anyhow::{Result, ensure};
use serde_json::Value;
use smartcourse_tests::{Layout, Traces, World, wait_for};

use crate::{LESSONS, executable};

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_waits_for_temporal_and_can_be_cancelled_before_it_begins() -> Result<()> {
    let mut world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let (waiting, cancelled) = (
        instructor.course(&LESSONS).await?,
        instructor.course(&LESSONS).await?,
    );
    world.stop_temporal().await?;
    for course in [waiting, cancelled] {
        instructor
            .post(&format!("/courses/{course}/publish"), &Value::Null)
            .await?
            .expect(202)?;
    }
    let waits = |status: &Value| status["waiting_for"] == "temporal";
    instructor
        .publish_shows(waiting, "the status to name Temporal", waits)
        .await?;
    let status = instructor
        .delete(&format!("/courses/{cancelled}/publish"))
        .await?
        .expect(202)?;
    ensure!(status["state"] == "cancelled", "{status}");
    world.start_temporal().await?;
    ensure!(instructor.publish_end(waiting).await?["state"] == "completed");
    // What was cancelled before its start never ran, and publishing again works.
    ensure!(Traces::of(&world, cancelled, 1).await?.none());
    let again = instructor.publish(cancelled).await?;
    ensure!(again["state"] == "completed" && again["version"] == 2, "{again}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_on_the_way_undoes_everything() -> Result<()> {
    let mut world = World::start(executable(), Layout::Apart).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    let path = format!("/courses/{course}/publish");
    // Without the content service the publish stands at its first step, retrying.
    world.kill("content");
    instructor.post(&path, &Value::Null).await?.expect(202)?;
    let retrying = |status: &Value| {
        status["steps"][0]["state"] == "retrying" && status["steps"][0]["error"]["code"] == "unavailable"
    };
    let status = instructor.publish_shows(course, "a retry", retrying).await?;
    ensure!(status["state"] == "running", "{status}");
    let cancelling = instructor.delete(&path).await?.expect(202)?;
    ensure!(cancelling["state"] == "cancelling", "{cancelling}");
    world.restart("content", &[]).await?;
    world.ready().await?;
    let status = instructor.publish_end(course).await?;
    ensure!(
        status["state"] == "cancelled" && status["error"]["code"] == "publish_cancelled",
        "{status}"
    );
    ensure!(Traces::of(&world, course, 1).await?.none());
    ensure!(instructor.publish(course).await?["state"] == "completed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_at_any_moment_leaves_all_or_nothing() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let mut seen = [0, 0];
    for step in [0, 0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 7] {
        let course = instructor.course(&LESSONS).await?;
        let path = format!("/courses/{course}/publish");
        instructor.post(&path, &Value::Null).await?.expect(202)?;
        wait_for("the step", async || {
            let status = instructor.get(&path).await?.expect(200)?;
            Ok(if status["step"].as_i64() >= Some(step) {
                Ok(())
            } else {
                Err(status.to_string())
            })
        })
        .await?;
        let reply = instructor.delete(&path).await?;
        let status = instructor.publish_end(course).await?;
        let traces = Traces::of(&world, course, 1).await?;
        let live =
            instructor.get(&format!("/courses/{course}")).await?.expect(200)?["published_version"].clone();
        if reply.status == 409 {
            ensure!(
                reply.code() == "already_published" && status["state"] == "completed",
                "{reply:?} {status}"
            );
            ensure!(
                live == 1 && traces.published_events == 1 && traces.vectors == traces.chunks,
                "{traces:?}"
            );
            seen[0] += 1;
        } else {
            ensure!(
                reply.status == 202 && status["state"] == "cancelled",
                "{reply:?} {status}"
            );
            ensure!(live.is_null() && traces.none(), "{traces:?}");
            seen[1] += 1;
        }
    }
    ensure!(seen[1] > 0, "not one cancel was in time");
    Ok(())
}
