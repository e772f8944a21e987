//! The end-to-end suite: real PostgreSQL, real Temporal, real processes, real sockets.

use std::{path::PathBuf, sync::LazyLock};

use anyhow::{Context as _, Result};
use serde_json::Value;
use smartcourse_tests::{Session, World, wait_for};
use smartcourse_workflows::{
    activities::{BeginAttempt, PUBLISHING},
    contract::{Activity as _, Declaration},
};

mod abuse;
mod alerts;
mod analytics;
mod answers;
mod asyncapi;
mod background;
mod backup;
#[path = "../../cli/src/callers.rs"]
mod callers;
mod catalogue;
mod citations;
mod clusters;
#[path = "../../cli/src/compose.rs"]
mod compose;
#[path = "../../cli/src/config.rs"]
mod config;
mod connections;
mod containers;
mod demo;
mod downloads;
mod encrypted;
mod enrollment;
#[path = "../../cli/src/errors.rs"]
mod errors;
mod faults;
mod generating;
mod hanging_up;
mod health;
mod hostile_texts;
mod inputs;
mod kill;
mod kill_enrollment;
mod kill_matrix;
mod leaving;
mod limits;
mod monitoring;
mod moves;
mod notifications;
mod outages;
mod parked;
mod progress;
mod publishing;
mod readers;
mod record;
mod released;
mod replay;
mod retention;
mod rolling;
mod routes;
mod rules;
mod rushes;
mod saga;
mod schedules;
#[path = "../../cli/src/schemas.rs"]
mod schemas;
mod security;
mod servers_away;
mod silence;
mod soak;
mod supply_chain;
mod telemetry;
mod transcription;
mod trials;
mod uploads;
mod versions;
mod ways_in;

/// The roles of a platform.
pub(crate) const ROLES: [&str; 4] = ["serve", "relay", "worker", "tasks"];

/// The executable under test: this package's, or the one that `SMARTCOURSE_TEST_EXECUTABLE` names (`tests/line-ups.sh`).
pub(crate) fn executable() -> &'static std::path::Path {
    static EXECUTABLE: LazyLock<PathBuf> = LazyLock::new(|| {
        std::env::var_os("SMARTCOURSE_TEST_EXECUTABLE")
            .unwrap_or_else(|| env!("CARGO_BIN_EXE_smartcourse").into())
            .into()
    });
    &EXECUTABLE
}

/// The root of the workspace.
pub(crate) fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A kill matrix with repeats takes longer than an access token lives.
pub(crate) const LONG_TOKENS: (&str, &str) = ("USER__ACCESS_TOKEN_SECONDS", "86400");

/// For a worker that finds no progress service.
pub(crate) const NO_PROGRESS: [(&str, &str); 1] = [("SMARTCOURSE_GRPC__PROGRESS", "127.0.0.1:9")];

/// Two text lessons worth finding.
pub(crate) const LESSONS: [(&str, &str); 2] = [
    (
        "Sagas",
        "# Sagas\n\nA saga is a sequence of steps in which every step has a compensation that undoes it. \
         When a step fails for good, the compensations of the finished steps run in reverse order.\n",
    ),
    (
        "Outbox",
        "# The outbox\n\nAn outbox is a table in which a transaction writes the messages it wants sent. \
         A relay reads the table after the commit and sends each message at least once.\n",
    ),
];

/// A transcript of a few cues.
pub(crate) const TRANSCRIPT: &str = "WEBVTT\n\n00:00:01.000 --> 00:00:05.000\nReplay rebuilds the state of a workflow from its history.\n\n\
     00:00:05.000 --> 00:00:09.000\nWorkflow code must therefore be deterministic.\n";

/// The activities of a publish, in their order.
pub(crate) fn forward() -> Vec<Declaration> {
    let mut forward = vec![BeginAttempt::DECLARATION];
    forward.extend_from_slice(PUBLISHING.activities);
    forward
}

/// A publish that stands at its first step because the content service is dead.
pub(crate) async fn standing(world: &mut World, instructor: &Session) -> Result<i64> {
    let course = instructor.course(&LESSONS).await?;
    world.kill("content");
    instructor
        .post(&format!("/courses/{course}/publish"), &Value::Null)
        .await?
        .expect(202)?;
    let retrying = |status: &Value| status["steps"][0]["state"] == "retrying";
    instructor
        .publish_shows(course, "the first step", retrying)
        .await?;
    Ok(course)
}

/// Takes a seat and waits for what follows; answers the enrollment.
pub(crate) async fn enroll(student: &Session, course: i64) -> Result<i64> {
    let path = format!("/courses/{course}/enroll");
    let enrollment = student.post(&path, &Value::Null).await?.expect(201)?["enrollment_id"].clone();
    wait_for("the onboarding", async || {
        let shown = student
            .get(&format!("/enrollments/{enrollment}"))
            .await?
            .expect(200)?;
        Ok(match shown["onboarding"]["state"].as_str() {
            Some("completed") => Ok(()),
            _ => Err(shown.to_string()),
        })
    })
    .await?;
    enrollment.as_i64().context("an enrollment has an id")
}
