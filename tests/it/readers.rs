//! Readers during republishes never see two versions mixed, nor an error.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use smartcourse_tests::{Layout, Session, World};

use crate::executable;

const REPUBLISHES: i64 = 50;

/// Two lessons whose text names the edition they belong to.
fn edition(n: i64) -> Vec<Value> {
    (1..=2)
        .map(|lesson| {
            let text = format!("# Edition\n\nThe marker of lesson {lesson} is zebra{n} and the zebra runs through edition {n}.");
            json!({"id": format!("l{lesson}"), "title": format!("Edition {n} part {lesson}"), "type": "text", "content": {"markdown": text}})
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_republishes_never_mix_two_versions() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&[]).await?;
    instructor.put_lessons(course, &edition(1)).await?.expect(200)?;
    ensure!(instructor.publish(course).await?["state"] == "completed");

    let over = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn(read(instructor.clone(), course, Arc::clone(&over)));
    for n in 2..=REPUBLISHES + 1 {
        instructor.put_lessons(course, &edition(n)).await?.expect(200)?;
        let status = instructor.publish(course).await?;
        ensure!(status["state"] == "completed", "{status}");
    }
    over.store(true, Ordering::SeqCst);
    let rounds = reader.await??;
    ensure!(rounds >= 10, "the reader came round only {rounds} times");
    Ok(())
}

/// Reads content, search and answers until told to stop; answers how often.
async fn read(instructor: Session, course: i64, over: Arc<AtomicBool>) -> Result<u32> {
    let mut rounds = 0;
    while !over.load(Ordering::SeqCst) {
        let live =
            instructor.get(&format!("/courses/{course}")).await?.expect(200)?["published_version"].clone();
        let content = instructor
            .get(&format!("/courses/{course}/content?version={live}"))
            .await?
            .expect(200)?;
        same_edition(
            &content["version"],
            content["modules"][0]["lessons"]
                .as_array()
                .context("lessons")?
                .iter()
                .map(|l| &l["title"]),
        )?;

        let hits = instructor
            .get(&format!("/search?q=zebra&course_id={course}"))
            .await?
            .expect(200)?;
        let hits = hits["items"].as_array().context("items")?.clone();
        ensure!(hits.len() >= 2, "search found {hits:?}");
        let versions: std::collections::BTreeSet<i64> =
            hits.iter().filter_map(|hit| hit["version"].as_i64()).collect();
        ensure!(versions.len() == 1, "search mixed {versions:?}");

        let question = json!({"question": "What is the marker of lesson 1, the zebra?"});
        let answer = instructor
            .post(&format!("/courses/{course}/ask"), &question)
            .await?
            .expect(200)?;
        let citations = answer["citations"].as_array().context("citations")?;
        ensure!(!citations.is_empty(), "{answer}");
        for citation in citations {
            ensure!(citation["version"] == answer["version"], "{answer}");
            same_edition(&answer["version"], std::iter::once(&citation["lesson_title"]))?;
        }
        rounds += 1;
    }
    Ok(rounds)
}

/// Version n holds edition n in all its lessons.
fn same_edition<'a>(version: &Value, titles: impl Iterator<Item = &'a Value>) -> Result<()> {
    for title in titles {
        let title = title.as_str().unwrap_or_default();
        ensure!(
            title.starts_with(&format!("Edition {version} ")),
            "version {version} shows “{title}”"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_course_is_found_in_its_language() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let new = |language: &str| json!({"title": "Kurs", "description": "Über Städte.", "language": language});
    for wrong in ["german please", "und", "d", "!"] {
        let refused = instructor.post("/courses", &new(wrong)).await?.expect(422)?;
        ensure!(refused["errors"][0]["field"] == "language", "{wrong}: {refused}");
    }
    let course = instructor.post("/courses", &new("DE-at")).await?.expect(201)?;
    ensure!(course["language"] == "de-AT", "{course}");
    let id = course["id"].as_i64().context("id")?;
    let lesson = json!({"id": "l1", "title": "Eins", "type": "text", "content": {"markdown": "# Eins\n\nDie Häuser stehen leer."}});
    instructor.put_lessons(id, &[lesson]).await?.expect(200)?;
    ensure!(instructor.publish(id).await?["state"] == "completed");
    let found = instructor.get("/search?q=Haus").await?.expect(200)?;
    ensure!(found["items"][0]["lesson_id"] == "l1", "{found}");

    let path = format!("/courses/{id}");
    let change = async |change: Value| {
        let request = instructor.request(Method::PATCH, &path).json(&change);
        instructor.send(request).await
    };
    ensure!(change(json!({"language": "!"})).await?.code() == "validation_failed");
    ensure!(change(json!({"title": "Stadt"})).await?.expect(200)?["language"] == "de-AT");
    ensure!(change(json!({"language": "fr"})).await?.expect(200)?["language"] == "fr");
    ensure!(change(json!({"language": ""})).await?.expect(200)?["language"].is_null());
    Ok(())
}
