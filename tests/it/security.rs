//! Whom we believe: tokens that are not ours, headers from outside, and calls past the gateway.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use serde_json::json;
use smartcourse_platform::grpc::{Actor, Transport};
use smartcourse_proto::{ids::UserId, user::Role};
use smartcourse_tests::{Layout, World, wait_for};
use smartcourse_workflows::{
    activities::{GENERATING, ONBOARDING, PUBLISHING, RequestReport, UPKEEP},
    contract::Activity as _,
};
use tonic::{Code, Request, Status, body::Body, client::Grpc, transport::Endpoint};

use crate::executable;

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

    // A change that the gateway has no part in ends them a moment later, and never the new ones.
    let third = world.sign_up("student").await?;
    ensure!(third.get("/auth/me").await?.status == 200);
    let mut again = third.clone();
    let (granted, told) = world.run(&["admin", "grant", &third.email])?;
    ensure!(granted, "{told}");
    again.sign_in().await?;
    ensure!(
        again.get("/admin/events/failed").await?.status == 200,
        "the new role's token is refused"
    );
    wait_for("the old token's end", async || {
        let status = third.get("/auth/me").await?.status;
        Ok(if status == 401 {
            Ok(())
        } else {
            Err(status.to_string())
        })
    })
    .await?;
    ensure!(
        again.get("/admin/events/failed").await?.status == 200,
        "the new role's token is refused"
    );
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

/// What only the reconciler, the activities' wrapper and other services may call.
const INTERNAL: [&str; 22] = [
    "user.list_ended_sessions",
    "course.get_courses",
    "course.get_manifest",
    "course.get_workers",
    "course.list_open_attempts",
    "course.list_publish_marks",
    "course.report_step",
    "course.report_worker",
    "course.restart_attempt",
    "assistant.list_open_generations",
    "assistant.report_generation",
    "assistant.restart_generation",
    "assistant.sweep",
    "content.list_candidates",
    "content.list_readable_lessons",
    "content.read_lesson",
    "enrollment.list_open_onboardings",
    "enrollment.report_onboarding",
    "enrollment.restart_onboarding",
    "enrollment.settle_access",
    "notification.sweep",
    "progress.leave",
];

/// `course.get_courses` and `/smartcourse.course.CourseService/GetCourses` are one: `course.getcourses`.
fn plain(service: &str, rpc: &str) -> String {
    format!("{service}.{}", rpc.replace('_', "").to_lowercase())
}

/// Every RPC of ours, as `/smartcourse.course.CourseService/GetCourse`, by the service's name.
fn rpcs() -> Result<Vec<(String, String)>> {
    let files = FileDescriptorSet::decode(smartcourse_proto::DESCRIPTORS)?.file;
    let mut rpcs = Vec::new();
    for file in files {
        let Some(name) = file.package().strip_prefix("smartcourse.").map(str::to_owned) else {
            continue;
        };
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                rpcs.push((name.clone(), path));
            }
        }
    }
    Ok(rpcs)
}

/// Calls with an empty message.
async fn call<T>(transport: T, actor: Actor, path: &str) -> Result<Result<(), Status>>
where
    T: tonic::client::GrpcService<Body>,
    T::ResponseBody:
        tonic::transport::Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let mut client = Grpc::new(transport);
    if client.ready().await.is_err() {
        anyhow::bail!("{path}: nobody answers");
    }
    let request: Request<()> = actor.request(());
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    Ok(client.unary(request, path.parse()?, codec).await.map(drop))
}

#[tokio::test(flavor = "multi_thread")]
async fn services_believe_only_those_who_know_the_token() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let config = crate::config::load(None, &world.settings())?;
    // An administrator may do whatever any user may.
    let admin = Actor::User {
        id: UserId(world.admin().await?.id),
        role: Role::Admin,
    };
    let mut internal = BTreeSet::new();
    for (service, path) in rpcs()? {
        let address = world
            .settings()
            .into_iter()
            .find_map(|(key, value)| {
                key.ends_with(&format!("GRPC__{}", service.to_uppercase()))
                    .then_some(value)
            })
            .with_context(|| format!("where is {service}?"))?;
        let stranger = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
        for actor in [Actor::Service, admin] {
            let answer = call(stranger.clone(), actor, &path).await?;
            ensure!(
                answer
                    .as_ref()
                    .is_err_and(|status| status.code() == Code::Unauthenticated),
                "{path} without the token: {answer:?}"
            );
        }
        let answer = call(Transport::remote(&config.grpc, &address)?, admin, &path).await?;
        if answer.is_err_and(|status| status.message().contains("only services of ours may call this")) {
            internal.insert(plain(&service, path.rsplit('/').next().unwrap_or_default()));
        }
    }
    // Administrators ask for reports, too.
    let contracts = [PUBLISHING, ONBOARDING, GENERATING, UPKEEP].into_iter();
    let activities = contracts
        .flat_map(|contract| contract.activities.iter().chain(contract.apart))
        .map(|activity| activity.name)
        .filter(|name| *name != RequestReport::DECLARATION.name);
    let expected: BTreeSet<String> = activities
        .chain(INTERNAL)
        .filter_map(|name| name.split_once('.'))
        .map(|(service, rpc)| plain(service, rpc))
        .collect();
    ensure!(
        internal == expected,
        "open to users: {:?}\nnot listed: {:?}",
        &expected - &internal,
        &internal - &expected
    );
    Ok(())
}
