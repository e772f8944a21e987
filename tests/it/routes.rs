//! Every route against every kind of caller, as a table: a route of the document without a row fails, and so does a row
//! without a route.

mod cast;
mod schemathesis;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::Value;
use smartcourse_tests::{Layout, World};

use cast::cast;

use crate::executable;

/// The header of [`ROUTES`]' last columns: who calls. The service is the token of our own services, sent as a user's.
const CALLERS: [&str; 7] = [
    "nobody", "student", "enrolled", "owner", "other", "admin", "service",
];

/// Method and path, body, and the status for each of [`CALLERS`], in their order.
///
/// `{id:course}` is parameter `id` of the path with the id of [`Cast::value`] named `course`; `<course>` is the same
/// within a body or query. `@file` uploads a file, `@part` the bytes of a part. Rows go from top to bottom: what ends something stands below.
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
GET    /courses/{id:course}/lessons/{lid:talk}/transcript | - | 401 403 403 200 403 200 401
DELETE /courses/{id:draft}/modules/{mid:module}       | - | 401 404 404 204 404 204 401
POST   /courses/{id:draft}/assets                     | @file | 401 404 404 201 404 201 401
POST   /courses/{id:course}/assets                    | @file | 401 403 403 201 403 201 401
GET    /courses/{id:course}/assets/{aid:asset}        | - | 401 403 200 200 403 200 401
POST   /courses/{id:draft}/assets/uploads             | {"filename":"a.md","size_bytes":4} | 401 404 404 201 404 201 401
POST   /courses/{id:course}/assets/uploads            | {"filename":"a.md","size_bytes":4} | 401 403 403 201 403 201 401
GET    /courses/{id:course}/assets/uploads/{uid:upload} | - | 401 403 403 200 403 200 401
PUT    /courses/{id:course}/assets/uploads/{uid:upload}/parts/{n:first} | @part | 401 403 403 204 403 204 401
POST   /courses/{id:course}/assets/uploads/{uid:upload}/complete | - | 401 403 403 201 403 201 401
DELETE /courses/{id:course}/assets/uploads/{uid:upload} | - | 401 403 403 204 403 204 401

GET    /courses/{id:course}/publish                   | - | 401 403 403 200 403 200 401
GET    /courses/{id:course}/publish/events            | - | 401 403 403 200 403 200 401
GET    /courses/{id:course}/publish/preview           | - | 401 403 403 200 403 200 401
GET    /courses/{id:course}/versions                  | - | 401 403 403 200 403 200 401
DELETE /courses/{id:course}/publish                   | - | 401 403 403 409 403 409 401
POST   /courses/{id:copy}/versions/{n:first}/restore  | - | 401 403 403 202 403 202 401
POST   /courses/{id:copy}/publish                     | - | 401 403 403 202 403 202 401

GET    /search?q=saga                                 | - | 200 200 200 200 200 200 401
POST   /courses/{id:course}/ask                       | {"question":"What is a saga?"} | 401 403 200 200 403 200 401
GET    /courses/{id:course}/questions                 | - | 401 403 403 200 403 200 401
GET    /courses/{id:draft}/questions                  | - | 401 404 404 200 404 200 401
POST   /courses/{id:copy}/generate                    | {"kind":"summary"} | 401 403 403 202 403 202 401
GET    /courses/{id:course}/generate/{gid:generation} | - | 401 403 403 200 403 200 401
GET    /courses/{id:course}/generate/{gid:generation}/events | - | 401 403 403 200 403 200 401
POST   /courses/{id:course}/generate/{gid:generation}/accept | {"to_module_id":"m1"} | 401 403 403 201 403 201 401
DELETE /courses/{id:course}/generate/{gid:generation} | - | 401 403 403 409 403 409 401
GET    /conversations                                 | - | 401 200 200 200 200 200 401
GET    /conversations/{id:conversation}               | - | 401 404 200 404 404 404 401
GET    /conversations/{id:conversation}/turns/{n:first}/events | - | 401 404 200 404 404 404 401
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
POST   /admin/events/replay                           | {"group":"nobody"} | 401 403 403 403 403 202 401
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
