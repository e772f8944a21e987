//! What people are told: in the app once, by mail once, over the channels they want, and nothing they do not want.

mod channels;
mod wishes;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use smartcourse_platform::{
    grpc::{Actor, Transport},
    outbox, postgres,
};
use smartcourse_proto::{
    common::EpochRef, events::CertificateIssued,
    notification::notification_service_client::NotificationServiceClient,
};
use smartcourse_tests::{Layout, Session, World, wait_for};

use crate::{LESSONS, executable};

/// The mails so far.
fn mails(world: &World) -> Result<Vec<String>> {
    let Ok(files) = std::fs::read_dir(world.mails()) else {
        return Ok(Vec::new());
    };
    let paths = files.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?;
    paths
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .map(|path| Ok(std::fs::read_to_string(path)?))
        .collect()
}

/// What the workflow does for an enrollment.
async fn welcome(world: &World, enrollment_id: i64, course_id: i64, user_id: i64) -> Result<()> {
    let config = crate::config::load(None, &world.settings())?;
    let way = Transport::to(&config.grpc, smartcourse_proto::stubs::ServiceName::Notification)?;
    let request = EpochRef {
        enrollment_id,
        epoch: 1,
        course_id,
        user_id,
    };
    NotificationServiceClient::new(way)
        .queue_welcome_mail(Actor::Service.request(request))
        .await?;
    Ok(())
}

/// Announces a certificate; the feed and the channels hear of it.
async fn certificate(world: &World, user_id: i64) -> Result<()> {
    let event = CertificateIssued {
        code: uuid::Uuid::new_v4().simple().to_string(),
        enrollment_id: user_id,
        course_id: 7,
        user_id,
        version: 1,
        course_title: "Sagas <& more>".to_owned(),
    };
    let mut tx = postgres::begin(&world.pool).await?;
    outbox::put_event(
        &mut tx,
        "certificate.issued",
        &format!("enrollment-{user_id}"),
        &event,
    )
    .await?;
    tx.commit().await?;
    Ok(())
}

/// The latest delivery to a user over a channel, once it is in this state.
async fn delivery(admin: &Session, user: i64, channel: &str, state: &str) -> Result<Value> {
    wait_for(&format!("{channel} {state}"), async || {
        let page = admin
            .get(&format!("/admin/deliveries?user_id={user}"))
            .await?
            .expect(200)?;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        let latest = items.into_iter().find(|item| item["channel"] == channel);
        Ok(latest
            .filter(|item| item["state"] == state)
            .ok_or_else(|| page.to_string()))
    })
    .await
}

/// The user's feed, once it has so many entries.
async fn feed(user: &Session, count: usize) -> Result<Vec<Value>> {
    wait_for("the feed", async || {
        let page = user.get("/notifications").await?.expect(200)?;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        Ok(if items.len() == count {
            Ok(items)
        } else {
            Err(page.to_string())
        })
    })
    .await
}

async fn count(world: &World, query: &'static str) -> Result<i64> {
    Ok(sqlx::query_scalar(query).fetch_one(&world.pool).await?)
}

async fn student_wishes(student: &Session, wishes: Value) -> Result<Value> {
    student
        .put("/notifications/preferences", &wishes)
        .await?
        .expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrollment_is_welcomed_once() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    instructor.publish(course).await?;
    let published = feed(&instructor, 1).await?;
    ensure!(published[0]["title"] == "A course is published", "{published:?}");

    let student = world.sign_up("student").await?;
    let admin = world.admin().await?;
    let enrolled = student
        .post(&format!("/courses/{course}/enroll"), &Value::Null)
        .await?
        .expect(201)?;
    let id = enrolled["enrollment_id"].as_i64().context("an id")?;
    delivery(&admin, student.id, "email", "sent").await?;
    // The same enrollment once more: the workflow may ask again at any time.
    welcome(&world, id, course, student.id).await?;
    let entries = feed(&student, 1).await?;
    ensure!(
        entries[0]["kind"] == "enrollment.created"
            && entries[0]["title"] == "You are enrolled in A course"
            && entries[0]["link"] == format!("/courses/{course}")
            && entries[0]["read_at"].is_null(),
        "{entries:?}"
    );
    let [mail] = &mails(&world)?[..] else {
        anyhow::bail!("one mail, got {:?}", mails(&world)?)
    };
    for part in [
        "text/plain",
        "text/html",
        &format!("<{}>", student.email),
        "List-Unsubscribe-Post",
    ] {
        ensure!(mail.contains(part), "{part} in {mail}");
    }
    ensure!(mail.contains("Subject: You are enrolled in A course"), "{mail}");

    let unread = async |count: i64| -> Result<()> {
        let reply = student.get("/notifications/unread-count").await?.expect(200)?;
        ensure!(reply == json!({ "unread": count }), "{reply}");
        Ok(())
    };
    unread(1).await?;
    let path = format!("/notifications/{}/read", entries[0]["id"]);
    ensure!(
        admin.post(&path, &Value::Null).await?.code() == "not_found",
        "somebody else's"
    );
    let read = student.post(&path, &Value::Null).await?.expect(200)?;
    unread(0).await?;
    ensure!(
        student.post(&path, &Value::Null).await?.expect(200)? == read,
        "the first reading counts"
    );
    let page = student.get("/notifications?unread=true").await?.expect(200)?;
    ensure!(page["items"] == json!([]), "{page}");
    ensure!(student.get("/admin/deliveries").await?.status == 403);
    ensure!(world.anonymous().get("/notifications").await?.status == 401);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_there_once_wherever_its_process_dies() -> Result<()> {
    let settings = [("TASKS__LEASE_SECONDS", "1")];
    let mut world = World::start_with(executable(), Layout::Together, &settings).await?;
    let (student, admin) = (world.sign_up("student").await?, world.admin().await?);
    let points = [
        "tasks.notification.email.before_effect",
        "tasks.notification.email.after_effect",
        "tasks.before_commit",
        "tasks.after_commit",
    ];
    for (index, point) in points.into_iter().enumerate() {
        world.restart("tasks", &[("SMARTCOURSE_KILL_AT", point)]).await?;
        certificate(&world, student.id).await?;
        wait_for(&format!("the death at {point}"), async || {
            Ok(if world.is_running("tasks") {
                Err(world.log("tasks"))
            } else {
                Ok(())
            })
        })
        .await?;
        world.restart("tasks", &[]).await?;
        let sent = delivery(&admin, student.id, "email", "sent").await?;
        let tries = if point == "tasks.after_commit" { 1 } else { 2 };
        ensure!(sent["tries"] == tries, "{point}: {sent}");
        ensure!(mails(&world)?.len() == index + 1, "{point}: one mail each");
    }
    let open = "select count(*) from platform.tasks where state <> 'done'";
    ensure!(count(&world, open).await? == 0);
    Ok(())
}
