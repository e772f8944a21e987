//! Processes that are there and say nothing: frozen, or behind a network that has lost them. Their work goes on elsewhere, or
//! when they are back. How long that takes is printed; the deadlines of the waits are generous, and far below the half hour a
//! long activity may take.

use std::{collections::BTreeMap, time::Instant};

use anyhow::{Result, ensure};
use serde_json::Value;
use smartcourse_launcher::{Signal, free_port};
use smartcourse_tests::{Fault, Layout, Link, Session, World, wait_for};

use crate::{LESSONS, executable};

/// A second process of each role that may have one; the service among them is found at both addresses.
async fn in_pairs() -> Result<World> {
    let mut world = World::start(executable(), Layout::Apart).await?;
    let settings: BTreeMap<String, String> = world.settings().into_iter().collect();
    let variables = ["SMARTCOURSE_GRPC__COURSE", "SMARTCOURSE_GRPC__CONTENT"];
    let own = [
        format!("127.0.0.1:{}", free_port()?),
        format!("127.0.0.1:{}", free_port()?),
    ];
    let both = [0, 1].map(|n| format!("{},{}", settings[variables[n]], own[n]));
    let found = [0, 1].map(|n| (variables[n], both[n].as_str()));
    // A service listens at its own address, and finds the other one at both.
    world.restart("course", &found[1..]).await?;
    world.restart("content", &found[..1]).await?;
    world.spawn(
        "course-2",
        &["serve", "--only", "course"],
        &[(variables[0], &own[0]), found[1]],
    )?;
    world.spawn(
        "content-2",
        &["serve", "--only", "content"],
        &[found[0], (variables[1], &own[1])],
    )?;
    for role in ["serve", "worker", "relay", "tasks"] {
        world.restart(role, &found).await?;
    }
    world.spawn("relay-2", &["relay"], &found)?;
    world.spawn("worker-2", &["worker"], &found)?;
    world.spawn("tasks-2", &["tasks"], &found)?;
    world.ready().await?;
    Ok(world)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_work_of_a_frozen_process_goes_on_elsewhere() -> Result<()> {
    let world = in_pairs().await?;
    let instructor = world.sign_up("instructor").await?;
    for role in ["course", "content", "relay", "worker", "tasks"] {
        let course = instructor.course(&LESSONS).await?;
        world.signal(role, Signal::STOP)?;
        let path = format!("/courses/{course}/publish");
        let began = Instant::now();
        wait_for("the publish to be accepted", async || {
            let reply = instructor.post(&path, &Value::Null).await?;
            Ok(if reply.status == 202 {
                Ok(())
            } else {
                Err(reply.body.to_string())
            })
        })
        .await?;
        let end = instructor.publish_end(course).await?;
        ensure!(end["state"] == "completed", "{role} frozen: {end}");
        let student = world.sign_up("student").await?;
        let enroll = format!("/courses/{course}/enroll");
        // Whoever asks before the silence is noticed is told so, and asks again.
        wait_for("a seat", async || {
            let reply = student.post(&enroll, &Value::Null).await?;
            Ok(match reply.status {
                201 | 409 => Ok(()),
                _ => Err(reply.body.to_string()),
            })
        })
        .await?;
        wait_for("the welcome mail", async || {
            let sent: i64 = sqlx::query_scalar(
                "select count(*) from notification.deliveries where state = 'sent' and user_id = $1",
            )
            .bind(student.id)
            .fetch_one(&world.pool)
            .await?;
            Ok(if sent > 0 {
                Ok(())
            } else {
                Err("not sent".to_owned())
            })
        })
        .await?;
        eprintln!(
            "{role} frozen: all done after {:.1} s",
            began.elapsed().as_secs_f64()
        );
        world.signal(role, Signal::CONT)?;
        world.ready().await?;
    }
    Ok(())
}

/// Publishes a course that is asked for while somebody is silent, and mended after a status that says so.
async fn outlasts(
    instructor: &Session,
    what: &str,
    silent: impl Fn(&Value) -> bool,
    mend: impl FnOnce(),
) -> Result<()> {
    let course = instructor.course(&LESSONS).await?;
    let path = format!("/courses/{course}/publish");
    instructor.post(&path, &Value::Null).await?.expect(202)?;
    let began = Instant::now();
    instructor.publish_shows(course, what, silent).await?;
    eprintln!("{what}: noticed after {:.1} s", began.elapsed().as_secs_f64());
    mend();
    let mended = Instant::now();
    let end = instructor.publish_end(course).await?;
    ensure!(end["state"] == "completed", "{what}: {end}");
    eprintln!(
        "{what}: published {:.1} s after it was back",
        mended.elapsed().as_secs_f64()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_silent_are_noticed_and_outlasted() -> Result<()> {
    let mut world = World::start(executable(), Layout::Apart).await?;
    let instructor = world.sign_up("instructor").await?;
    let settings: BTreeMap<String, String> = world.settings().into_iter().collect();

    world.signal_temporal(Signal::STOP);
    let waits = |status: &Value| status["waiting_for"] == "temporal";
    let thaw = || world.signal_temporal(Signal::CONT);
    outlasts(&instructor, "Temporal frozen", waits, thaw).await?;

    let content = Link::start(&settings["SMARTCOURSE_GRPC__CONTENT"]).await?;
    let address = content.address.to_string();
    world
        .restart("worker", &[("SMARTCOURSE_GRPC__CONTENT", &address)])
        .await?;
    content.fail(Fault::Silence);
    let failed = |status: &Value| {
        let mut steps = status["steps"].as_array().into_iter().flatten();
        steps.any(|step| step["error"]["code"] == "unavailable")
    };
    outlasts(&instructor, "content unreachable", failed, || content.mend()).await?;

    let (database, url) = Link::before(&settings["DATABASE_URL"]).await?;
    world.restart("serve", &[("DATABASE_URL", &url)]).await?;
    world.ready().await?;
    database.fail(Fault::Silence);
    let began = Instant::now();
    let ready = format!("{}/readyz", world.base);
    wait_for("/readyz to say so", async || {
        let status = world.http.get(&ready).send().await?.status().as_u16();
        Ok(if status == 503 {
            Ok(())
        } else {
            Err(status.to_string())
        })
    })
    .await?;
    eprintln!(
        "database unreachable: noticed after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    database.mend();
    world.ready().await?;
    let course = instructor.course(&LESSONS).await?;
    ensure!(instructor.publish(course).await?["state"] == "completed");
    Ok(())
}
