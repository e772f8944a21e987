//! Every route against every kind of caller, as a table: a route of the document without a row fails, and so does a row
//! without a route.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, multipart};
use serde_json::{Value, json};
use smartcourse_tests::{Layout, Reply, Session, World, wait_for};

use crate::{LESSONS, executable};

/// The header of [`ROUTES`]' last columns: who calls. The service is the token of our own services, sent as a user's.
const CALLERS: [&str; 7] = [
    "nobody", "student", "enrolled", "owner", "other", "admin", "service",
];

/// Method and path, body, and the status for each of [`CALLERS`], in their order.
///
/// `{id:course}` is parameter `id` of the path with the id of [`Cast::value`] named `course`; `<course>` is the same
/// within a body or query. `@file` uploads a file. Rows go from top to bottom: what ends something stands below.
const ROUTES: &str = r#"
POST   /auth/register                                 | {"email":"<fresh>","password":"long enough","full_name":"X","role":"student"} | 201 201 201 201 201 201 201
POST   /auth/login                                    | {"email":"<email>","password":"<password>"} | 200 200 200 200 200 200 200
POST   /auth/refresh                                  | {"refresh_token":"<refresh>"} | 200 200 200 200 200 200 200
POST   /auth/logout                                   | {"refresh_token":"<refresh>"} | 204 204 204 204 204 204 204
GET    /auth/me                                       | - | 401 200 200 200 200 200 401
GET    /.well-known/jwks.json                         | - | 200 200 200 200 200 200 401
PUT    /users/{id:bystander}/role                     | {"role":"instructor"} | 401 403 403 403 403 200 401

GET    /courses                                       | - | 200 200 200 200 200 200 401
POST   /courses                                       | {"title":"T","description":"D"} | 401 403 403 201 201 201 401
GET    /courses/{id:course}                           | - | 200 200 200 200 200 200 401
GET    /courses/{id:draft}                            | - | 404 404 404 200 404 200 401
PATCH  /courses/{id:draft}                            | {"title":"T"} | 401 404 404 200 404 200 401
PATCH  /courses/{id:course}                           | {"title":"T"} | 401 403 403 200 403 200 401
PUT    /courses/{id:draft}/status                     | {"status":"draft"} | 401 404 404 200 404 200 401
GET    /courses/{id:course}/content                   | - | 401 403 200 200 403 200 401
GET    /courses/{id:draft}/content                    | - | 401 404 404 200 404 200 401
PUT    /courses/{id:copy}/content                     | {"modules":[]} | 401 403 403 200 403 200 401
POST   /courses/{id:draft}/modules                    | {"title":"M"} | 401 404 404 201 404 201 401
PATCH  /courses/{id:draft}/modules/{mid:module}       | {"title":"M"} | 401 404 404 200 404 200 401
POST   /courses/{id:draft}/modules/{mid:module}/lessons | {"title":"L","type":"text"} | 401 404 404 201 404 201 401
PATCH  /courses/{id:draft}/lessons/{lid:lesson}       | {"title":"L"} | 401 404 404 200 404 200 401
DELETE /courses/{id:draft}/lessons/{lid:lesson}       | - | 401 404 404 204 404 204 401
DELETE /courses/{id:draft}/modules/{mid:module}       | - | 401 404 404 204 404 204 401
POST   /courses/{id:draft}/assets                     | @file | 401 404 404 201 404 201 401
POST   /courses/{id:course}/assets                    | @file | 401 403 403 201 403 201 401
GET    /courses/{id:course}/assets/{aid:asset}        | - | 401 403 200 200 403 200 401

GET    /courses/{id:course}/publish                   | - | 401 403 403 200 403 200 401
GET    /courses/{id:course}/publish/events            | - | 401 403 403 200 403 200 401
GET    /courses/{id:course}/publish/preview           | - | 401 403 403 200 403 200 401
GET    /courses/{id:course}/versions                  | - | 401 403 403 200 403 200 401
DELETE /courses/{id:course}/publish                   | - | 401 403 403 409 403 409 401
POST   /courses/{id:copy}/versions/{n:first}/restore  | - | 401 403 403 202 403 202 401
POST   /courses/{id:copy}/publish                     | - | 401 403 403 202 403 202 401

GET    /search?q=saga                                 | - | 200 200 200 200 200 200 401
POST   /courses/{id:course}/ask                       | {"question":"What is a saga?"} | 401 403 200 200 403 200 401
GET    /conversations                                 | - | 401 200 200 200 200 200 401
GET    /conversations/{id:conversation}               | - | 401 404 200 404 404 404 401
DELETE /conversations/{id:conversation}               | - | 401 404 204 404 404 404 401

POST   /courses/{id:free}/enroll                      | - | 401 201 201 403 403 403 401
GET    /enrollments                                   | - | 401 200 200 200 200 200 401
GET    /enrollments?student_id=<enrolled>             | - | 401 403 200 403 403 200 401
GET    /enrollments/{id:enrollment}                   | - | 401 404 200 404 404 200 401
GET    /progress/courses/{id:course}                  | - | 401 403 200 403 403 403 401
GET    /progress/courses/{id:course}?user_id=<enrolled> | - | 401 403 200 200 403 200 401
POST   /progress/lessons/{lesson_id:l1}/complete      | {"course_id":<course>} | 401 403 200 403 403 403 401
POST   /progress/lessons/{lesson_id:quiz}/attempts    | {"course_id":<course>,"answers":{"q":"b"}} | 401 403 200 403 403 403 401
GET    /certificates                                  | - | 401 200 200 200 200 200 401
GET    /certificates/{code:certificate}               | - | 200 200 200 200 200 200 401

GET    /notifications                                 | - | 401 200 200 200 200 200 401
GET    /notifications/unread-count                    | - | 401 200 200 200 200 200 401
POST   /notifications/{id:notification}/read          | - | 401 404 200 404 404 404 401
GET    /notifications/preferences                     | - | 401 200 200 200 200 200 401
PUT    /notifications/preferences                     | {"email":true} | 401 200 200 200 200 200 401
GET    /unsubscribe?token=<unsubscribe>               | - | 200 200 200 200 200 200 401
POST   /unsubscribe?token=<unsubscribe>               | - | 200 200 200 200 200 200 401

GET    /analytics/platform                            | - | 401 403 403 403 403 200 401
GET    /analytics/trends                              | - | 401 403 403 403 403 200 401
GET    /analytics/popular                             | - | 200 200 200 200 200 200 401
GET    /analytics/courses/{id:course}                 | - | 401 403 403 200 403 200 401
GET    /analytics/courses/{id:draft}                  | - | 401 404 404 200 404 200 401
GET    /analytics/instructors/{id:owner}              | - | 401 403 403 200 403 200 401
GET    /analytics/students/{id:enrolled}              | - | 401 403 200 403 403 200 401

POST   /admin/reports                                 | - | 401 403 403 403 403 202 401
GET    /admin/reports/{id:report}                     | - | 401 403 403 403 403 200 401
GET    /admin/events/failed                           | - | 401 403 403 403 403 200 401
POST   /admin/events/{id:none}/replay                 | - | 401 403 403 403 403 404 401
GET    /admin/tasks/failed                            | - | 401 403 403 403 403 200 401
POST   /admin/tasks/{id:none}/replay                  | - | 401 403 403 403 403 404 401
GET    /admin/workflows                               | - | 401 403 403 403 403 200 401
GET    /admin/deliveries                              | - | 401 403 403 403 403 200 401
POST   /admin/deliveries/{id:none}/replay             | - | 401 403 403 403 403 404 401

DELETE /enrollments/{id:enrollment}                   | - | 401 404 204 404 404 204 401
DELETE /courses/{id:course}                           | - | 401 403 403 409 403 409 401
DELETE /courses/{id:spare}                            | - | 401 404 404 204 404 204 401
GET    /livez                                         | - | 200 200 200 200 200 200 200
GET    /readyz                                        | - | 200 200 200 200 200 200 200
"#;

/// A row of [`ROUTES`].
struct Row {
    method: Method,
    /// As the document has it.
    template: String,
    /// The template with the names of values.
    path: &'static str,
    body: &'static str,
    expected: Vec<u16>,
}

fn rows() -> Result<Vec<Row>> {
    let lines = ROUTES.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| row(line).with_context(|| line.to_owned()))
        .collect()
}

fn row(line: &'static str) -> Result<Row> {
    let columns: Vec<&str> = line.split(" | ").map(str::trim).collect();
    let [route, body, statuses] = columns[..] else {
        anyhow::bail!("a row has three columns")
    };
    let (method, path) = route.split_once(' ').context("method and path")?;
    let expected: Vec<u16> = statuses.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    ensure!(expected.len() == CALLERS.len(), "a status for each caller");
    let path = path.trim();
    let mut template = String::new();
    for part in path
        .split_once('?')
        .map_or(path, |(path, _)| path)
        .split('/')
        .skip(1)
    {
        let name = part
            .split_once(':')
            .map_or(part.to_owned(), |(name, _)| format!("{name}}}"));
        template = format!("{template}/{name}");
    }
    Ok(Row {
        method: method.parse()?,
        template,
        path,
        body,
        expected,
    })
}

/// Who calls, and what they call for.
struct Cast {
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

    fn path(&self, row: &Row, caller: usize) -> Result<String> {
        self.fill(&self.fill(row.path, '{', '}', caller)?, '<', '>', caller)
    }

    /// Begins a large body, of which no more than a kilobyte comes; the status of the answer.
    async fn begin(&self, row: &Row, caller: usize) -> Result<u16> {
        let kind = match row.body {
            "@file" => "multipart/form-data; boundary=x",
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

    async fn call(&self, row: &Row, caller: usize) -> Result<Reply> {
        let path = self.path(row, caller)?;
        let session = &self.callers[caller];
        let request = session.request(row.method.clone(), &path);
        let request = match row.body {
            "-" => request,
            "@file" => {
                let part = multipart::Part::text("# Sagas\n").file_name("sagas.md");
                request.multipart(multipart::Form::new().part("file", part))
            }
            body => request
                .header("content-type", "application/json")
                .body(self.fill(body, '<', '>', caller)?),
        };
        session.send(request).await
    }
}

/// A course with a text, a quiz and a file, published; answers the file, too.
async fn published(owner: &Session) -> Result<(i64, String)> {
    let course = owner.course(&LESSONS).await?;
    let file = owner
        .upload(course, "sagas.md", LESSONS[0].1)
        .await?
        .expect(201)?;
    let quiz = json!({"id": "quiz", "title": "Quiz", "type": "quiz", "content": {"quiz": {"questions": [
        {"id": "q", "kind": "single_choice", "prompt": "What is an outbox?", "correct": ["b"],
         "options": [{"id": "a", "text": "A queue"}, {"id": "b", "text": "A table"}]}]}}});
    let lessons = [
        json!({"id": "l1", "title": "Sagas", "type": "text", "content": {"markdown": LESSONS[0].1}}),
        json!({"id": "file", "title": "File", "type": "document", "content": {"asset_id": file["id"]}}),
        quiz,
    ];
    owner.put_lessons(course, &lessons).await?.expect(200)?;
    let status = owner.publish(course).await?;
    ensure!(status["state"] == "completed", "{status}");
    Ok((course, text(&file["id"])?))
}

/// Takes a seat and waits for what follows; answers the enrollment.
async fn enroll(student: &Session, course: i64) -> Result<i64> {
    let path = format!("/courses/{course}/enroll");
    let enrollment = student.post(&path, &Value::Null).await?.expect(201)?["enrollment_id"].clone();
    wait_for("the onboarding", async || {
        let shown = student
            .get(&format!("/enrollments/{enrollment}"))
            .await?
            .expect(200)?;
        Ok(match shown["onboarding"]["state"].as_str() {
            Some("completed") => Ok(()),
            _ => Err(shown.to_string()),
        })
    })
    .await?;
    enrollment.as_i64().context("an enrollment has an id")
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

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().context("a text")?.to_owned())
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

async fn cast(world: &World) -> Result<Cast> {
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
    let report = admin.post("/admin/reports", &Value::Null).await?.expect(202)?;
    let each = 0..CALLERS.len();
    let (mut spare, mut refresh) = (Vec::new(), Vec::new());
    for _ in each.clone() {
        spare.push(owner.course(&LESSONS).await?.to_string());
        bystander.sign_in().await?;
        refresh.push(bystander.refresh_token.clone());
    }
    let one = |value: String| vec![value];
    let values = vec![
        ("course", one(course.to_string())),
        ("draft", one(draft(&owner).await?.to_string())),
        ("copy", one(copy.to_string())),
        ("free", one(free.to_string())),
        ("spare", spare),
        ("module", each.clone().map(|n| format!("m{n}")).collect()),
        ("lesson", each.clone().map(|n| format!("l{n}")).collect()),
        ("l1", one("l1".to_owned())),
        ("quiz", one("quiz".to_owned())),
        ("first", one("1".to_owned())),
        ("asset", one(asset)),
        ("conversation", one(text(&answer["conversation_id"])?)),
        ("enrollment", one(enrollment.to_string())),
        ("certificate", one(certificate)),
        ("notification", one(notification)),
        ("unsubscribe", one(unsubscribe)),
        ("report", one(text(&report["id"])?)),
        ("none", one(uuid::Uuid::nil().to_string())),
        ("owner", one(owner.id.to_string())),
        ("enrolled", one(enrolled.id.to_string())),
        ("bystander", one(bystander.id.to_string())),
        ("email", one(bystander.email.clone())),
        ("password", one(bystander.password.clone())),
        ("refresh", refresh),
        ("fresh", each.map(|n| format!("fresh{n}@example.org")).collect()),
    ];
    let callers = [world.anonymous(), student, enrolled, owner, other, admin, service];
    Ok(Cast { callers, values })
}

/// Method and path of every operation of the document.
fn documented(document: &Value) -> Result<BTreeSet<(String, String)>> {
    let paths = document["paths"].as_object().context("paths")?;
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flat_map(|item| item.keys());
        methods
            .filter(|key| {
                key.to_uppercase()
                    .parse::<Method>()
                    .is_ok_and(|method| METHODS.contains(&method))
            })
            .map(|method| (method.to_uppercase(), path.clone()))
    });
    Ok(operations.collect())
}

/// The keys of a path item that are operations.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::PUT,
    Method::POST,
    Method::DELETE,
    Method::PATCH,
    Method::HEAD,
    Method::OPTIONS,
];

#[tokio::test(flavor = "multi_thread")]
async fn every_route_knows_its_callers() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let rows = rows()?;
    let document = world.anonymous().get("/openapi.json").await?.expect(200)?;
    let documented = documented(&document)?;
    let listed: BTreeSet<(String, String)> = rows
        .iter()
        .map(|row| (row.method.to_string(), row.template.clone()))
        .collect();
    ensure!(
        listed == documented,
        "routes without a row: {:?}\nrows without a route: {:?}",
        &documented - &listed,
        &listed - &documented
    );

    let cast = cast(&world).await?;
    let mut wrong = Vec::new();
    // Whoever may not send a body is told so before it is read. Of progress, the body itself says in which course.
    for row in rows.iter().filter(|row| row.body != "-") {
        for (caller, expected) in row.expected.iter().enumerate() {
            let told_by_body = *expected != 401 && row.path.starts_with("/progress/");
            if !matches!(expected, 401 | 403 | 404) || told_by_body {
                continue;
            }
            let status = cast.begin(row, caller).await?;
            if status != *expected {
                wrong.push(format!(
                    "{} {} as {}, before its body: {status} instead of {expected}",
                    row.method, row.path, CALLERS[caller]
                ));
            }
        }
    }
    for row in &rows {
        for (caller, expected) in row.expected.iter().enumerate() {
            let reply = cast.call(row, caller).await?;
            if reply.status != *expected {
                wrong.push(format!(
                    "{} {} as {}: {} instead of {expected}: {}",
                    row.method, row.path, CALLERS[caller], reply.status, reply.body
                ));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
