//! What somebody does not want to get.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use smartcourse_tests::{Layout, World};

use super::{certificate, delivery, feed, mails, student_wishes, welcome};
use crate::executable;

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
