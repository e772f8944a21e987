//! Publishing as its users see it.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use smartcourse_tests::{Layout, Traces, World, wait_for};

use crate::{LESSONS, TRANSCRIPT, executable};

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
    let traces = Traces::of(&world.pool, &world.files(), course, 1).await?;
    ensure!(
        traces.published_events == 1 && traces.vectors == traces.chunks,
        "{traces:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_twice_at_the_same_time_is_one_workflow() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    let path = format!("/courses/{course}/publish");
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let (instructor, path) = (instructor.clone(), path.clone());
            tokio::spawn(async move { instructor.post(&path, &Value::Null).await?.expect(202) })
        })
        .collect();
    let mut ids = Vec::new();
    for call in calls {
        ids.push(call.await??["workflow_id"].clone());
    }
    ids.dedup();
    ensure!(ids.len() == 1, "{ids:?}");
    ensure!(instructor.publish_end(course).await?["version"] == 1);
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
    ensure!(after == before + 1, "embedded {} chunks", after - before);
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
    wait_for("the status to name Temporal", async || {
        let status = instructor
            .get(&format!("/courses/{waiting}/publish"))
            .await?
            .expect(200)?;
        Ok(if status["waiting_for"] == "temporal" {
            Ok(())
        } else {
            Err(status.to_string())
        })
    })
    .await?;
    let status = instructor
        .delete(&format!("/courses/{cancelled}/publish"))
        .await?
        .expect(202)?;
    ensure!(status["state"] == "cancelled", "{status}");
    world.start_temporal().await?;
    ensure!(instructor.publish_end(waiting).await?["state"] == "completed");
    // What was cancelled before its start never ran, and publishing again works.
    ensure!(
        Traces::of(&world.pool, &world.files(), cancelled, 1)
            .await?
            .none()
    );
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
    let status = wait_for("a retry", async || {
        let status = instructor.get(&path).await?.expect(200)?;
        let retrying =
            status["steps"][0]["state"] == "retrying" && status["steps"][0]["error"]["code"] == "unavailable";
        Ok(if retrying {
            Ok(status)
        } else {
            Err(status.to_string())
        })
    })
    .await?;
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
    ensure!(Traces::of(&world.pool, &world.files(), course, 1).await?.none());
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
        let traces = Traces::of(&world.pool, &world.files(), course, 1).await?;
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
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lesson_without_text_is_a_warning_and_a_course_without_any_fails() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    let video = instructor.upload(course, "clip.mp4", MP4).await?.expect(201)?;
    let broken = instructor
        .upload(course, "broken.pdf", b"%PDF-1.7\ntruncated")
        .await?
        .expect(201)?;
    let text = json!({"id": "l1", "title": "Sagas", "type": "text", "content": {"markdown": LESSONS[0].1}});
    let film = json!({"id": "l2", "title": "Film", "type": "video", "content": {"asset_id": video["id"]}});
    let pdf = json!({"id": "l3", "title": "Torn", "type": "pdf", "content": {"asset_id": broken["id"]}});
    instructor
        .put_lessons(course, &[text, film.clone(), pdf.clone()])
        .await?
        .expect(200)?;
    let status = instructor.publish(course).await?;
    ensure!(status["state"] == "completed", "{status}");
    let mut codes: Vec<&str> = status["warnings"]
        .as_array()
        .context("warnings")?
        .iter()
        .filter_map(|warning| warning["code"].as_str())
        .collect();
    codes.sort_unstable();
    ensure!(codes == ["needs_transcript", "pdf_damaged"], "{status}");
    ensure!(instructor.get(&format!("/courses/{course}")).await?.expect(200)?["ai_ready"] == false);

    let hopeless = instructor.course(&[]).await?;
    let video = instructor.upload(hopeless, "clip.mp4", MP4).await?.expect(201)?;
    let film = json!({"id": "l1", "title": "Film", "type": "video", "content": {"asset_id": video["id"]}});
    instructor.put_lessons(hopeless, &[film]).await?.expect(200)?;
    let status = instructor.publish(hopeless).await?;
    ensure!(
        status["state"] == "failed" && status["error"]["code"] == "no_usable_lesson",
        "{status}"
    );

    // With its transcript the film is as good as a text.
    let transcript = instructor
        .upload(hopeless, "clip.vtt", TRANSCRIPT)
        .await?
        .expect(201)?;
    let content = json!({"asset_id": video["id"], "transcript_asset_id": transcript["id"]});
    instructor
        .put_lessons(
            hopeless,
            &[json!({"id": "l1", "title": "Film", "type": "video", "content": content})],
        )
        .await?
        .expect(200)?;
    ensure!(instructor.publish(hopeless).await?["warnings"] == json!([]));
    let answer = instructor
        .post(
            &format!("/courses/{hopeless}/ask"),
            &json!({"question": "Must workflow code be deterministic?"}),
        )
        .await?
        .expect(200)?;
    ensure!(answer["citations"][0]["start_seconds"].is_number(), "{answer}");
    Ok(())
}

/// The first bytes of an MP4 file: enough to be taken for one.
const MP4: &[u8] = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom";

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
