//! Who may do what: tokens that are not ours, and every route against every kind of caller.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use smartcourse_tests::{Layout, World};

use crate::{LESSONS, executable};

#[tokio::test(flavor = "multi_thread")]
async fn forged_and_old_tokens_are_refused() -> Result<()> {
    let world = World::start_with(
        executable(),
        Layout::Together,
        &[("USER__ACCESS_TOKEN_SECONDS", "-1")],
    )
    .await?;
    let expired = world.sign_up("student").await?;
    ensure!(
        expired.get("/auth/me").await?.status == 401,
        "an expired token was taken"
    );

    let mut forged = world.anonymous();
    // {"alg":"none"} and a body that names an administrator.
    forged.token =
        "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiIxIiwicm9sZSI6ImFkbWluIiwiZXhwIjo5OTk5OTk5OTk5fQ."
            .to_owned();
    ensure!(
        forged.get("/auth/me").await?.code() == "unauthenticated",
        "alg:none was taken"
    );
    forged.token = "not.a.token".to_owned();
    ensure!(
        forged.get("/courses").await?.status == 401,
        "a bad token on a public route must not pass for no token"
    );

    let as_admin =
        json!({"email": "x@example.org", "password": "long enough", "full_name": "X", "role": "admin"});
    ensure!(
        world.anonymous().post("/auth/register", &as_admin).await?.status == 422,
        "somebody registered as an administrator"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_refresh_token_ends_its_family_and_a_new_role_ends_all_tokens() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let user = world.sign_up("student").await?;
    let first = json!({"refresh_token": user.refresh_token});
    let rotated = user.post("/auth/refresh", &first).await?.expect(200)?;
    ensure!(
        user.post("/auth/refresh", &first).await?.code() == "refresh_revoked",
        "a used token was taken again"
    );
    let second = json!({"refresh_token": rotated["refresh_token"]});
    ensure!(
        user.post("/auth/refresh", &second).await?.code() == "refresh_revoked",
        "its family lives on"
    );

    let admin = world.admin().await?;
    let other = world.sign_up("student").await?;
    ensure!(other.get("/auth/me").await?.status == 200);
    ensure!(
        other
            .put(&format!("/users/{}/role", other.id), &json!({"role": "admin"}))
            .await?
            .status
            == 403
    );
    admin
        .put(
            &format!("/users/{}/role", other.id),
            &json!({"role": "instructor"}),
        )
        .await?
        .expect(200)?;
    ensure!(
        other.get("/auth/me").await?.status == 401,
        "the old role's token still works"
    );
    Ok(())
}

/// Expected status for: nobody, a student, the owner, another instructor, an administrator.
type Row = (&'static str, &'static str, Value, [u16; 5]);

fn rows(course: i64, draft: i64) -> Vec<Row> {
    let c = |path: &str| -> &'static str {
        path.replace("{c}", &course.to_string())
            .replace("{d}", &draft.to_string())
            .leak()
    };
    let module = json!({"title": "M"});
    vec![
        ("GET", c("/courses"), Value::Null, [200; 5]),
        ("GET", c("/courses/{c}"), Value::Null, [200; 5]),
        ("GET", c("/courses/{d}"), Value::Null, [404, 404, 200, 404, 200]),
        (
            "GET",
            c("/courses/{c}/content"),
            Value::Null,
            [401, 403, 200, 403, 200],
        ),
        (
            "POST",
            c("/courses/{c}/ask"),
            json!({"question": "What is a saga?"}),
            [401, 403, 200, 403, 200],
        ),
        (
            "POST",
            c("/courses"),
            json!({"title": "T", "description": "D"}),
            [401, 403, 201, 201, 201],
        ),
        (
            "PATCH",
            c("/courses/{d}"),
            json!({"title": "T"}),
            [401, 403, 200, 403, 200],
        ),
        (
            "PUT",
            c("/courses/{d}/status"),
            json!({"status": "draft"}),
            [401, 403, 200, 403, 200],
        ),
        (
            "POST",
            c("/courses/{d}/modules"),
            module,
            [401, 403, 201, 403, 201],
        ),
        (
            "GET",
            c("/courses/{c}/publish"),
            Value::Null,
            [401, 403, 200, 403, 200],
        ),
        (
            "GET",
            c("/courses/{c}/publish/preview"),
            Value::Null,
            [401, 403, 200, 403, 200],
        ),
        (
            "GET",
            c("/courses/{c}/versions"),
            Value::Null,
            [401, 403, 200, 403, 200],
        ),
        (
            "POST",
            c("/courses/{c}/versions/9/restore"),
            Value::Null,
            [401, 403, 404, 403, 404],
        ),
        (
            "DELETE",
            c("/courses/{c}/publish"),
            Value::Null,
            [401, 403, 409, 403, 409],
        ),
        (
            "DELETE",
            c("/courses/{c}"),
            Value::Null,
            [401, 403, 409, 403, 409],
        ),
        (
            "GET",
            c("/courses/{c}/assets/a-none"),
            Value::Null,
            [401, 403, 404, 403, 404],
        ),
        ("GET", c("/auth/me"), Value::Null, [401, 200, 200, 200, 200]),
        ("GET", c("/conversations"), Value::Null, [401, 200, 200, 200, 200]),
        (
            "GET",
            c("/conversations/c-none"),
            Value::Null,
            [401, 404, 404, 404, 404],
        ),
        (
            "DELETE",
            c("/conversations/c-none"),
            Value::Null,
            [401, 404, 404, 404, 404],
        ),
        (
            "PUT",
            c("/users/0/role"),
            json!({"role": "student"}),
            [401, 403, 403, 403, 404],
        ),
        ("GET", c("/search?q=saga"), Value::Null, [200; 5]),
        ("GET", c("/livez"), Value::Null, [200; 5]),
        ("GET", c("/readyz"), Value::Null, [200; 5]),
        ("GET", c("/openapi.json"), Value::Null, [200; 5]),
        ("GET", c("/docs"), Value::Null, [200; 5]),
        ("GET", c("/.well-known/jwks.json"), Value::Null, [200; 5]),
        ("GET", c("/nowhere"), Value::Null, [404; 5]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_knows_its_callers() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let owner = world.sign_up("instructor").await?;
    let course = owner.course(&LESSONS).await?;
    ensure!(owner.publish(course).await?["state"] == "completed");
    let draft = owner.course(&LESSONS).await?;
    let callers = [
        world.anonymous(),
        world.sign_up("student").await?,
        owner,
        world.sign_up("instructor").await?,
        world.admin().await?,
    ];
    let mut wrong = Vec::new();
    for (method, path, body, expected) in rows(course, draft) {
        for (caller, expected) in callers.iter().zip(expected) {
            let mut request = caller.request(method.parse()?, path);
            if !body.is_null() {
                request = request.json(&body);
            }
            let reply = caller.send(request).await?;
            if reply.status != expected {
                wrong.push(format!(
                    "{method} {path} as {}: {} instead of {expected}: {}",
                    caller.id, reply.status, reply.body
                ));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_headers_from_outside_mean_nothing() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let stranger = world.anonymous();
    let request = stranger
        .request(reqwest::Method::GET, "/auth/me")
        .header("x-actor", "service")
        .header("x-user-id", "1");
    ensure!(stranger.send(request).await?.status == 401);
    let request = stranger
        .request(reqwest::Method::POST, "/courses")
        .header("x-actor", "user:1:admin")
        .json(&json!({"title": "T", "description": "D"}));
    ensure!(stranger.send(request).await?.status == 401);
    Ok(())
}
