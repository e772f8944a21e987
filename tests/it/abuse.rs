//! What a few clients may cost all others: slow and half-open connections, bodies that are too much.

use std::{os::unix::fs::PermissionsExt, time::Duration};

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use reqwest::{Method, header};
use serde_json::{Value, json};
use smartcourse_tests::{ByHand, Layout, Reply, Session, World};

use crate::{LESSONS, executable};

const JSON: &str = "application/json";

/// The executable under a limit of open files, of which it has little at first.
fn with_few_descriptors(dir: &tempfile::TempDir) -> Result<std::path::PathBuf> {
    let script = dir.path().join("few");
    let lines = format!(
        "#!/bin/sh\nulimit -S -n 200 && ulimit -H -n 600 && exec {} \"$@\"\n",
        executable().display()
    );
    std::fs::write(&script, lines)?;
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755))?;
    Ok(script)
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_do_nothing_keep_nobody_waiting() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let settings = [
        ("GATEWAY__IDLE_SECONDS", "3"),
        ("GATEWAY__BODY_IDLE_SECONDS", "3"),
        ("GATEWAY__BODY_TIMEOUT_SECONDS", "6"),
    ];
    let world = World::start_with(&with_few_descriptors(&dir)?, Layout::Together, &settings).await?;
    #[cfg(target_os = "linux")]
    {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", world.pid("serve")?))?;
        let line = limits.lines().find(|line| line.starts_with("Max open files"));
        let files: Vec<&str> = line
            .context("a limit of open files")?
            .split_whitespace()
            .collect();
        ensure!(files[3..5] == ["600", "600"], "{files:?}");
    }

    // Fewer than there is room for: others notice nothing.
    let half = "GET /courses HTTP/1.1\r\nhost: x\r\nx-slow: ";
    let mut slow = try_join_all((0..300).map(|_| ByHand::begin(&world.base, half))).await?;
    let nobody = world.anonymous();
    for path in ["/livez", "/courses"] {
        nobody.get(path).await?.expect(200)?;
    }
    for connection in &mut slow {
        ensure!(connection.answer().await?.is_none(), "half a head has no answer");
    }

    // More than there are descriptors: they wait to be accepted, and all others after them are served in their turn.
    let mut many = try_join_all((0..700).map(|_| ByHand::begin(&world.base, half))).await?;
    for path in ["/livez", "/courses"] {
        nobody.get(path).await?.expect(200)?;
    }
    for connection in &mut many {
        ensure!(connection.answer().await?.is_none(), "half a head has no answer");
    }

    // Bodies: one that stops, and one that goes on a byte at a time.
    let instructor = world.sign_up("instructor").await?;
    let path = format!("/courses/{}/content", instructor.course(&LESSONS).await?);
    let mut stops = instructor.begin(&Method::PUT, &path, JSON, 4000).await?;
    ensure!(stops.send(b"{\"modules\":").await);
    let mut trickles = instructor.begin(&Method::PUT, &path, JSON, 4000).await?;
    while trickles.send(b" ").await {
        tokio::time::sleep(Duration::from_millis(500)).await;
        if let Ok(answer) = tokio::time::timeout(Duration::from_millis(1), trickles.answer()).await {
            refused(answer?, 408, "body_timeout")?;
            break;
        }
    }
    refused(stops.answer().await?, 408, "body_timeout")?;
    instructor.get(&path).await?.expect(200)?;
    Ok(())
}

fn refused(reply: Option<Reply>, status: u16, code: &str) -> Result<()> {
    let reply = reply.with_context(|| format!("{code}: closed without an answer"))?;
    ensure!(
        reply.status == status && reply.code() == code,
        "{code}: {reply:?}"
    );
    Ok(())
}

async fn put(session: &Session, path: &str, body: String) -> Result<Reply> {
    let request = session
        .request(Method::PUT, path)
        .header(header::CONTENT_TYPE, JSON);
    session.send(request.body(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_much_are_refused_at_the_first_limit() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let stranger = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    let path = format!("/courses/{course}/content");
    let before = instructor.get(&path).await?.expect(200)?;

    let million = format!("{{\"modules\":[{}{{}}]}}", "{},".repeat(1_000_000));
    let deep = format!("{{\"modules\":{}{}}}", "[".repeat(100), "]".repeat(100));
    let large = format!("{{\"modules\":[],\"x\":\"{}\"}}", "a".repeat(4_194_304));
    for (body, code) in [
        (million.clone(), "body_too_complex"),
        (deep, "body_too_complex"),
        (large, "body_too_large"),
    ] {
        refused(Some(put(&instructor, &path, body).await?), 413, code)?;
    }
    // A course that is no stranger's does not exist for them, whatever they send.
    refused(Some(put(&stranger, &path, million).await?), 404, "not_found")?;
    // Everything but a course's content has a smaller limit.
    let title = format!("{{\"title\":\"{}\"}}", "a".repeat(300_000));
    let request = instructor
        .request(Method::POST, "/courses")
        .header(header::CONTENT_TYPE, JSON);
    refused(
        Some(instructor.send(request.body(title)).await?),
        413,
        "body_too_large",
    )?;

    // A form that has everything but a file: an answer comes long before its end.
    let assets = format!("/courses/{course}/assets");
    let kind = "multipart/form-data; boundary=x";
    let mut form = instructor.begin(&Method::POST, &assets, kind, 10_000_000).await?;
    for _ in 0..10 {
        form.send(&[b'a'; 50_000]).await;
    }
    refused(form.answer().await?, 413, "body_too_large")?;

    ensure!(
        instructor.get(&path).await?.expect(200)? == before,
        "nothing has changed"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_within_the_limits_are_taken() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&[]).await?;
    // As many lessons as a course may have, and nearly as many bytes.
    let text = "Words of a lesson. ".repeat(14);
    let lessons: Vec<Value> = (0..10_000)
        .map(|n| json!({"title": format!("Lesson {n}"), "type": "text", "content": {"markdown": text}}))
        .collect();
    let content = instructor.put_lessons(course, &lessons).await?.expect(200)?;
    let taken = content["modules"][0]["lessons"].as_array().map(Vec::len);
    ensure!(taken == Some(10_000), "{taken:?} lessons");
    // What was taken can be put back, and a lesson more is one too many.
    let path = format!("/courses/{course}/content");
    let whole = instructor.get(&path).await?.expect(200)?;
    instructor.put(&path, &whole).await?.expect(200)?;
    let module = whole["modules"][0]["id"].as_str().context("a module has an id")?;
    let more = json!({"title": "One more", "type": "text", "content": {"markdown": text}});
    let refused = instructor
        .post(&format!("/courses/{course}/modules/{module}/lessons"), &more)
        .await?;
    ensure!(refused.status == 422, "{}", refused.body);
    Ok(())
}
