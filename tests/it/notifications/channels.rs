//! Mail, text messages and pushes: one that fails holds up no other, and what was given up can be sent again.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use smartcourse_platform::{
    postgres,
    tasks::{self, Task},
};
use smartcourse_tests::{Layout, MailServer, Provider, World, wait_for};

use super::{certificate, count, delivery, student_wishes};
use crate::executable;

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

/// A port nobody listens on.
fn closed_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
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
        failed["tries"] == 3 && error.starts_with("delivery_failed"),
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
        failed["tries"] == 3 && error.starts_with("delivery_failed"),
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
