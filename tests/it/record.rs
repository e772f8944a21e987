//! Records the golden histories of [`crate::replay`].
//!
//! `SMARTCOURSE_RECORD=publishing cargo test -p smartcourse-cli --test it replay` records those of publishing for the version that
//! is being made, likewise `enrollment`, `generating` and `upkeep`. Those of a release stay as they are.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use smartcourse_tests::{Layout, Session, World, wait_for};
use smartcourse_workflows::{enrollment::workflow_id, upkeep::SCHEDULES};
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, UntypedWorkflow, WorkflowFetchHistoryOptions,
};

use crate::{
    LESSONS, NO_PROGRESS, executable,
    generating::{asked, ended},
    publishing::many_lessons,
    replay::{RELEASED, histories},
    standing,
};

/// The version that is being made.
pub(crate) const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION_MAJOR"),
    ".",
    env!("CARGO_PKG_VERSION_MINOR")
);

/// Tries by which the local activity has given way to the regular one.
const TRIES: i64 = 4;

/// Records the histories that are asked for.
pub(crate) async fn record() -> Result<()> {
    let what = std::env::var("SMARTCOURSE_RECORD").unwrap_or_default();
    if !["publishing", "enrollment", "generating", "upkeep"].contains(&what.as_str()) {
        return Ok(());
    }
    ensure!(
        RELEASED.iter().all(|(version, _)| *version != VERSION),
        "the histories of {VERSION} are those of a release; a version is raised before it has histories of its own"
    );
    std::fs::create_dir_all(histories().join(VERSION))?;
    match what.as_str() {
        "publishing" => publishing().await,
        "enrollment" => enrollment().await,
        "generating" => generating().await,
        _ => upkeep().await,
    }
}

/// Runs one publish of each kind.
async fn publishing() -> Result<()> {
    let mut world = World::start(executable(), Layout::Apart).await?;
    let instructor = world.sign_up("instructor").await?;

    let course = instructor.course(&LESSONS).await?;
    ensure!(instructor.publish(course).await?["state"] == "completed");
    keep(&world, &format!("publish-{course}-v1"), "happy.json").await?;
    keep(&world, &format!("content-{course}-v1"), "happy-content.json").await?;

    // The words are known, so that there is a lesson to extract for each and nothing to embed: the second run has few.
    for _ in 0..2 {
        let course = instructor.course(&[]).await?;
        instructor
            .put_lessons(course, &many_lessons(402))
            .await?
            .expect(200)?;
        instructor
            .post(&format!("/courses/{course}/publish"), &Value::Null)
            .await?
            .expect(202)?;
        let end = instructor
            .publish_end_within(course, Duration::from_secs(600))
            .await?;
        ensure!(end["state"] == "completed", "{end}");
        keep(&world, &format!("content-{course}-v1"), "continued-content.json").await?;
    }

    let retried = standing(&mut world, &instructor).await?;
    let fourth = |status: &Value| status["steps"][0]["attempts"].as_i64() >= Some(TRIES);
    instructor.publish_shows(retried, "a fourth try", fourth).await?;
    world.restart("content", &[]).await?;
    ensure!(instructor.publish_end(retried).await?["state"] == "completed");
    keep(&world, &format!("publish-{retried}-v1"), "retried.json").await?;

    let cancelled = standing(&mut world, &instructor).await?;
    instructor
        .delete(&format!("/courses/{cancelled}/publish"))
        .await?
        .expect(202)?;
    world.restart("content", &[]).await?;
    ensure!(instructor.publish_end(cancelled).await?["state"] == "cancelled");
    keep(&world, &format!("publish-{cancelled}-v1"), "cancelled.json").await?;

    let cleaned = standing(&mut world, &instructor).await?;
    world.temporal_cli(&["workflow", "terminate", "-w", &format!("publish-{cleaned}-v1")])?;
    world.restart("content", &[]).await?;
    let attempt = instructor.publish_end(cleaned).await?["attempt_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    keep(&world, &format!("cleanup-{attempt}"), "cleanup.json").await?;

    for (step, name) in [
        ("progress.prepare_course", "compensated.json"),
        ("content.embed_lesson", "compensated-in-child.json"),
    ] {
        world.restart("worker", &[("SMARTCOURSE_FAIL_AT", step)]).await?;
        // New words, since a chunk the model has seen is not embedded again.
        let course = instructor
            .course(&[(
                "New",
                &format!("# New\n\nThis lesson makes {step} fail for good."),
            )])
            .await?;
        ensure!(instructor.publish(course).await?["state"] == "failed");
        keep(&world, &format!("publish-{course}-v1"), name).await?;
    }
    Ok(())
}

/// The path of an enrollment of this student, once it is there.
async fn enroll(student: &Session, course: i64) -> Result<String> {
    let path = format!("/courses/{course}/enroll");
    let enrollment = student.post(&path, &Value::Null).await?.expect(201)?;
    Ok(format!("/enrollments/{}", enrollment["enrollment_id"]))
}

/// A student whose onboarding stands at its second step, since the worker finds no progress service.
async fn waiting(world: &mut World, course: i64) -> Result<(Session, String)> {
    world.restart("worker", &NO_PROGRESS).await?;
    let student = world.sign_up("student").await?;
    let path = enroll(&student, course).await?;
    wait_for("the second step", async || {
        let shown = student.get(&path).await?.expect(200)?;
        let step = &shown["onboarding"]["steps"][1];
        Ok(
            if step["state"] == "retrying" && step["attempts"].as_i64() >= Some(TRIES) {
                Ok(())
            } else {
                Err(shown.to_string())
            },
        )
    })
    .await?;
    Ok((student, path))
}

/// Runs one enrollment of each kind.
async fn enrollment() -> Result<()> {
    let mut world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    ensure!(instructor.publish(course).await?["state"] == "completed");

    let student = world.sign_up("student").await?;
    enroll(&student, course).await?;
    keep(
        &world,
        &workflow_id(course.into(), student.id.into()),
        "enrollment-happy.json",
    )
    .await?;

    let draft = instructor.course(&LESSONS).await?;
    let raw = workflow_id(draft.into(), student.id.into());
    world.start_enrollment(draft, student.id)?;
    keep(&world, &raw, "enrollment-refused.json").await?;

    let (student, _) = waiting(&mut world, course).await?;
    world.restart("worker", &[]).await?;
    keep(
        &world,
        &workflow_id(course.into(), student.id.into()),
        "enrollment-retried.json",
    )
    .await?;

    // Gone and back while the first onboarding stands: the same run takes up the second.
    let (student, path) = waiting(&mut world, course).await?;
    student.delete(&path).await?.expect(204)?;
    ensure!(enroll(&student, course).await? == path);
    world.restart("worker", &[]).await?;
    keep(
        &world,
        &workflow_id(course.into(), student.id.into()),
        "enrollment-returned.json",
    )
    .await
}

/// Makes one draft, and takes one back while it is made.
async fn generating() -> Result<()> {
    let world = World::start(executable(), Layout::Apart).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    ensure!(instructor.publish(course).await?["state"] == "completed");
    let summary = json!({ "kind": "summary" });
    let run = |generation: &Value| generation["workflow_id"].as_str().unwrap_or_default().to_owned();

    let made = asked(&instructor, course, &summary).await?;
    let made = ended(&instructor, &made).await?;
    ensure!(made["state"] == "completed", "{made}");
    keep(&world, &run(&made), "generate-happy.json").await?;

    // Without the lessons it stands.
    world.kill("content");
    let place = asked(&instructor, course, &summary).await?;
    wait_for("a second try", async || {
        let shown = instructor.get(&place).await?.expect(200)?;
        let tries = shown["steps"][0]["attempts"].as_i64();
        Ok(if tries >= Some(2) {
            Ok(())
        } else {
            Err(shown.to_string())
        })
    })
    .await?;
    instructor.delete(&place).await?.expect(202)?;
    let cancelled = ended(&instructor, &place).await?;
    ensure!(cancelled["state"] == "cancelled", "{cancelled}");
    keep(&world, &run(&cancelled), "generate-cancelled.json").await
}

/// Runs what happens by the clock.
async fn upkeep() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let admin = world.admin().await?;
    for schedule in &SCHEDULES {
        wait_for("the schedule", async || {
            let told = world.temporal_cli(&["schedule", "trigger", "--schedule-id", schedule.id]);
            Ok(told.map(drop).map_err(|error| error.to_string()))
        })
        .await?;
        let id = wait_for("its workflow", async || {
            let page = admin.get("/admin/workflows").await?.expect(200)?;
            let runs = page["items"].as_array().context("items")?;
            let run = runs.iter().find(|run| run["type"] == schedule.workflow_type);
            let id = run.and_then(|run| run["workflow_id"].as_str()).map(str::to_owned);
            Ok(id.ok_or_else(|| page.to_string()))
        })
        .await?;
        keep(&world, &id, &format!("{}.json", schedule.id)).await?;
    }
    Ok(())
}

/// Keeps the history of a workflow under a name, once it is closed.
async fn keep(world: &World, workflow_id: &str, name: &str) -> Result<()> {
    let target: url::Url = format!("http://{}", world.temporal_address()).parse()?;
    let connection = Connection::connect(ConnectionOptions::new(target).build()).await?;
    let client = Client::new(connection, ClientOptions::new("default").build())?;
    let handle = client.get_workflow_handle::<UntypedWorkflow>(workflow_id.to_owned());
    // The attempt is over a moment before its workflow closes, and only a closed history is whole.
    let json = wait_for("the workflow to close", async || {
        let history = handle.fetch_history(WorkflowFetchHistoryOptions::default());
        // It is accepted a moment before it begins.
        let json = match history.to_json().await {
            Ok(json) => json,
            Err(error) => return Ok(Err(format!("{error:#}"))),
        };
        let text = String::from_utf8_lossy(&json);
        let closed = [
            "WorkflowExecutionCompleted",
            "WorkflowExecutionFailed",
            "WorkflowExecutionCanceled",
        ];
        Ok(if closed.iter().any(|event| text.contains(event)) {
            Ok(json)
        } else {
            Err("open".to_owned())
        })
    })
    .await?;
    std::fs::write(histories().join(VERSION).join(name), json)?;
    Ok(())
}
