//! Lessons whose text cannot be had, or will not be found.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use smartcourse_tests::{Layout, World};

use crate::{LESSONS, TRANSCRIPT, executable};

/// The first bytes of an MP4 file: enough to be taken for one.
const MP4: &[u8] = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom";

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
    let cited = &answer["citations"][0];
    ensure!(
        cited["quote"] == "Workflow code must therefore be deterministic." && cited["start_seconds"] == 5.0,
        "{answer}"
    );
    Ok(())
}

/// Seven lessons say the same under one title, and an answer looks at six; another one only asks.
#[tokio::test(flavor = "multi_thread")]
async fn an_instructor_is_told_which_lesson_nobody_will_find() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&[]).await?;
    let text = |id: &str, title: &str, markdown: &str| json!({"id": id, "title": title, "type": "text", "content": {"markdown": markdown}});
    let mut lessons = vec![text(
        "asks",
        "Riddle",
        "# Riddle\n\nWhat has keys and opens no door?\n",
    )];
    lessons.extend((1..=7).map(|copy| text(&format!("l{copy}"), LESSONS[0].0, LESSONS[0].1)));
    instructor.put_lessons(course, &lessons).await?.expect(200)?;
    let status = instructor.publish(course).await?;
    let warnings = status["warnings"].as_array().context("warnings")?;
    let told: Vec<_> = warnings
        .iter()
        .map(|warning| (warning["lesson_id"].as_str(), warning["code"].as_str()))
        .collect();
    let expected = [("asks", "nothing_to_quote"), ("l7", "hard_to_find")];
    ensure!(
        told == expected.map(|(lesson, code)| (Some(lesson), Some(code))),
        "{status}"
    );
    ensure!(
        warnings[1]["message"]
            .as_str()
            .is_some_and(|message| message.contains("“Sagas” (the same text)")),
        "{status}"
    );
    // Each of them can be searched and asked about all the same.
    ensure!(instructor.get(&format!("/courses/{course}")).await?.expect(200)?["ai_ready"] == true);
    Ok(())
}

/// The one lesson will never be taken, the other is tried again and again, which is of no use then.
#[tokio::test(flavor = "multi_thread")]
async fn a_lesson_that_fails_for_good_ends_the_waiting_of_the_others() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    sqlx::raw_sql(
        "create function unequal() returns trigger language plpgsql as $$ begin
             if new.lesson_id = 'l1' then
                 raise exception 'invalid byte sequence' using errcode = 'character_not_in_repertoire';
             end if;
             raise exception 'could not extend file' using errcode = 'disk_full'; end $$;
         create trigger unequal before update on content.lessons for each row execute function unequal();",
    )
    .execute(&world.pool)
    .await?;
    let status = instructor.publish(course).await?;
    ensure!(
        status["state"] == "failed" && status["error"]["code"] == "validation_failed",
        "{status}"
    );
    Ok(())
}
