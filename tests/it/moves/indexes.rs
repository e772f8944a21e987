//! What is searched and compared is made again from the documents, here and elsewhere.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use smartcourse_tests::{Layout, TestQdrant, Traces, World};

use super::{ended, start_with, stop};
use crate::{LESSONS, executable};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_searched_is_made_again_from_the_documents() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    instructor.publish(course).await?;
    let before = Traces::of(&world, course, 1).await?;
    let found = async || -> Result<usize> {
        let hits = instructor.get("/search?q=compensation").await?.expect(200)?;
        Ok(hits["items"].as_array().map_or(0, Vec::len))
    };
    ensure!(found().await? == 1);
    for lose in [
        "delete from platform.search_entries",
        "delete from platform.vectors",
    ] {
        sqlx::query(lose).execute(&world.pool).await?;
    }
    let (done, told) = world.run(&["engines", "reindex"])?;
    ensure!(
        done && told.contains("vectors: 1 versions written, 0 removed"),
        "{told}"
    );
    ensure!(
        told.contains("search entries: 1 versions written, 0 removed"),
        "{told}"
    );
    ensure!(found().await? == 1, "{told}");
    ensure!(Traces::of(&world, course, 1).await? == before, "{told}");
    Ok(())
}

/// To a server, though the move is killed in the middle, and back.
#[tokio::test(flavor = "multi_thread")]
async fn vectors_move_to_a_server_and_back() -> Result<()> {
    let server = TestQdrant::start("").await?;
    let mut world = World::start_on(&[], executable(), Layout::Together, &[]).await?;
    let instructor = world.sign_up("instructor").await?;
    let mut courses = Vec::new();
    for _ in 0..3 {
        let course = instructor.course(&LESSONS).await?;
        instructor.publish(course).await?;
        courses.push(course);
    }
    let there = || {
        server
            .store
            .collections()
            .values()
            .map(|one| one.points.len())
            .sum::<usize>()
    };
    let here: i64 = sqlx::query_scalar("select count(*) from platform.vectors")
        .fetch_one(&world.pool)
        .await?;
    let all = usize::try_from(here)?;
    let url = server.url();
    let to = format!("QDRANT_URL={url}");
    let moving = ["engines", "move", "vectors", "--to", &to];
    let kill = [("SMARTCOURSE_KILL_AT", "content.rebuild.before_commit#2")];
    world.spawn("move", &moving, &kill)?;
    ended(&world, "move").await?;
    ensure!((1..all).contains(&there()), "{} of {all} were moved", there());
    let (done, told) = world.run(&moving)?;
    ensure!(
        done && told.contains("Roles run") && there() == all,
        "{} of {all}: {told}",
        there()
    );
    stop(&world).await?;
    let (done, told) = world.run(&moving)?;
    ensure!(done && told.contains("No role runs"), "{told}");

    // Nobody needs those that were left behind.
    sqlx::query("delete from platform.vectors")
        .execute(&world.pool)
        .await?;
    start_with(&mut world, &[("QDRANT_URL", &url)]).await?;
    let question = json!({ "question": "What is a saga a sequence of?" });
    for course in &courses {
        let answer = instructor
            .post(&format!("/courses/{course}/ask"), &question)
            .await?
            .expect(200)?;
        let citations = answer["citations"].as_array().context("citations")?;
        ensure!(!citations.is_empty(), "{answer}");
    }
    stop(&world).await?;
    let (done, told) = world.run_with(
        &["engines", "move", "vectors", "--to", "QDRANT_URL="],
        &[("QDRANT_URL", &url)],
    )?;
    ensure!(done && told.contains("the same on both sides"), "{told}");
    let back: i64 = sqlx::query_scalar("select count(*) from platform.vectors")
        .fetch_one(&world.pool)
        .await?;
    ensure!(back == here, "{back} of {here} came back");
    Ok(())
}
