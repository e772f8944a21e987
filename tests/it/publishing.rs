//! Publishing as its users see it.

mod cancelling;
mod warnings;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use smartcourse_tests::{Layout, Traces, World, wait_for};

use crate::{LESSONS, executable};

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_is_ready_when_it_says_so() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    let path = format!("/courses/{course}/publish");
    ensure!(instructor.get(&path).await?.code() == "never_published");

    let accepted = instructor.post(&path, &Value::Null).await?;
    ensure!(accepted.headers["location"] == path.as_str());
    let accepted = accepted.expect(202)?;
    ensure!(
        accepted["workflow_id"] == format!("publish-{course}-v1") && accepted["version"] == 1,
        "{accepted}"
    );
    // Visible from the moment of the 202.
    let seen = instructor.get(&path).await?.expect(200)?;
    ensure!(
        seen["workflow_id"] == accepted["workflow_id"] && seen["total_steps"] == 7,
        "{seen}"
    );

    let status = instructor.publish_end(course).await?;
    ensure!(
        status["state"] == "completed" && status["percent"] == 100 && status["error"].is_null(),
        "{status}"
    );
    let labels: Vec<&str> = status["steps"]
        .as_array()
        .context("steps")?
        .iter()
        .filter_map(|step| step["label"].as_str())
        .collect();
    ensure!(
        labels
            == [
                "Validating",
                "Saving content",
                "Uploading files",
                "Extracting text",
                "Generating embeddings",
                "Updating search index",
                "Publishing"
            ]
    );
    ensure!(
        status["steps"]
            .as_array()
            .is_some_and(|steps| steps.iter().all(|step| step["state"] == "completed")),
        "{status}"
    );

    // Ready means ready: found, asked and answered at once, by anybody for the catalogue.
    let found = world.anonymous().get("/courses?q=course").await?.expect(200)?;
    ensure!(
        found["items"]
            .as_array()
            .is_some_and(|items| items.iter().any(|item| item["id"] == course)),
        "{found}"
    );
    let hits = instructor.get("/search?q=compensation").await?.expect(200)?;
    ensure!(
        hits["items"][0]["lesson_id"] == "l1" && hits["items"][0]["version"] == 1,
        "{hits}"
    );
    let answer = instructor
        .post(
            &format!("/courses/{course}/ask"),
            &json!({"question": "What is a saga?"}),
        )
        .await?
        .expect(200)?;
    ensure!(
        answer["refused"] == false && answer["citations"][0]["lesson_id"] == "l1",
        "{answer}"
    );
    let quote = answer["citations"][0]["quote"].as_str().context("a quote")?;
    ensure!(LESSONS[0].1.contains(quote), "not verbatim: {quote}");

    // A cancel after the flip comes too late; the announcement went out once.
    ensure!(instructor.delete(&path).await?.code() == "already_published");
    let traces = Traces::of(&world, course, 1).await?;
    ensure!(
        traces.published_events == 1 && traces.vectors == traces.chunks,
        "{traces:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_republish_extracts_and_embeds_only_what_changed() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    ensure!(instructor.publish(course).await?["state"] == "completed");
    let before: i64 = sqlx::query_scalar("select count(*) from content.embeddings")
        .fetch_one(&world.pool)
        .await?;
    let edit = json!({"content": {"markdown": "# Outbox\n\nThe relay now deletes what it has sent."}});
    instructor
        .send(
            instructor
                .request(reqwest::Method::PATCH, &format!("/courses/{course}/lessons/l2"))
                .json(&edit),
        )
        .await?
        .expect(200)?;
    let preview = instructor
        .get(&format!("/courses/{course}/publish/preview"))
        .await?
        .expect(200)?;
    ensure!(preview["chunks_to_embed"] == 1, "{preview}");
    ensure!(instructor.publish(course).await?["version"] == 2);
    let after: i64 = sqlx::query_scalar("select count(*) from content.embeddings")
        .fetch_one(&world.pool)
        .await?;
    // One chunk, and its one sentence.
    ensure!(after == before + 2, "embedded {} texts", after - before);
    let history = world.temporal_cli(&[
        "workflow",
        "show",
        "-w",
        &format!("content-{course}-v2"),
        "-o",
        "json",
    ])?;
    ensure!(
        history.matches("\"content.extract_lesson\"").count() == 1,
        "extracted more than one lesson"
    );
    ensure!(
        history.matches("\"content.embed_lesson\"").count() == 1,
        "embedded more than one lesson"
    );

    // Restoring the first version publishes a third from it.
    let restored = instructor
        .post(&format!("/courses/{course}/versions/1/restore"), &Value::Null)
        .await?
        .expect(202)?;
    ensure!(restored["version"] == 3, "{restored}");
    ensure!(instructor.publish_end(course).await?["state"] == "completed");
    let content = instructor
        .get(&format!("/courses/{course}/content?version=3"))
        .await?
        .expect(200)?;
    ensure!(
        content["modules"][0]["lessons"][1]["content"]["markdown"] == LESSONS[1].1,
        "{content}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_streams_and_resumes() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    instructor
        .post(&format!("/courses/{course}/publish"), &Value::Null)
        .await?
        .expect(202)?;
    let path = format!("/courses/{course}/publish/events");
    // The stream ends with the publish, so the whole of it can be read.
    let text = instructor
        .request(reqwest::Method::GET, &path)
        .send()
        .await?
        .text()
        .await?;
    let ids: Vec<i64> = text
        .lines()
        .filter_map(|line| line.strip_prefix("id:"))
        .filter_map(|id| id.trim().parse().ok())
        .collect();
    ensure!(ids.len() >= 2 && ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    let last = text
        .lines()
        .rfind(|line| line.starts_with("data:"))
        .context("an event")?;
    ensure!(last.contains("\"state\":\"completed\""), "{last}");
    let resume = |id: i64| {
        instructor
            .request(reqwest::Method::GET, &path)
            .header("last-event-id", id.to_string())
    };
    let again = resume(ids[ids.len() - 2]).send().await?.text().await?;
    ensure!(again.matches("event:").count() == 1, "{again}");
    ensure!(
        resume(ids[ids.len() - 1]).send().await?.status() == 204,
        "a finished stream was opened again"
    );
    // An id of before the data was restored to an earlier day, which hides nothing.
    let unknown = resume(ids[ids.len() - 1] + 50_000_000_000)
        .send()
        .await?
        .text()
        .await?;
    ensure!(unknown.contains("\"state\":\"completed\""), "{unknown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_draft_takes_its_files_along() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    instructor
        .upload(course, "notes.md", "# Notes")
        .await?
        .expect(201)?;
    let staged = world.files().join(format!("staging/{course}"));
    ensure!(std::fs::read_dir(&staged)?.count() == 1);
    ensure!(instructor.delete(&format!("/courses/{course}")).await?.status == 204);
    wait_for("the files to be gone", async || {
        let files = std::fs::read_dir(&staged).map(Iterator::count).unwrap_or(0);
        let rows: i64 = sqlx::query_scalar("select count(*) from content.assets where course_id = $1")
            .bind(course)
            .fetch_one(&world.pool)
            .await?;
        Ok(if files == 0 && rows == 0 {
            Ok(())
        } else {
            Err(format!("{files} files, {rows} rows"))
        })
    })
    .await
}

/// So many lessons of a sentence each.
pub(crate) fn many_lessons(count: usize) -> Vec<Value> {
    let lessons = (0..count).map(|n| {
        let text = format!("Lesson {n} says that {n} is a number.");
        json!({"title": format!("Lesson {n}"), "type": "text", "content": {"markdown": text}})
    });
    lessons.collect()
}

/// So many that a run of the content workflow works through a part of them, and the next one goes on; `SMARTCOURSE_LESSONS`
/// makes them as many as a course may have.
#[tokio::test(flavor = "multi_thread")]
async fn a_course_of_many_lessons_is_published_by_several_runs() -> Result<()> {
    let count = std::env::var("SMARTCOURSE_LESSONS").map_or(Ok(450), |count| count.parse::<usize>())?;
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&[]).await?;
    instructor
        .put_lessons(course, &many_lessons(count))
        .await?
        .expect(200)?;
    let path = format!("/courses/{course}/publish");
    instructor.post(&path, &Value::Null).await?.expect(202)?;
    let status = instructor
        .publish_end_within(course, Duration::from_secs(3600))
        .await?;
    ensure!(
        status["state"] == "completed" && status["percent"] == 100,
        "{status}"
    );
    let traces = Traces::of(&world, course, 1).await?;
    ensure!(
        [traces.chunks, traces.vectors] == [i64::try_from(count)?; 2],
        "{traces:?}"
    );
    let query = format!("WorkflowId = 'content-{course}-v1'");
    let list = [
        "workflow", "list", "--limit", "1000", "-o", "json", "--query", &query,
    ];
    let runs: Vec<Value> = serde_json::from_str(&world.temporal_cli(&list)?)?;
    // A run of 400 lessons each; the last one of the first phase begins with the second.
    ensure!(runs.len() == 2 * count.div_ceil(400) - 1, "{} runs", runs.len());
    let events = |run: &Value| {
        run["historyLength"]
            .as_str()
            .and_then(|length| length.parse::<u32>().ok())
    };
    let most = runs
        .iter()
        .filter_map(events)
        .max()
        .context("runs have a history")?;
    ensure!(most < 10_000, "{most} events in a history");
    eprintln!(
        "{count} lessons: {} runs, {most} events in a history at most",
        runs.len()
    );
    Ok(())
}
