//! Drafts that a workflow makes of a published course: what is in them, how they are followed and taken, and that each is made once whoever
//! dies meanwhile.

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, header};
use serde_json::{Value, json};
use smartcourse_tests::{Layout, Model, PATIENCE, Says, Session, World, wait_for};
use smartcourse_workflows::activities::GENERATING;

use crate::{
    answers::writing,
    executable,
    kill::{COMMIT, Matrix, commits, effects, repeats},
};

/// Lessons that define enough for a quiz with options.
const DEFINING: [(&str, &str); 3] = [
    (
        "Sagas",
        "A saga is a sequence of steps with compensations. A compensation is what undoes a step that was done. Sagas were described in 1987.",
    ),
    (
        "Replication",
        "A quorum is a majority of the replicas of a value. A lease is a lock that ends by itself. A heartbeat is a message that says \
         somebody is alive.",
    ),
    (
        "Queues",
        "A dead letter is a message that nobody could take. Backpressure is what slows a sender down.",
    ),
];
const KINDS: [&str; 4] = ["summary", "objectives", "glossary", "quiz"];

/// A course of these lessons that is published.
async fn published(world: &World) -> Result<(Session, i64)> {
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&DEFINING).await?;
    ensure!(instructor.publish(course).await?["state"] == "completed");
    Ok((instructor, course))
}

/// Asks for a draft; answers where it stands.
pub(crate) async fn asked(instructor: &Session, course: i64, body: &Value) -> Result<String> {
    let path = format!("/courses/{course}/generate");
    let accepted = instructor.post(&path, body).await?.expect(202)?;
    Ok(accepted["status_url"].as_str().context("a place")?.to_owned())
}

/// The generation once it shows this.
async fn shown(
    instructor: &Session,
    place: &str,
    what: &str,
    is_shown: impl Fn(&Value) -> bool,
) -> Result<Value> {
    wait_for(what, async || {
        let Ok(reply) = instructor.get(place).await else {
            return Ok(Err("no answer".to_owned()));
        };
        Ok(if is_shown(&reply.body) {
            Ok(reply.body)
        } else {
            Err(reply.body.to_string())
        })
    })
    .await
}

/// The generation once it has ended.
pub(crate) async fn ended(instructor: &Session, place: &str) -> Result<Value> {
    let ends = ["completed", "failed", "cancelled"];
    let has_ended = |generation: &Value| ends.iter().any(|end| generation["state"] == *end);
    shown(instructor, place, "the end of a generation", has_ended).await
}

/// Its draft, every statement of which stands in a lesson.
fn draft(generation: &Value) -> Result<&Value> {
    ensure!(
        generation["state"] == "completed" && generation["percent"] == 100,
        "{generation}"
    );
    let draft = &generation["draft"];
    let citations = draft["citations"].as_array().context("citations")?;
    ensure!(!citations.is_empty(), "{draft}");
    for citation in citations {
        let quote = citation["quote"].as_str().context("a quote")?;
        let stands = DEFINING
            .iter()
            .any(|(title, text)| citation["lesson_title"] == *title && text.contains(quote));
        ensure!(stands && citation["version"] == 1, "{citation}");
    }
    Ok(draft)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_made_followed_and_taken() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let (instructor, course) = published(&world).await?;
    let modules = instructor
        .get(&format!("/courses/{course}/content"))
        .await?
        .expect(200)?;
    let module = modules["modules"][0]["id"].clone();
    for kind in KINDS {
        let place = asked(&instructor, course, &json!({ "kind": kind })).await?;
        // The stream ends with the draft, so the whole of it can be read.
        let events = format!("{place}/events");
        let told = instructor
            .request(Method::GET, &events)
            .send()
            .await?
            .text()
            .await?;
        let ids: Vec<i64> = told
            .lines()
            .filter_map(|line| line.strip_prefix("id:")?.trim().parse().ok())
            .collect();
        ensure!(!ids.is_empty() && ids.is_sorted_by(|a, b| a < b), "{told}");
        let last = instructor
            .request(Method::GET, &events)
            .header("last-event-id", ids[ids.len() - 1].to_string());
        ensure!(
            last.send().await?.status() == 204,
            "an ended stream was opened again"
        );

        let generation = instructor.get(&place).await?.expect(200)?;
        let draft = draft(&generation)?;
        match kind {
            "quiz" => {
                let questions = draft["quiz"]["questions"].as_array().context("questions")?;
                ensure!(
                    questions
                        .iter()
                        .any(|question| question["kind"] == "single_choice"),
                    "{draft}"
                );
            }
            _ => ensure!(
                draft["markdown"]
                    .as_str()
                    .is_some_and(|text| text.contains("[1]")),
                "{draft}"
            ),
        }

        let take = format!("{place}/accept");
        let body = json!({ "to_module_id": module, "title": format!("Made: {kind}") });
        let stale = instructor
            .request(Method::POST, &take)
            .header(header::IF_MATCH, "\"stale\"");
        ensure!(instructor.send(stale.json(&body)).await?.status == 412);
        let lesson = instructor.post(&take, &body).await?.expect(201)?;
        // A second time it is that lesson.
        ensure!(instructor.post(&take, &body).await?.expect(201)?["id"] == lesson["id"]);
        ensure!(instructor.get(&place).await?.expect(200)?["lesson_id"] == lesson["id"]);
    }
    let content = instructor
        .get(&format!("/courses/{course}/content"))
        .await?
        .expect(200)?;
    let lessons = content["modules"][0]["lessons"].as_array().context("lessons")?;
    ensure!(lessons.len() == DEFINING.len() + KINDS.len(), "{content}");
    // What was made is a lesson like any other.
    ensure!(instructor.publish(course).await?["state"] == "completed");

    let nobody = json!({ "kind": "summary", "lesson_ids": ["nobody"] });
    let place = asked(&instructor, course, &nobody).await?;
    let failed = ended(&instructor, &place).await?;
    ensure!(
        failed["state"] == "failed" && failed["error"]["code"] == "validation_failed",
        "{failed}"
    );
    let take = instructor
        .post(&format!("{place}/accept"), &json!({ "to_module_id": module }))
        .await?;
    ensure!(
        take.status == 409 && take.body["code"] == "no_draft",
        "{}",
        take.body
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_sums_up_what_the_lessons_bear_out() -> Result<()> {
    let model = Model::start().await?;
    // The other lessons do not say so.
    let written = "Sagas are sequences of steps that have compensations.";
    model.says([Says::this(&format!(
        "{written} [1] They were invented by Gauss. [1]"
    ))]);
    let world = writing(&model).await?;
    let (instructor, course) = published(&world).await?;
    let summary = json!({ "kind": "summary" });
    let place = asked(&instructor, course, &summary).await?;
    let generation = ended(&instructor, &place).await?;
    let made = draft(&generation)?;
    let text = made["markdown"].as_str().context("a summary")?;
    ensure!(
        text.starts_with(&format!("## Sagas\n\n{written} [1]")) && !text.contains("Gauss"),
        "{text}"
    );
    ensure!(
        text.contains("## Replication") && made["engine"] == "openai",
        "{made}"
    );
    ensure!(model.calls().len() == DEFINING.len(), "each lesson is told once");
    let spent = "select tokens from assistant.spending where scope = 'course' and id = $1";
    let spent: i64 = sqlx::query_scalar(spent)
        .bind(course)
        .fetch_one(&world.pool)
        .await?;
    ensure!(spent > 0, "what it took counts");

    model.says([Says::Status(401, None)]);
    let place = asked(&instructor, course, &summary).await?;
    let generation = ended(&instructor, &place).await?;
    let made = draft(&generation)?;
    ensure!(
        made["engine"].is_null() && made["markdown"].to_string().contains("A saga is a sequence"),
        "{made}"
    );
    Ok(())
}

/// Waits until Temporal has every command.
async fn handed_over(world: &World) -> Result<()> {
    wait_for("the hand-over", async || {
        let open = "select count(*) from platform.outbox_commands where done_at is null";
        let open: i64 = sqlx::query_scalar(open).fetch_one(&world.pool).await?;
        Ok(if open == 0 {
            Ok(())
        } else {
            Err(format!("{open} are left"))
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_can_be_taken_back_before_and_while_it_is_made() -> Result<()> {
    let mut world = World::start(executable(), Layout::Together).await?;
    let (instructor, course) = published(&world).await?;
    world.kill("worker");
    world.kill("relay");
    let place = asked(&instructor, course, &json!({ "kind": "summary" })).await?;
    ensure!(instructor.delete(&place).await?.expect(202)?["state"] == "cancelled");
    world.restart("relay", &[]).await?;
    let place = asked(&instructor, course, &json!({ "kind": "summary" })).await?;
    handed_over(&world).await?;
    ensure!(instructor.delete(&place).await?.expect(202)?["state"] == "cancelling");
    world.restart("worker", &[]).await?;
    let end = ended(&instructor, &place).await?;
    ensure!(
        end["state"] == "cancelled" && end["error"]["code"] == "generation_cancelled",
        "{end}"
    );
    let parts: i64 = sqlx::query_scalar("select count(*) from assistant.generation_parts")
        .fetch_one(&world.pool)
        .await?;
    ensure!(parts == 0, "{parts} parts are left");
    let again = instructor.delete(&place).await?;
    ensure!(
        again.status == 409 && again.body["code"] == "generation_closed",
        "{}",
        again.body
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_gone_is_started_again() -> Result<()> {
    let mut world = World::start(executable(), Layout::Together).await?;
    let (instructor, course) = published(&world).await?;
    world.kill("worker");
    let place = asked(&instructor, course, &json!({ "kind": "objectives" })).await?;
    handed_over(&world).await?;
    let generation = instructor.get(&place).await?.expect(200)?;
    let run = generation["workflow_id"].as_str().context("a workflow")?;
    world.temporal_cli(&["workflow", "terminate", "--workflow-id", run])?;
    world.restart("worker", &[]).await?;
    draft(&ended(&instructor, &place).await?)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_it_waits_for() -> Result<()> {
    let mut world = World::start(executable(), Layout::Together).await?;
    let (instructor, course) = published(&world).await?;
    world.kill("relay");
    world.kill("worker");
    let place = asked(&instructor, course, &json!({ "kind": "summary" })).await?;
    let events = instructor.request(Method::GET, &format!("{place}/events"));
    let (mut events, mut told) = (events.send().await?, String::new());
    for role in ["relay", "worker"] {
        let hear = async {
            while !told.contains(&format!("\"waiting_for\":\"{role}\"")) {
                let chunk = events.chunk().await?.context("the stream ended")?;
                told += &String::from_utf8_lossy(&chunk);
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(PATIENCE, hear).await.context(role)??;
        world.restart(role, &[]).await?;
    }
    let end = ended(&instructor, &place).await?;
    ensure!(draft(&end).is_ok() && end["waiting_for"].is_null(), "{end}");
    Ok(())
}

/// Every point of a generation, with the role that owns it.
fn points() -> Vec<(&'static str, String)> {
    let mut points: Vec<(&str, String)> = COMMIT
        .map(|moment| ("serve", format!("assistant.generate.{moment}")))
        .into();
    for activity in GENERATING.activities.iter().chain(GENERATING.apart) {
        // That one is for a run that fails.
        if activity.name == "assistant.finish_generation" {
            continue;
        }
        points.extend(effects(activity.name).map(|point| ("worker", point)));
        points.extend(commits(activity).into_iter().map(|point| ("serve", point)));
    }
    points
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_may_die_while_a_draft_is_made() -> Result<()> {
    let mut world = World::start_with(executable(), Layout::Together, &[crate::LONG_TOKENS]).await?;
    let (instructor, course) = published(&world).await?;
    let repeats = repeats();
    let head = format!(
        "# Kill matrix of drafts\n\nEach role is killed with SIGKILL at each point of the making of a draft, started again, and there is one draft with \
         everything in it. Written by\n\n```\nSMARTCOURSE_KILL_REPEATS={repeats} SMARTCOURSE_KILL_DRAFTS_TABLE=docs/KILL-MATRIX-DRAFTS.md \\\n    \
         cargo test -p smartcourse-cli --test it generating -- --nocapture\n```\n\n| role | point | afterwards |\n|---|---|---|\n"
    );
    let mut matrix = Matrix::new(head, &["serve", "relay", "worker", "tasks"]);
    for (role, point) in points() {
        for _ in 0..repeats {
            let seen = kill(&mut world, &instructor, course, role, &point).await;
            let cells = [role, &format!("`{point}`")];
            matrix
                .add(&mut world, &cells, role, seen.map(str::to_owned))
                .await?;
        }
    }
    matrix.finish("SMARTCOURSE_KILL_DRAFTS_TABLE")
}

/// One point: arm, ask under a key until somebody answers, bring the role back, and find one draft.
async fn kill(
    world: &mut World,
    instructor: &Session,
    course: i64,
    role: &'static str,
    point: &str,
) -> Result<&'static str> {
    world.restart(role, &[("SMARTCOURSE_KILL_AT", point)]).await?;
    world.ready().await?;
    let count = "select count(*) from assistant.generations";
    let before: i64 = sqlx::query_scalar(count).fetch_one(&world.pool).await?;
    let key = uuid::Uuid::new_v4().to_string();
    let path = format!("/courses/{course}/generate");
    let ask = || {
        instructor
            .request(Method::POST, &path)
            .header("idempotency-key", &key)
            .json(&json!({ "kind": "glossary" }))
    };
    let mut place = match instructor.send(ask()).await {
        Ok(reply) => reply.body["status_url"].as_str().map(str::to_owned),
        Err(_) => None,
    };
    let is_dead = async |world: &World| {
        wait_for("its death", async || {
            Ok(if world.is_running(role) {
                Err("it lives".to_owned())
            } else {
                Ok(())
            })
        })
        .await
    };
    is_dead(world).await?;
    world.restart(role, &[]).await?;
    world.ready().await?;
    if place.is_none() {
        let reply = instructor.send(ask()).await?.expect(202)?;
        place = reply["status_url"].as_str().map(str::to_owned);
    }
    let generation = ended(instructor, &place.context("a place")?).await?;
    let draft = draft(&generation)?;
    let terms = draft["markdown"].as_str().unwrap_or_default().lines().count();
    ensure!(terms == 7, "{draft}");
    let after: i64 = sqlx::query_scalar(count).fetch_one(&world.pool).await?;
    ensure!(after == before + 1, "{} generations for one", after - before);
    Ok("one draft")
}
