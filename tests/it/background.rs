//! What went wrong in the background: administrators see it and put it back, and what is broken holds up nothing else.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use smartcourse_platform::postgres;
use smartcourse_platform::tasks::{self, Task};
use smartcourse_tests::{Layout, Session, World, wait_for};
use uuid::Uuid;

use crate::executable;

/// The task that was given up, once it is listed.
async fn given_up(admin: &Session, kind: &str, id: &str) -> Result<Value> {
    wait_for(&format!("{kind} to be given up"), async || {
        let path = format!("/admin/tasks/failed?kind={kind}&limit=100");
        let page = admin.get(&path).await?.expect(200)?;
        let items = page["items"].as_array().context("items")?;
        let found = items.iter().find(|item| item["id"] == id).cloned();
        Ok(found.ok_or_else(|| page.to_string()))
    })
    .await
}

async fn run(world: &World, statement: &'static str) -> Result<()> {
    sqlx::query(statement).execute(&world.pool).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_was_given_up_is_seen_and_put_back() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let admin = world.admin().await?;

    // A report that cannot be made says why, and is made when its task is put back.
    run(&world, "alter table analytics.courses rename to mislaid").await?;
    let report = admin.post("/admin/reports", &Value::Null).await?.expect(202)?;
    let id = report["id"].as_str().context("an id")?;
    let task = given_up(&admin, "analytics.report", id).await?;
    ensure!(task["tries"] == 3 && task["reason"] != "", "{task}");
    let csv = format!("/admin/reports/{id}?format=csv");
    let refused = admin.get(&csv).await?;
    ensure!(refused.code() == "report_failed", "{}", refused.body);
    run(&world, "alter table analytics.mislaid rename to courses").await?;
    let replay = format!("/admin/tasks/{id}/replay");
    let replayed = admin.post(&replay, &Value::Null).await?.expect(202)?;
    ensure!(replayed["id"] == id, "{replayed}");
    wait_for("the report", async || {
        let reply = admin.get(&csv).await?;
        Ok(if reply.status == 200 {
            Ok(())
        } else {
            Err(reply.body.to_string())
        })
    })
    .await?;
    let again = admin.post(&replay, &Value::Null).await?;
    ensure!(again.code() == "not_found", "it was done: {}", again.body);

    // Any other kind, too.
    let broken = Task::new(Uuid::now_v7(), "content.remove_files", &json!("seven"))?;
    let mut tx = postgres::begin(&world.pool).await?;
    tasks::put(&mut tx, &broken).await?;
    tx.commit().await?;
    let id = broken.id.to_string();
    let task = given_up(&admin, "content.remove_files", &id).await?;
    ensure!(task["payload"] == "\"seven\"", "{task}");
    ensure!(
        task["reason"]
            .as_str()
            .is_some_and(|reason| reason.starts_with("task_unreadable")),
        "{task}"
    );
    sqlx::query("update platform.tasks set payload = '7' where id = $1")
        .bind(broken.id)
        .execute(&world.pool)
        .await?;
    admin
        .post(&format!("/admin/tasks/{id}/replay"), &Value::Null)
        .await?
        .expect(202)?;
    wait_for("the task", async || {
        let state: String = sqlx::query_scalar("select state from platform.tasks where id = $1")
            .bind(broken.id)
            .fetch_one(&world.pool)
            .await?;
        Ok(if state == "done" { Ok(()) } else { Err(state) })
    })
    .await?;
    let page = admin.get("/admin/tasks/failed").await?.expect(200)?;
    ensure!(page["items"] == json!([]), "{page}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_onboarding_behind_many_others_is_started_again() -> Result<()> {
    const MANY: i64 = 520;
    let world = World::start(executable(), Layout::Together).await?;
    world.kill("worker");
    // Seats that were taken, with a workflow nobody knows: as after a restore without Temporal's data.
    sqlx::query(
        "insert into enrollment.enrollments (course_id, user_id, status, onboarding, event_id, enrolled_at)
         select 1000 + n, 1000 + n, 'active', 'accepted', gen_random_uuid(), now() - interval '1 hour'
         from generate_series(1, $1) n",
    )
    .bind(MANY)
    .execute(&world.pool)
    .await?;
    wait_for("every start", async || {
        let query = "select count(distinct workflow_id) from platform.outbox_commands where kind = 'start'";
        let count: i64 = sqlx::query_scalar(query).fetch_one(&world.pool).await?;
        Ok(if count == MANY {
            Ok(())
        } else {
            Err(format!("{count} starts"))
        })
    })
    .await
}
