//! What one caller may do is bounded, and what somebody was once allowed to ends with the right to it.

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use smartcourse_tests::{Layout, World, wait_for};

use crate::{LESSONS, executable, standing};

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_have_to_wait_and_nobody_else_does() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let mut victim = world.sign_up("student").await?;
    let guess = json!({"email": victim.email, "password": "not the password"});
    let mut wrong = 0;
    let refused = loop {
        let reply = world.anonymous().post("/auth/login", &guess).await?;
        if reply.status != 401 {
            break reply;
        }
        wrong += 1;
        ensure!(wrong < 60, "60 wrong passwords in a row were all answered 401");
    };
    ensure!(
        refused.status == 429 && refused.code() == "too_many_attempts",
        "{}",
        refused.body
    );
    ensure!(refused.headers.contains_key("retry-after"));
    // An address nobody has an account for is guessed at no faster.
    let unknown = json!({"email": "nobody@example.org", "password": "not the password"});
    for _ in 0..wrong {
        world
            .anonymous()
            .post("/auth/login", &unknown)
            .await?
            .expect(401)?;
    }
    world
        .anonymous()
        .post("/auth/login", &unknown)
        .await?
        .expect(429)?;
    // The right password is not looked at meanwhile; other accounts are served.
    ensure!(victim.sign_in().await.is_err(), "a guess would have been right");
    world.sign_up("student").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_an_instructor_no_more_manages_no_course() -> Result<()> {
    let mut world = World::start(executable(), Layout::Apart).await?;
    let mut instructor = world.sign_up("instructor").await?;
    let draft = instructor.course(&LESSONS).await?;
    let live = instructor.course(&LESSONS).await?;
    ensure!(instructor.publish(live).await?["state"] == "completed");
    let open = standing(&mut world, &instructor).await?;
    let stream = instructor
        .request(Method::GET, &format!("/courses/{open}/publish/events"))
        .send()
        .await?;
    ensure!(stream.status() == 200, "{}", stream.status());

    let admin = world.admin().await?;
    let student = json!({"role": "student"});
    admin
        .put(&format!("/users/{}/role", instructor.id), &student)
        .await?
        .expect(200)?;
    instructor.sign_in().await?;
    let title = json!({"title": "Still mine"});
    let content = json!({"modules": []});
    for (course, status) in [(draft, 404), (live, 403)] {
        let path = format!("/courses/{course}");
        let request = instructor.request(Method::PATCH, &path).json(&title);
        for reply in [
            instructor.send(request).await?,
            instructor.put(&format!("{path}/content"), &content).await?,
            instructor.post(&format!("{path}/publish"), &Value::Null).await?,
            instructor.get(&format!("{path}/publish")).await?,
            instructor.get(&format!("{path}/versions")).await?,
            instructor.get(&format!("{path}/publish/preview")).await?,
            instructor.upload(course, "late.md", b"# Late\n").await?,
            instructor
                .put(&format!("{path}/status"), &json!({"status": "archived"}))
                .await?,
            instructor.get(&format!("/analytics/courses/{course}")).await?,
        ] {
            ensure!(
                reply.status == status,
                "course {course}: {} {}",
                reply.status,
                reply.body
            );
        }
    }
    let seen = instructor.get(&format!("/courses/{draft}")).await?;
    ensure!(seen.status == 404, "{}", seen.body);

    // What was opened before ends as well.
    let mut bytes = stream.bytes_stream();
    let mut text = String::new();
    wait_for("the stream's end", async || match bytes.next().await {
        Some(part) => {
            text.push_str(&String::from_utf8_lossy(&part?));
            Ok(Err(text.clone()))
        }
        None => Ok(Ok(())),
    })
    .await?;
    ensure!(
        text.contains("event: error") && text.contains("unauthenticated"),
        "{text}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_follows_so_many_publishes_and_no_more() -> Result<()> {
    let settings = [("GATEWAY__USER_STREAMS", "3")];
    let mut world = World::start_with(executable(), Layout::Apart, &settings).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = standing(&mut world, &instructor).await?;
    let path = format!("/courses/{course}/publish/events");
    let mut streams = Vec::new();
    for _ in 0..3 {
        let stream = instructor.request(Method::GET, &path).send().await?;
        ensure!(stream.status() == 200, "{}", stream.status());
        streams.push(stream);
    }
    let refused = instructor.get(&path).await?;
    ensure!(
        refused.status == 429 && refused.code() == "too_many_streams",
        "{}",
        refused.body
    );
    let admin = world.admin().await?;
    let other = admin.request(Method::GET, &path).send().await?;
    ensure!(other.status() == 200, "others have their own");

    // All of them are told of the end, whoever reads for them.
    world.restart("content", &[]).await?;
    streams.push(other);
    for stream in streams {
        let text = stream.text().await?;
        let last = text.lines().rfind(|line| line.starts_with("data:"));
        let last = last.context("an event")?;
        ensure!(last.contains("\"state\":\"completed\""), "{last}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn words_to_look_for_are_bounded() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let anybody = world.anonymous();
    let long = "word".repeat(1500);
    for path in ["/courses", "/search"] {
        let refused = anybody.get(&format!("{path}?q={long}")).await?;
        ensure!(
            refused.status == 422 && refused.body["errors"][0]["field"] == "q",
            "{path}: {}",
            refused.body
        );
    }
    Ok(())
}
