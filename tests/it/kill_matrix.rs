//! The kill matrix: a role dies by SIGKILL at a named point of a publish, comes back, and the publish ends as it would
//! have – one of everything, or nothing at all.
//!
//! `SMARTCOURSE_KILL_REPEATS=3` repeats each point, `SMARTCOURSE_KILL_TABLE=docs/KILL-MATRIX.md` writes the table.
//! `SMARTCOURSE_KILL_CROSS=1` kills at each point every role that does not own it, too, while the owner stands there.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use smartcourse_tests::{Hold, Layout, Session, Traces, World, wait_for};
use smartcourse_workflows::{
    activities::{AbortVersion, FinishAttempt, PUBLISHING, PrepareProgress},
    contract::{Activity as _, Declaration},
};

use crate::{
    LESSONS, TRANSCRIPT, executable, forward,
    kill::{COMMIT, Matrix, commits, effects, repeats},
};

/// What the publish does when nobody is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It completes.
    Published,
    /// Its last preparation fails for good, so everything is undone.
    Undone,
}

/// The activity that fails for good in the undone case: the last before the flip.
const FAILING: &str = PrepareProgress::DECLARATION.name;

/// What undoes a publish that failed before the flip, in its order.
fn backward() -> Vec<Declaration> {
    let undo = PUBLISHING.undo_all().into_iter().rev().map(|undo| undo.name);
    let names = [AbortVersion::DECLARATION.name]
        .into_iter()
        .chain(undo)
        .chain([FinishAttempt::DECLARATION.name]);
    names
        .filter_map(|name| PUBLISHING.apart.iter().find(|activity| activity.name == name))
        .copied()
        .collect()
}

/// Every point, with the role that owns it and the outcome it is tried in.
fn points() -> Vec<(&'static str, String, Outcome)> {
    let mut points: Vec<(&'static str, String, Outcome)> = Vec::new();
    let mut services = Vec::new();
    for (activities, outcome) in [(forward(), Outcome::Published), (backward(), Outcome::Undone)] {
        for activity in activities {
            points.extend(effects(activity.name).map(|point| ("worker", point, outcome)));
            let service = match activity.name.split_once('.') {
                Some(("course", _)) => "course",
                Some(("content", _)) => "content",
                _ => "serve",
            };
            services.extend(
                commits(&activity)
                    .into_iter()
                    .map(|point| (service, point, outcome)),
            );
        }
    }
    for point in [
        "start.before_send",
        "start.after_send",
        "before_commit",
        "after_commit",
        "place.before_commit",
    ] {
        points.push(("relay", format!("relay.{point}"), Outcome::Published));
    }
    for moment in COMMIT {
        points.push(("course", format!("course.publish.{moment}"), Outcome::Published));
    }
    points.append(&mut services);
    for point in ["upload_assets.after_copy", "embed_lesson.after_batch"] {
        points.push(("content", format!("content.{point}"), Outcome::Published));
    }
    let mut known = BTreeSet::new();
    points.retain(|(_, point, _)| known.insert(point.clone()));
    points
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_may_die_at_every_point() -> Result<()> {
    let repeats = repeats();
    let mut world = World::start_with(executable(), Layout::Apart, &[crate::LONG_TOKENS]).await?;
    let instructor = world.sign_up("instructor").await?;
    let head = format!(
        "# Kill matrix\n\nEach role is killed with SIGKILL at each point, started again, and every store is looked into. \
         Written by\n\n```\nSMARTCOURSE_KILL_REPEATS={repeats} SMARTCOURSE_KILL_TABLE=docs/KILL-MATRIX.md \\\n    \
         cargo test -p smartcourse-cli --test it kill_matrix -- --nocapture\n```\n\n\
         | role | point | without the kill | with it |\n|---|---|---|---|\n"
    );
    let mut matrix = Matrix::new(head, &["serve", "course", "content", "relay", "worker"]);
    let cross = std::env::var_os("SMARTCOURSE_KILL_CROSS").is_some();
    for (owner, victim, point, outcome) in runs(cross) {
        for _ in 0..repeats {
            let at = At {
                owner,
                victim,
                point: &point,
            };
            let seen = kill(&mut world, &instructor, at, outcome).await;
            let otherwise = format!("{outcome:?}").to_lowercase();
            let cells = [victim, &format!("`{point}`"), &otherwise];
            matrix.add(&mut world, &cells, owner, seen).await?;
        }
    }
    matrix.finish("SMARTCOURSE_KILL_TABLE")
}

/// Who dies where.
#[derive(Debug, Clone, Copy)]
struct At<'a> {
    /// The role that gets to the point.
    owner: &'static str,
    /// The role that is killed meanwhile.
    victim: &'static str,
    point: &'a str,
}

/// Every point with its owner as the victim, or with each of the other roles.
fn runs(cross: bool) -> Vec<(&'static str, &'static str, String, Outcome)> {
    let shard = std::env::var("SMARTCOURSE_KILL_SHARD").ok();
    let (shard, of) = shard
        .as_deref()
        .and_then(|text| text.split_once('/'))
        .and_then(|(shard, of)| Some((shard.parse::<usize>().ok()?, of.parse::<usize>().ok()?)))
        .unwrap_or((0, 1));
    let victims = |owner: &'static str| -> Vec<&'static str> {
        if cross {
            let roles = ["worker", "relay", "course", "content"];
            roles.into_iter().filter(|role| *role != owner).collect()
        } else {
            vec![owner]
        }
    };
    points()
        .into_iter()
        .flat_map(|(owner, point, outcome)| {
            victims(owner)
                .into_iter()
                .map(move |victim| (owner, victim, point.clone(), outcome))
        })
        .enumerate()
        .filter(|(number, _)| number % of.max(1) == shard)
        .map(|(_, run)| run)
        .collect()
}

/// One point: arm, publish, wait until it is reached, let the victim die and come back, look into every store.
async fn kill(world: &mut World, instructor: &Session, at: At<'_>, outcome: Outcome) -> Result<String> {
    let At { owner, victim, point } = at;
    let course = instructor.course(&[]).await?;
    // Words no earlier course had: a chunk the model has seen is not embedded again.
    let words = format!("This course is for {point}, number {course}.");
    let transcript = format!("{TRANSCRIPT}\n00:00:09.000 --> 00:00:12.000\n{words}\n");
    let asset = instructor
        .upload(course, "talk.vtt", transcript)
        .await?
        .expect(201)?;
    let mut lessons: Vec<Value> = LESSONS
        .iter()
        .zip(1..)
        .map(|((title, text), n)| {
            let content = json!({"markdown": format!("{text}\n{words}\n")});
            json!({"id": format!("l{n}"), "title": title, "type": "text", "content": content})
        })
        .collect();
    lessons.push(json!({"id": "l3", "title": "Replay", "type": "video", "content": {"transcript_asset_id": asset["id"]}}));
    instructor.put_lessons(course, &lessons).await?.expect(200)?;

    let hold = Hold::at(point, &world.files().with_extension("held"));
    let mut variables = if owner == victim {
        vec![("SMARTCOURSE_KILL_AT", point)]
    } else {
        hold.variables()?.to_vec()
    };
    let failing = [("SMARTCOURSE_FAIL_AT", FAILING)];
    if outcome == Outcome::Undone {
        if owner == "worker" {
            variables.extend(failing);
        } else {
            world.restart("worker", &failing).await?;
        }
    }
    world.restart(owner, &variables).await?;
    world.ready().await?;

    let path = format!("/courses/{course}/publish");
    // The answer may be lost or late: whether the publish was accepted is asked afterwards.
    let publish = {
        let (instructor, path) = (instructor.clone(), path.clone());
        tokio::spawn(async move { drop(instructor.post(&path, &Value::Null).await) })
    };
    wait_for("the point", async || {
        let reached = if owner == victim {
            !world.is_running(owner)
        } else {
            hold.is_reached()
        };
        Ok(if reached {
            Ok(())
        } else {
            Err("on its way".to_owned())
        })
    })
    .await?;
    let back: &[(&str, &str)] = if outcome == Outcome::Undone && victim == "worker" {
        &failing
    } else {
        &[]
    };
    world.restart(victim, back).await?;
    if owner != victim {
        hold.release()?;
    }
    publish.await?;
    world.ready().await?;
    if instructor.get(&path).await?.status == 404 {
        instructor.post(&path, &Value::Null).await?.expect(202)?;
    }
    let status = instructor.publish_end(course).await?;
    let seen = match outcome {
        Outcome::Published => published(world, course, &status).await,
        Outcome::Undone => undone(world, course, &status).await,
    };
    if outcome == Outcome::Undone {
        world.restart("worker", &[]).await?;
        let again = instructor.publish(course).await?;
        ensure!(again["state"] == "completed", "publishing again: {again}");
    }
    seen
}

async fn published(world: &World, course: i64, status: &Value) -> Result<String> {
    ensure!(status["state"] == "completed", "{status}");
    ensure!(status["version"] == 1, "version {}", status["version"]);
    let traces = Traces::of(world, course, 1).await?;
    let expected = Traces {
        documents: 1,
        assets: 1,
        files: 1,
        chunk_documents: 3,
        vectors: traces.chunks,
        entries: traces.chunks + 1,
        enrollment: 1,
        progress: 3,
        published_events: 1,
        ..traces.clone()
    };
    ensure!(
        traces == expected && traces.chunks >= 3 && traces.duplicate_vectors == 0,
        "{traces:?}"
    );
    Ok(format!(
        "published once: 1 version, {} file, {} chunks, {} vectors, {} index entries, {} event",
        traces.files, traces.chunks, traces.vectors, traces.entries, traces.published_events
    ))
}

async fn undone(world: &World, course: i64, status: &Value) -> Result<String> {
    ensure!(
        status["state"] == "failed" && status["error"]["code"] == "injected",
        "{status}"
    );
    let traces = Traces::of(world, course, 1).await?;
    ensure!(traces.none(), "left over: {traces:?}");
    Ok("failed with its reason, nothing left in any store, published on the next try".to_owned())
}
