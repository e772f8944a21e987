//! Rushes: thousands for a few seats, and hundreds while Temporal is down.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Result, ensure};
use futures::{StreamExt as _, stream};
use serde_json::Value;
use smartcourse_tests::{Layout, World, wait_for, wait_longer, welcome_mails};
use tokio::sync::Mutex;

use crate::{
    enrollment::{course, enroll, taken},
    executable,
};

/// How long hundreds of onboardings may take on a machine that also runs other tests.
const RUSH: Duration = Duration::from_secs(600);

/// A rush is about seats, not about how fast a machine with other work is: nothing gives up before its turn.
const PATIENT: [(&str, &str); 3] = [
    ("GRPC__TIMEOUT_SECONDS", "150"),
    ("POSTGRES__IDLE_TRANSACTION_SECONDS", "600"),
    ("POSTGRES__ACQUIRE_TIMEOUT_SECONDS", "120"),
];

/// Rushes come one after the other: each is meant to keep the machine busy alone.
static RUSHES: Mutex<()> = Mutex::const_new(());

/// How many enrollment workflows Temporal knows of a course.
fn workflows(world: &World, course: i64) -> Result<usize> {
    let query = format!("WorkflowType = 'Enrollment' and CourseId = {course}");
    let shown = world.temporal_cli(&["workflow", "count", "--query", &query, "-o", "json"])?;
    let count: Value = serde_json::from_str(&shown)?;
    let text = count["count"]
        .as_str()
        .map(str::to_owned)
        .unwrap_or_else(|| count["count"].to_string());
    Ok(text.parse().unwrap_or(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_seats_hold_against_three_thousand_students() -> Result<()> {
    let _alone = RUSHES.lock().await;
    let world = World::start_with(executable(), Layout::Together, &PATIENT).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = course(&instructor, Some(30), &[]).await?;
    let students = world.students(3000).await?;
    let codes: Vec<String> = stream::iter(students.into_iter().map(|student| async move {
        let reply = enroll(&student, course).await?;
        anyhow::Ok(match reply.status {
            201 => "enrolled".to_owned(),
            _ => reply.code().to_owned(),
        })
    }))
    .buffer_unordered(3000)
    .collect::<Vec<Result<String>>>()
    .await
    .into_iter()
    .collect::<Result<_>>()?;
    let mut answers: BTreeMap<&str, usize> = BTreeMap::new();
    for code in &codes {
        *answers.entry(code).or_default() += 1;
    }
    ensure!(
        answers == BTreeMap::from([("enrolled", 30), ("course_full", 2970)]),
        "{answers:?}\n{}",
        world.log("serve")
    );
    ensure!(taken(&instructor, course).await? == 30);
    wait_for("30 welcome mails", async || {
        let mails = welcome_mails(&world.mails(), "@example.org")?;
        Ok(if mails == 30 {
            Ok(())
        } else {
            Err(mails.to_string())
        })
    })
    .await?;
    wait_for("30 workflows", async || {
        let count = workflows(&world, course)?;
        Ok(if count == 30 {
            Ok(())
        } else {
            Err(count.to_string())
        })
    })
    .await?;
    let numbers = instructor
        .get(&format!("/analytics/courses/{course}"))
        .await?
        .expect(200)?;
    ensure!(numbers["enrollments"]["total"] == 30, "{numbers}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_enroll_while_temporal_is_down() -> Result<()> {
    let _alone = RUSHES.lock().await;
    let mut world = World::start_with(executable(), Layout::Together, &PATIENT).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = course(&instructor, None, &[]).await?;
    let students = world.students(500).await?;
    world.stop_temporal().await?;
    let accepted = stream::iter(students.iter().map(|student| enroll(student, course)))
        .buffer_unordered(50)
        .filter(|reply| std::future::ready(reply.as_ref().is_ok_and(|reply| reply.status == 201)))
        .count()
        .await;
    ensure!(accepted == 500, "{accepted} accepted");
    let waiting = students[0].get("/enrollments").await?.expect(200)?;
    ensure!(
        waiting["items"][0]["onboarding"]["state"] == "accepted",
        "{waiting}"
    );
    world.start_temporal().await?;
    wait_longer(RUSH, "all to be onboarded", async || {
        let open: i64 =
            sqlx::query_scalar("select count(*) from enrollment.enrollments where onboarding <> 'completed'")
                .fetch_one(&world.pool)
                .await?;
        Ok(if open == 0 { Ok(()) } else { Err(open.to_string()) })
    })
    .await?;
    wait_longer(RUSH, "500 welcome mails", async || {
        let mails = welcome_mails(&world.mails(), "@example.org")?;
        Ok(if mails == 500 {
            Ok(())
        } else {
            Err(mails.to_string())
        })
    })
    .await?;
    let numbers = instructor
        .get(&format!("/analytics/courses/{course}"))
        .await?
        .expect(200)?;
    ensure!(numbers["enrollments"]["total"] == 500, "{numbers}");
    Ok(())
}
