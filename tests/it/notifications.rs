//! What people are told: in the app once, by mail once, over the channels they want, and nothing they do not want.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use smartcourse_platform::{
    grpc::{Actor, Transport},
    outbox, postgres,
    tasks::{self, Task},
};
use smartcourse_proto::{
    common::EpochRef, events::CertificateIssued,
    notification::notification_service_client::NotificationServiceClient,
};
use smartcourse_tests::{Layout, MailServer, Provider, Session, World, wait_for};

use crate::{LESSONS, executable};

/// Keys of a browser and of a sender, made for tests.
const P256DH: &str =
    "BLn9b-VR0ca83knDNZ32dCHGyjJp-1riX9ZTN40MqV8K_LpQmLqxC_DoHvqvFXO_nGdAB4W9dogZb_sM-uV4JbY";
const AUTH: &str = "_ordMnz7uTCmrpBTeUV4Bw";
const VAPID: &str = "RS0WdYWWo1HajXg3NZR1olzCf31i-ZBGDkFyCs7j1jw";

/// A world whose text messages and pushes go to this provider.
async fn world(provider: &Provider) -> Result<World> {
    let services = format!("[\"{}\"]", provider.url);
    let settings = [
        ("SMS__URL", provider.url.as_str()),
        ("SMS__ACCOUNT_SID", "AC1"),
        ("SMS__AUTH_TOKEN", "secret"),
        ("SMS__FROM", "SmartCourse"),
        ("WEB_PUSH__PRIVATE_KEY", VAPID),
        ("WEB_PUSH__SERVICES", services.as_str()),
    ];
    World::start_with(executable(), Layout::Together, &settings).await
}

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
    let way = Transport::remote(&config.grpc, &config.grpc.notification)?;
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
async fn who_unsubscribes_gets_no_more_mail() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let (student, admin) = (world.sign_up("student").await?, world.admin().await?);
    certificate(&world, student.id).await?;
    delivery(&admin, student.id, "email", "sent").await?;
    let mail = mails(&world)?.pop().context("a mail")?;
    ensure!(
        mail.contains("Sagas &lt;&amp; more&gt;"),
        "the HTML part is escaped: {mail}"
    );
    let link = mail
        .lines()
        .find_map(|line| line.strip_prefix("List-Unsubscribe: <")?.strip_suffix('>'))
        .context("a link")?;
    let path = link
        .strip_prefix(&world.base)
        .context("a link to the gateway")?
        .to_owned();

    let nobody = world.anonymous();
    let page = nobody.get(&path).await?.expect(200)?;
    ensure!(
        page.as_str()
            .is_some_and(|html| html.contains("<form method=\"post\">")),
        "{page}"
    );
    let wishes = student.get("/notifications/preferences").await?.expect(200)?;
    ensure!(
        wishes["email"] == true,
        "looking at the link changes nothing: {wishes}"
    );
    let click = |path: String| {
        let request = nobody.request(reqwest::Method::POST, &path);
        nobody.send(
            request
                .header("content-type", "application/x-www-form-urlencoded")
                .body("List-Unsubscribe=One-Click"),
        )
    };
    ensure!(click("/unsubscribe?token=guess".to_owned()).await?.code() == "not_found");
    click(path.clone()).await?.expect(200)?;
    click(path).await?.expect(200)?;
    let wishes = student.get("/notifications/preferences").await?.expect(200)?;
    ensure!(wishes["email"] == false, "{wishes}");

    certificate(&world, student.id).await?;
    feed(&student, 2).await?;
    let suppressed = delivery(&admin, student.id, "email", "suppressed").await?;
    welcome(&world, 1, 7, student.id).await?;
    ensure!(mails(&world)?.len() == 1, "nothing more was sent");
    let replay = format!(
        "/admin/deliveries/{}/replay",
        suppressed["id"].as_str().context("an id")?
    );
    ensure!(admin.post(&replay, &Value::Null).await?.code() == "delivery_not_failed");

    // Who changes their mind between queueing and sending is heard, too.
    let change = |email: bool| student_wishes(&student, json!({ "email": email }));
    change(true).await?;
    let mut world = world;
    world.kill("tasks");
    certificate(&world, student.id).await?;
    delivery(&admin, student.id, "email", "queued").await?;
    change(false).await?;
    world.restart("tasks", &[]).await?;
    delivery(&admin, student.id, "email", "suppressed").await?;
    ensure!(mails(&world)?.len() == 1, "nothing more was sent");
    Ok(())
}

async fn student_wishes(student: &Session, wishes: Value) -> Result<Value> {
    student
        .put("/notifications/preferences", &wishes)
        .await?
        .expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_is_down_holds_up_nothing_else() -> Result<()> {
    let provider = Provider::start().await?;
    let mut world = world(&provider).await?;
    let port = closed_port()?;
    let url = format!("smtp://127.0.0.1:{port}");
    world
        .restart("tasks", &[("SMARTCOURSE_MAIL__SMTP_URL", url.as_str())])
        .await?;
    let (student, admin) = (world.sign_up("student").await?, world.admin().await?);

    let push =
        |endpoint: &str| json!({"endpoint": endpoint, "keys": {"p256dh": P256DH, "auth": AUTH}}).to_string();
    let elsewhere = json!({ "push_subscription": push("http://127.0.0.1:1/inside"), "phone": "0151" });
    let refused = student.put("/notifications/preferences", &elsewhere).await?;
    let fields = refused.body["errors"].as_array().map_or(0, Vec::len);
    ensure!(refused.status == 422 && fields == 2, "{}", refused.body);
    let wishes = json!({"sms": true, "web_push": true, "phone": "+4915112345678",
        "push_subscription": push(&format!("{}/push/1", provider.url))});
    let wishes = student_wishes(&student, wishes).await?;
    ensure!(
        wishes["email"] == true && wishes["push_key"].is_string(),
        "{wishes}"
    );

    certificate(&world, student.id).await?;
    for channel in ["sms", "web_push"] {
        let sent = delivery(&admin, student.id, channel, "sent").await?;
        ensure!(sent["tries"] == 1 && sent["template"] == "certificate", "{sent}");
    }
    let mut paths: Vec<String> = provider.calls().into_iter().map(|call| call.path).collect();
    paths.sort();
    ensure!(
        paths == ["/2010-04-01/Accounts/AC1/Messages.json", "/push/1"],
        "{paths:?}"
    );

    let failed = delivery(&admin, student.id, "email", "failed").await?;
    let error = failed["last_error"].as_str().unwrap_or_default();
    ensure!(
        failed["tries"] == 3 && error.starts_with("unavailable"),
        "{failed}"
    );
    let dead = "select count(*) from platform.tasks where state = 'dead' and kind = 'notification.email' and tries = 3";
    ensure!(count(&world, dead).await? == 1);
    let announced = "select count(*) from platform.events where type = 'notification.failed'";
    ensure!(count(&world, announced).await? == 1);

    // A task nobody can read is given up at once.
    let poison = Task::new(
        uuid::Uuid::new_v4(),
        "notification.email",
        &json!({ "nonsense": 1 }),
    )?;
    let mut tx = postgres::begin(&world.pool).await?;
    tasks::put(&mut tx, &poison).await?;
    tx.commit().await?;
    wait_for("the poison to be dead", async || {
        let query = "select count(*) from platform.tasks where state = 'dead' and tries = 1
             and last_error like 'task_unreadable%'";
        Ok(match count(&world, query).await? {
            1 => Ok(()),
            other => Err(other.to_string()),
        })
    })
    .await?;

    // The server comes back.
    let server = MailServer::start(port).await?;
    ensure!(
        server.messages().is_empty(),
        "what was given up is not sent by itself"
    );
    let replay = format!(
        "/admin/deliveries/{}/replay",
        failed["id"].as_str().context("an id")?
    );
    ensure!(student.post(&replay, &Value::Null).await?.status == 403);
    admin.post(&replay, &Value::Null).await?.expect(202)?;
    let sent = delivery(&admin, student.id, "email", "sent").await?;
    ensure!(
        sent["last_error"].is_null() && sent["id"] == failed["id"],
        "{sent}"
    );
    let id = failed["id"].as_str().unwrap_or_default();
    let [mail] = &server.messages()[..] else {
        anyhow::bail!("one mail, got {:?}", server.messages())
    };
    ensure!(mail.contains(&format!("Message-ID: <{id}@")), "{mail}");

    // A refusal for good is not tried again.
    server.refuse_with(550);
    certificate(&world, student.id).await?;
    let refused = delivery(&admin, student.id, "email", "failed").await?;
    ensure!(refused["tries"] == 1, "{refused}");
    ensure!(count(&world, announced).await? == 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_is_gone_is_forgotten_and_wrong_credentials_are_mended() -> Result<()> {
    let provider = Provider::start().await?;
    let world = world(&provider).await?;
    let (student, admin) = (world.sign_up("student").await?, world.admin().await?);
    let endpoint = format!("{}/push/1", provider.url);
    let subscription = json!({"endpoint": endpoint, "keys": {"p256dh": P256DH, "auth": AUTH}});
    let wishes = json!({"web_push": true, "push_subscription": subscription.to_string()});
    student_wishes(&student, wishes).await?;

    provider.answer(410);
    certificate(&world, student.id).await?;
    let gone = delivery(&admin, student.id, "web_push", "failed").await?;
    let error = gone["last_error"].as_str().unwrap_or_default();
    ensure!(
        gone["tries"] == 1 && error.starts_with("subscription_gone"),
        "{gone}"
    );
    let wishes = student.get("/notifications/preferences").await?.expect(200)?;
    ensure!(
        wishes["push_subscription"].is_null() && wishes["web_push"] == true,
        "the wish stays for the next browser: {wishes}"
    );

    // Credentials that are refused cost tries, and what was given up goes out once they are right.
    student_wishes(&student, json!({"sms": true, "phone": "+4915112345678"})).await?;
    provider.answer(401);
    let before = provider.calls().len();
    certificate(&world, student.id).await?;
    let failed = delivery(&admin, student.id, "sms", "failed").await?;
    let error = failed["last_error"].as_str().unwrap_or_default();
    ensure!(
        failed["tries"] == 3 && error.starts_with("unavailable"),
        "{failed}"
    );
    ensure!(
        provider.calls().len() == before + 3,
        "nothing went to the browser that is gone"
    );
    provider.answer(201);
    let replay = format!(
        "/admin/deliveries/{}/replay",
        failed["id"].as_str().context("an id")?
    );
    admin.post(&replay, &Value::Null).await?.expect(202)?;
    delivery(&admin, student.id, "sms", "sent").await?;
    Ok(())
}

/// A port nobody listens on.
fn closed_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
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
