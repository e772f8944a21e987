//! Numbers of real activity against numbers counted by hand, against a rebuild, and in a report.

mod numbers;
mod report;
mod school;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use smartcourse_proto::catalogue::EVENTS;
use smartcourse_tests::{World, wait_for};

use numbers::{check_numbers, check_trends};
use report::check_report;
use school::School;

/// Waits until every event is counted or parked.
pub(crate) async fn counted(world: &World) -> Result<()> {
    wait_for("analytics to have read the log", async || {
        let left: i64 = sqlx::query_scalar(
            "select count(*) from platform.events where position is null or position > coalesce(
                 (select position from platform.event_groups where name = 'analytics.counter'), 0)",
        )
        .fetch_one(&world.pool)
        .await?;
        Ok(if left == 0 { Ok(()) } else { Err(left.to_string()) })
    })
    .await
}

/// Runs the rebuild; answers whether the numbers were right and what it said.
pub(crate) async fn rebuild(world: &World) -> Result<(bool, String)> {
    counted(world).await?;
    world.run(&["analytics", "rebuild"])
}

/// The keys and types of real events are those of the catalogue.
async fn check_catalogue(school: &School) -> Result<()> {
    let rows: Vec<(String, String, Value)> =
        sqlx::query_as("select distinct on (type, key) type, key, payload from platform.events")
            .fetch_all(&school.world.pool)
            .await?;
    for (event_type, key, payload) in rows {
        let event = EVENTS
            .iter()
            .find(|event| event.name == event_type)
            .context(event_type)?;
        let template = event.key.describe();
        let field = template.split(['{', '}']).nth(1).context("a field")?;
        let expected = template.replace(&format!("{{{field}}}"), &payload[field].to_string());
        ensure!(key == expected, "{}: {key} is not {expected}", event.name);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_those_counted_by_hand_and_those_of_a_rebuild() -> Result<()> {
    let school = School::open().await?;
    school.live().await?;
    check_catalogue(&school).await?;
    let (right, told) = rebuild(&school.world).await?;
    ensure!(right && told.contains("to the digit"), "{told}");

    let spoil = "update analytics.lessons set lesson_id = 'l9' where lesson_id = 'l2'";
    ensure!(
        sqlx::query(spoil)
            .execute(&school.world.pool)
            .await?
            .rows_affected()
            == 1
    );
    let (right, told) = rebuild(&school.world).await?;
    ensure!(
        !right && told.contains("these tables differed: lessons\n"),
        "{told}"
    );
    let (right, told) = rebuild(&school.world).await?;
    ensure!(right && told.contains("to the digit"), "{told}");

    if school.world.names("KAFKA_BROKERS") {
        // The events keep the times they were sent with, and the numbers of times want others.
        return Ok(());
    }
    let (right, told) = school.date().await?;
    ensure!(
        !right && told.contains("counted") && told.contains("enrollments"),
        "{told}"
    );
    let (right, told) = rebuild(&school.world).await?;
    ensure!(right, "{told}");
    check_numbers(&school).await?;
    check_trends(&school).await?;
    check_report(&school).await
}
