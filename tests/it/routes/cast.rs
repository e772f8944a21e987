//! Who calls the routes, and what they call for: a small school with one of everything a path can name.

use anyhow::{Context as _, Result, ensure};
use reqwest::multipart;
use serde_json::{Value, json};
use smartcourse_tests::{Reply, Session, World, wait_for};

use super::{CALLERS, Row};
use crate::{LESSONS, TRANSCRIPT, enroll, generating};

/// Who calls, and what they call for.
pub(super) struct Cast {
    callers: [Session; 7],
    /// Names of [`ROUTES`] and what each stands for, for all callers or for each.
    values: Vec<(&'static str, Vec<String>)>,
}

impl Cast {
    fn value(&self, name: &str, caller: usize) -> Result<&str> {
        let (_, values) = self
            .values
            .iter()
            .find(|(known, _)| *known == name)
            .with_context(|| format!("nothing is named {name}"))?;
        Ok(&values[caller.min(values.len() - 1)])
    }

    /// The text with its names replaced by what they stand for.
    fn fill(&self, text: &str, open: char, close: char, caller: usize) -> Result<String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(open) {
            let (name, after) = after.split_once(close).context("a name ends")?;
            let name = name.split_once(':').map_or(name, |(_, name)| name);
            filled.push_str(before);
            filled.push_str(self.value(name, caller)?);
            rest = after;
        }
        Ok(filled + rest)
    }

    /// The text with every `<name>` replaced by what it stands for.
    pub(super) fn told(&self, text: &str, caller: usize) -> Result<String> {
        self.fill(text, '<', '>', caller)
    }

    fn path(&self, row: &Row, caller: usize) -> Result<String> {
        self.fill(&self.fill(row.path, '{', '}', caller)?, '<', '>', caller)
    }

    /// Begins a large body, of which no more than a kilobyte comes; the status of the answer.
    pub(super) async fn begin(&self, row: &Row, caller: usize) -> Result<u16> {
        let kind = match row.body {
            "@file" => "multipart/form-data; boundary=x",
            "@part" => "application/octet-stream",
            _ => "application/json",
        };
        let path = self.path(row, caller)?;
        let mut request = self.callers[caller]
            .begin(&row.method, &path, kind, 4_000_000)
            .await?;
        request.send(&[b' '; 1024]).await;
        let reply = request.answer().await?;
        Ok(reply.context("closed without an answer")?.status)
    }

    pub(super) async fn call(&self, row: &Row, caller: usize) -> Result<Reply> {
        let path = self.path(row, caller)?;
        let session = &self.callers[caller];
        let request = session.request(row.method.clone(), &path);
        let request = match row.body {
            "-" => request,
            "@file" => {
                let part = multipart::Part::text("# Sagas\n").file_name("sagas.md");
                request.multipart(multipart::Form::new().part("file", part))
            }
            "@part" => request.body("Word"),
            body => request
                .header("content-type", "application/json")
                .body(self.fill(body, '<', '>', caller)?),
        };
        session.send(request).await
    }
}

pub(super) async fn cast(world: &World) -> Result<Cast> {
    let (owner, other) = (
        world.sign_up("instructor").await?,
        world.sign_up("instructor").await?,
    );
    let (student, enrolled) = (world.sign_up("student").await?, world.sign_up("student").await?);
    let admin = world.admin().await?;
    let mut bystander = world.sign_up("student").await?;
    let mut service = world.anonymous();
    service.token = "a-token-for-tests-only".to_owned();

    let (course, asset) = published(&owner).await?;
    let (copy, _) = published(&owner).await?;
    let enrollment = enroll(&enrolled, course).await?;
    let ask = json!({"question": "What is a saga?"});
    let answer = enrolled
        .post(&format!("/courses/{course}/ask"), &ask)
        .await?
        .expect(200)?;
    let free = owner.course(&LESSONS).await?;
    ensure!(owner.publish(free).await?["state"] == "completed");
    let certified = world.sign_up("student").await?;
    let certificate = certificate(&certified, free).await?;
    let (notification, unsubscribe) = welcomed(world, &enrolled).await?;
    let uploads = format!("/courses/{course}/assets/uploads");
    let announced = json!({"filename": "a.md", "size_bytes": 4});
    let mut upload = Vec::new();
    for _ in CALLERS {
        let begun = owner.post(&uploads, &announced).await?.expect(201)?;
        upload.push(text(&begun["id"])?);
    }
    let generation = generating::asked(&owner, course, &json!({ "kind": "summary" })).await?;
    let generation = text(&generating::ended(&owner, &generation).await?["generation_id"])?;
    let report = admin.post("/admin/reports", &Value::Null).await?.expect(202)?;
    let each = 0..CALLERS.len();
    let (mut spare, mut refresh) = (Vec::new(), Vec::new());
    for _ in each.clone() {
        spare.push(owner.course(&LESSONS).await?.to_string());
        bystander.sign_in().await?;
        refresh.push(bystander.refresh_token.clone());
    }
    let unpublished = draft(&owner).await?;
    let (owner_id, enrolled_id) = (owner.id.to_string(), enrolled.id.to_string());
    let one = |value: String| vec![value];
    let callers = [world.anonymous(), student, enrolled, owner, other, admin, service];
    let tokens = callers.iter().map(|caller| caller.token.clone()).collect();
    let values = vec![
        ("token", tokens),
        ("course", one(course.to_string())),
        ("draft", one(unpublished.to_string())),
        ("copy", one(copy.to_string())),
        ("free", one(free.to_string())),
        ("spare", spare),
        ("module", each.clone().map(|n| format!("m{n}")).collect()),
        ("lesson", each.clone().map(|n| format!("l{n}")).collect()),
        ("l1", one("l1".to_owned())),
        ("quiz", one("quiz".to_owned())),
        ("talk", one("talk".to_owned())),
        ("first", one("1".to_owned())),
        ("asset", one(asset)),
        ("upload", upload),
        ("generation", one(generation)),
        ("conversation", one(text(&answer["conversation_id"])?)),
        ("enrollment", one(enrollment.to_string())),
        ("certificate", one(certificate)),
        ("notification", one(notification)),
        ("unsubscribe", one(unsubscribe)),
        ("report", one(text(&report["id"])?)),
        ("none", one(uuid::Uuid::nil().to_string())),
        ("owner", one(owner_id)),
        ("enrolled", one(enrolled_id)),
        ("bystander", one(bystander.id.to_string())),
        ("email", one(bystander.email.clone())),
        ("password", one(bystander.password.clone())),
        ("refresh", refresh),
        ("fresh", each.map(|n| format!("fresh{n}@example.org")).collect()),
    ];
    Ok(Cast { callers, values })
}

/// A course with a text, a quiz, a file and a transcript, published; answers the file, too.
async fn published(owner: &Session) -> Result<(i64, String)> {
    let course = owner.course(&LESSONS).await?;
    let file = owner
        .upload(course, "sagas.md", LESSONS[0].1)
        .await?
        .expect(201)?;
    let talk = owner.upload(course, "talk.vtt", TRANSCRIPT).await?.expect(201)?;
    let quiz = json!({"id": "quiz", "title": "Quiz", "type": "quiz", "content": {"quiz": {"questions": [
        {"id": "q", "kind": "single_choice", "prompt": "What is an outbox?", "correct": ["b"],
         "options": [{"id": "a", "text": "A queue"}, {"id": "b", "text": "A table"}]}]}}});
    let lessons = [
        json!({"id": "l1", "title": "Sagas", "type": "text", "content": {"markdown": LESSONS[0].1}}),
        json!({"id": "file", "title": "File", "type": "document", "content": {"asset_id": file["id"]}}),
        json!({"id": "talk", "title": "Talk", "type": "audio", "content": {"transcript_asset_id": talk["id"]}}),
        quiz,
    ];
    owner.put_lessons(course, &lessons).await?.expect(200)?;
    let status = owner.publish(course).await?;
    ensure!(status["state"] == "completed", "{status}");
    Ok((course, text(&file["id"])?))
}

/// A certificate of a course that is completed for it.
async fn certificate(student: &Session, course: i64) -> Result<String> {
    enroll(student, course).await?;
    for lesson in ["l1", "l2"] {
        student.complete_lesson(course, lesson).await?.expect(200)?;
    }
    let mine = student.get("/certificates").await?.expect(200)?;
    text(&mine["items"][0]["code"])
}

/// The draft of which each caller may try to change a part of its own.
async fn draft(owner: &Session) -> Result<i64> {
    let draft = owner.course(&LESSONS).await?;
    let lesson =
        |n| json!({"id": format!("l{n}"), "title": "L", "type": "text", "content": {"markdown": "Words."}});
    let modules: Vec<Value> = (0..CALLERS.len())
        .map(|n| json!({"id": format!("m{n}"), "title": "M", "lessons": [lesson(n)]}))
        .collect();
    let content = json!({ "modules": modules });
    owner
        .put(&format!("/courses/{draft}/content"), &content)
        .await?
        .expect(200)?;
    Ok(draft)
}

/// The first notification and the token to unsubscribe, which come with the welcome.
async fn welcomed(world: &World, student: &Session) -> Result<(String, String)> {
    wait_for("the welcome", async || {
        let feed = student.get("/notifications").await?.expect(200)?;
        let token: Option<String> =
            sqlx::query_scalar("select token from notification.unsubscribe_tokens where user_id = $1")
                .bind(student.id)
                .fetch_optional(&world.pool)
                .await?;
        Ok(match (feed["items"][0]["id"].as_i64(), token) {
            (Some(id), Some(token)) => Ok((id.to_string(), token)),
            (_, token) => Err(format!("{feed}, token: {token:?}")),
        })
    })
    .await
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().context("a text")?.to_owned())
}
