//! What the gateway does by itself: the services behind it are one handler that notes the headers it gets and is never
//! available.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, Response, StatusCode, header},
};
use futures::StreamExt as _;
use serde_json::Value;
use smartcourse_gateway::{Dependencies, Errors, Files, Stubs, codes, config::CONFIG, router};
use smartcourse_platform::{
    config::Config,
    grpc::{Channels, LocalRouter, Transport},
    lifecycle::Lifecycle,
};
use smartcourse_tests::engines::{announcements, rate_limits::in_process::InProcess};
use tower::ServiceExt as _;

type Seen = Arc<Mutex<Vec<HeaderMap>>>;

fn gateway(settings: &[(&str, &str)]) -> (Router, Seen) {
    let settings = [&[("GRPC__SERVICE_TOKEN", "secret")], settings].concat();
    let settings: Vec<(String, String)> = settings
        .iter()
        .map(|(name, value)| (format!("SMARTCOURSE_{name}"), (*value).to_owned()))
        .collect();
    let config = Config::load(&[CONFIG], None, &settings).expect("the settings are valid");
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    let services = Router::new().fallback(async move |headers: HeaderMap| {
        notes.lock().expect("not poisoned").push(headers);
        tonic::Status::unavailable("down").into_http::<Body>()
    });
    let local = LocalRouter::default();
    local.set(services).expect("is empty");
    let to = || Transport::local(&config.grpc, Arc::clone(&local));
    let stubs = Stubs::new(&Channels::open(|_| Ok::<_, Infallible>(to())).expect("opens"));
    let deps = Dependencies {
        stubs,
        rate_limits: Arc::new(InProcess::default()),
        announcements: Arc::new(announcements::in_process::InProcess::default()),
        servers: tokio::sync::watch::channel(smartcourse_gateway::Servers::new()).1,
        errors: Errors {
            codes: codes::ALL.to_vec(),
            warnings: &[],
        },
        files: Files {
            max_bytes: 1024,
            extensions: vec!["md", "pdf"],
        },
    };
    (
        router(&config, deps, Lifecycle::default()).expect("is made"),
        seen,
    )
}

fn request(method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).expect("is a request")
}

async fn send(gateway: &Router, request: Request<Body>) -> Response<Body> {
    gateway.clone().oneshot(request).await.expect("always answers")
}

/// The problem of an answer, checked to be one.
async fn problem(response: Response<Body>) -> (StatusCode, Value) {
    let status = response.status();
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "application/problem+json"
    );
    let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("is read");
    let problem: Value = serde_json::from_slice(&bytes).expect("is JSON");
    assert_eq!(problem["status"], status.as_u16());
    assert!(problem["trace_id"].as_str().is_some_and(|id| !id.is_empty()));
    (status, problem)
}

#[tokio::test]
async fn every_refusal_is_a_problem() {
    let (gateway, _) = gateway(&[("GATEWAY__MAX_JSON_VALUES", "20")]);
    let long = format!("{{\"email\":\"{}\"}}", "x".repeat(20_000));
    let deep = format!("{{\"email\":{}", "[".repeat(40));
    let many = format!("{{\"email\":[0{}", ",0".repeat(30));
    let cases = [
        (Method::GET, "/nothing", "", 404, "not_found"),
        (Method::GET, "/courses/seven", "", 404, "not_found"),
        (Method::DELETE, "/courses", "", 405, "method_not_allowed"),
        (Method::PUT, "/livez", "", 405, "method_not_allowed"),
        (Method::POST, "/auth/login", "{", 400, "malformed_request"),
        (
            Method::POST,
            "/auth/login",
            r#"{"email":1}"#,
            422,
            "validation_failed",
        ),
        (Method::POST, "/auth/login", &long, 413, "body_too_large"),
        (Method::POST, "/auth/login", &deep, 413, "body_too_complex"),
        (Method::POST, "/auth/login", &many, 413, "body_too_complex"),
        (Method::GET, "/courses?limit=many", "", 422, "validation_failed"),
        (Method::GET, "/courses?level=wizard", "", 422, "validation_failed"),
        (Method::GET, "/search", "", 422, "validation_failed"),
        (Method::POST, "/courses", "{}", 401, "unauthenticated"),
        (Method::GET, "/courses/1/content", "", 401, "unauthenticated"),
        (Method::GET, "/courses", "", 503, "unavailable"),
    ];
    for (method, path, body, status, code) in cases {
        let answer = send(&gateway, request(method.clone(), path, &[], body)).await;
        let allow = answer.headers().contains_key(header::ALLOW);
        let (got, problem) = problem(answer).await;
        assert_eq!(
            (got.as_u16(), &problem["code"]),
            (status, &code.into()),
            "{method} {path}"
        );
        assert_eq!(allow, status == 405, "{method} {path}");
    }
}

/// A request whose body begins and never ends.
fn endless(method: Method, path: &str) -> Request<Body> {
    let begun = futures::stream::iter([Ok::<_, std::io::Error>("{\"email\":")]);
    let body = Body::from_stream(begun.chain(futures::stream::pending()));
    let request = Request::builder().method(method).uri(path);
    request.body(body).expect("is a request")
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let (gateway, seen) = gateway(&[("GATEWAY__BODY_IDLE_SECONDS", "1")]);
    let (status, refusal) = problem(send(&gateway, endless(Method::POST, "/auth/login")).await).await;
    assert_eq!((status.as_u16(), &refusal["code"]), (408, &"body_timeout".into()));
    assert!(seen.lock().expect("not poisoned").is_empty());
}

#[tokio::test]
async fn nobodys_body_is_not_waited_for() {
    let (gateway, _) = gateway(&[]);
    for (method, path) in [
        (Method::POST, "/courses"),
        (Method::PUT, "/courses/1/content"),
        (Method::POST, "/progress/lessons/l1/complete"),
        (Method::PUT, "/notifications/preferences"),
        (Method::POST, "/courses/1/assets"),
    ] {
        let answer = send(&gateway, endless(method, path)).await;
        assert_eq!(answer.headers()[header::CONNECTION], "close", "{path}");
        assert_eq!(problem(answer).await.0, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn what_anybody_may_send_takes_no_room_from_others() {
    // The least there may be: a body that took of it would find no room.
    let (gateway, seen) = gateway(&[
        ("GATEWAY__MAX_BODY_BYTES", "1"),
        ("GATEWAY__MAX_SMALL_BODY_BYTES", "1"),
        ("GATEWAY__MAX_JSON_VALUES", "3"),
        ("GATEWAY__BODY_MEMORY_BYTES", "769"),
    ]);
    let login = r#"{"email":"a@example.org","password":"long enough"}"#;
    send(&gateway, request(Method::POST, "/auth/login", &[], login)).await;
    assert!(
        !seen.lock().expect("not poisoned").is_empty(),
        "it reached its service"
    );
}

#[tokio::test]
async fn a_bad_token_is_refused_even_where_none_is_needed() {
    let (gateway, seen) = gateway(&[]);
    for value in [
        "Bearer nonsense",
        "Bearer eyJhbGciOiJub25lIn0.e30.",
        "Basic YTpi",
        "Bearer",
    ] {
        let answer = send(
            &gateway,
            request(Method::GET, "/courses", &[("authorization", value)], ""),
        )
        .await;
        assert!(answer.headers().contains_key(header::WWW_AUTHENTICATE));
        assert_eq!(problem(answer).await.0, StatusCode::UNAUTHORIZED, "{value}");
    }
    assert!(
        seen.lock().expect("not poisoned").is_empty(),
        "no service was asked"
    );
}

#[tokio::test]
async fn identity_from_outside_goes_nowhere() {
    let (gateway, seen) = gateway(&[]);
    let forged = [
        ("x-actor", "service"),
        ("x-service-token", "guess"),
        ("x-user-id", "1"),
        ("x-user-role", "admin"),
        ("cookie", "a=b"),
    ];
    // The list is asked for as the caller; one course is read once for all its readers, as the gateway itself.
    send(&gateway, request(Method::GET, "/courses", &forged, "")).await;
    let seen = seen.lock().expect("not poisoned");
    let [headers] = seen.as_slice() else {
        panic!("one call, not {}", seen.len())
    };
    assert_eq!(headers["x-actor"], "anonymous");
    // The service is in this process: no token is needed, and a forged one does not come through.
    for name in ["x-service-token", "x-user-id", "x-user-role", "cookie"] {
        assert!(!headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn limits_are_told_and_kept_and_probes_are_outside() {
    let (gateway, _) = gateway(&[
        ("GATEWAY__ADDRESS_RATE_PER_SECOND", "1"),
        ("GATEWAY__ADDRESS_BURST", "2"),
    ]);
    let ask = || request(Method::GET, "/courses", &[], "");
    let first = send(&gateway, ask()).await;
    assert_eq!(first.headers()["ratelimit-policy"], "\"address\";q=2;w=2");
    send(&gateway, ask()).await;
    let third = send(&gateway, ask()).await;
    assert_eq!(third.headers()[header::RETRY_AFTER], "1");
    assert_eq!(problem(third).await.1["code"], "too_many_requests");
    let alive = send(&gateway, request(Method::GET, "/livez", &[], "")).await;
    assert_eq!(alive.status(), StatusCode::OK);
}

#[tokio::test]
async fn readiness_names_what_is_down() {
    let (gateway, _) = gateway(&[]);
    let answer = send(
        &gateway,
        request(Method::GET, "/readyz", &[("x-request-id", "mine")], ""),
    )
    .await;
    assert_eq!(answer.headers()["x-request-id"], "mine");
    let (status, problem) = problem(answer).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(problem["down"].as_array().map(Vec::len), Some(9));
}

/// What a page loads and leads to.
fn references(page: &str) -> impl Iterator<Item = &str> {
    let attributes = ["src=\"", "href=\""].into_iter();
    attributes
        .flat_map(|attribute| page.split(attribute).skip(1))
        .filter_map(|rest| rest.split('"').next())
}

#[tokio::test]
async fn the_pages_need_no_service() {
    let (gateway, _) = gateway(&[]);
    for path in ["/docs", "/docs/errors", "/openapi.json"] {
        let answer = send(&gateway, request(Method::GET, path, &[], "")).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        if path.starts_with("/docs") {
            let policy = answer.headers()[header::CONTENT_SECURITY_POLICY]
                .to_str()
                .expect("is text");
            assert!(
                policy.contains("default-src 'none'; script-src 'self'; style-src 'self';")
                    && !policy.contains("unsafe"),
                "{policy}"
            );
        }
        let bytes = to_bytes(answer.into_body(), usize::MAX).await.expect("is read");
        let text = String::from_utf8(bytes.to_vec()).expect("is text");
        for reference in references(&text) {
            assert!(
                reference.starts_with('/') || reference == "data:,",
                "{path} refers to {reference}"
            );
            if reference.starts_with('/') {
                let answer = send(&gateway, request(Method::GET, reference, &[], "")).await;
                assert_eq!(answer.status(), StatusCode::OK, "{reference} of {path}");
            }
        }
        if path == "/openapi.json" {
            for limit in ["At most 4194304 bytes, 32 levels deep", "At most 262144 bytes"] {
                assert!(text.contains(limit), "{limit}");
            }
        }
    }
}
