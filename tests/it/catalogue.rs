//! The catalogue over several gateways that share what they read: whoever was answered finds what was changed, at each of them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use smartcourse_tests::{Layout, ServerKind, Session, TestServer, World, wait_for};

use crate::{LESSONS, executable};

/// How long a page may take when there is no answer from Redis: far more than the time it is waited for.
const SOON: Duration = Duration::from_secs(5);

/// What the catalogue shows of a course; `null` when it is not there.
async fn shown(reader: &Session, course: i64) -> Result<Value> {
    let page = reader.get("/courses?limit=100").await?.expect(200)?;
    let items = page["items"].as_array().context("a page has items")?;
    let found = items.iter().find(|item| item["id"] == course);
    Ok(found.cloned().unwrap_or_default())
}

async fn rename(instructor: &Session, course: i64, title: &str) -> Result<()> {
    let patch = instructor.request(Method::PATCH, &format!("/courses/{course}"));
    let patch = patch.json(&json!({ "title": title }));
    instructor.send(patch).await?.expect(200).map(drop)
}

async fn set_status(instructor: &Session, course: i64, status: &str) -> Result<()> {
    let path = format!("/courses/{course}/status");
    let set = instructor.put(&path, &json!({ "status": status })).await?;
    set.expect(200).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn no_gateway_shows_what_was_before_a_change_that_was_answered() -> Result<()> {
    let mut redis = [TestServer::start(ServerKind::Redis).await?];
    let mut world = World::start_on(&redis, executable(), Layout::Together, &[]).await?;
    let gateways = world.scale(2).await?;
    let instructor = world.sign_up("instructor").await?;
    let ways = [
        instructor.clone(),
        instructor.by_way_of(world.http.clone(), &gateways[1]),
    ];
    let course = instructor.course(&LESSONS).await?;
    for way in &ways {
        ensure!(shown(way, course).await?.is_null(), "a draft is shown");
    }

    // Each change is made at one gateway and looked for at both, which have the page of before.
    for round in 0..4 {
        let (here, there) = (&ways[round % 2], &ways[(round + 1) % 2]);
        let status = here.publish(course).await?;
        ensure!(status["state"] == "completed", "{status}");
        for way in [there, here] {
            let seen = shown(way, course).await?;
            ensure!(seen["published_version"] == status["version"], "{round}: {seen}");
        }
        let title = format!("Sagas {round}");
        rename(here, course, &title).await?;
        for way in [there, here] {
            let seen = shown(way, course).await?;
            ensure!(seen["title"] == *title, "{round}: {seen}");
        }
        here.put_lessons(course, &smartcourse_tests::text_lessons(&LESSONS))
            .await?
            .expect(200)?;
        let now = there.get(&format!("/courses/{course}")).await?.expect(200)?;
        for way in [there, here] {
            let seen = shown(way, course).await?;
            ensure!(seen["etag"] == now["etag"], "{round}: {seen}, not {now}");
        }
        let away = ["archived", "draft"][round / 2];
        set_status(here, course, away).await?;
        for way in [there, here] {
            ensure!(shown(way, course).await?.is_null(), "{round}: {away} and shown");
        }
        if away == "archived" {
            set_status(there, course, "draft").await?;
        }
    }
    let status = instructor.publish(course).await?;
    ensure!(status["state"] == "completed", "{status}");

    // A change nobody was told of shows that a page is not read again for each.
    let mut round = 0;
    wait_for("a page that is shared", async || {
        round += 1;
        let before = shown(&ways[0], course).await?;
        sqlx::query("update course.courses set title = $2 where id = $1")
            .bind(course)
            .bind(format!("Unheard of {round}"))
            .execute(&world.pool)
            .await?;
        let seen = shown(&ways[1], course).await?;
        Ok(if seen == before {
            Ok(())
        } else {
            Err(format!("{seen}, not {before}"))
        })
    })
    .await?;

    redis[0].freeze();
    without_redis(&ways, course, "Frozen").await?;
    redis[0].thaw();
    redis[0].stop().await?;
    without_redis(&ways, course, "Away").await?;
    redis[0].start_again().await?;
    rename(&ways[1], course, "Back").await?;
    ensure!(shown(&ways[1], course).await?["title"] == "Back");
    wait_for("the other gateway to hear of it", async || {
        let seen = shown(&ways[0], course).await?;
        Ok(if seen["title"] == "Back" {
            Ok(())
        } else {
            Err(seen.to_string())
        })
    })
    .await
}

/// Changes and reads, at both gateways, by the database alone.
async fn without_redis(ways: &[Session; 2], course: i64, title: &str) -> Result<()> {
    for (number, way) in ways.iter().enumerate() {
        let title = format!("{title} {number}");
        rename(way, course, &title).await?;
        for reader in ways {
            let began = Instant::now();
            let seen = shown(reader, course).await?;
            ensure!(seen["title"] == *title, "{seen}, not {title}");
            let content = reader.get(&format!("/courses/{course}/content")).await?;
            content.expect(200)?;
            let took = began.elapsed();
            ensure!(took < SOON, "{title}: {took:?}");
        }
    }
    Ok(())
}
