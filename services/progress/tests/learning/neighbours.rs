//! What the services next door would answer, a few lines each.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    routing::post,
};
use smartcourse_proto::{
    course::{Content, Course, CourseRef, CourseStatus, GetContentRequest, Manifest, ManifestRequest},
    enrollment::{Access, AccessRequest},
    user::{GetUserRequest, User},
};
use tonic::{Response, Status, server::Grpc};
use tonic_prost::ProstCodec;

use crate::house::{COURSE, OWNER};

/// What the services next door would answer.
#[derive(Default)]
pub(crate) struct Neighbours {
    pub(crate) published: Option<i32>,
    pub(crate) access: HashMap<i64, Access>,
    /// Who is still enrolled once a drop under way has ended, where that differs from `access`.
    pub(crate) settled: HashMap<i64, bool>,
    pub(crate) versions: Vec<Content>,
}

impl Neighbours {
    fn content(&self, version: i32) -> Result<Content, Status> {
        let found = self.versions.iter().find(|content| content.version == version);
        found.cloned().ok_or_else(|| Status::not_found("no such version"))
    }
}

pub(crate) type Shared = Arc<Mutex<Neighbours>>;

/// Held while a drop is under way.
pub(crate) type Turn = Arc<tokio::sync::Mutex<()>>;

/// The three services next door.
pub(crate) fn next_door(neighbours: &Shared, turn: &Turn) -> Router {
    let course = "/smartcourse.course.CourseService";
    Router::new()
        .route(&format!("{course}/GetCourse"), unary(neighbours, get_course))
        .route(&format!("{course}/GetContent"), unary(neighbours, get_content))
        .route(&format!("{course}/GetManifest"), unary(neighbours, get_manifest))
        .route(
            "/smartcourse.enrollment.EnrollmentService/GetAccess",
            unary(neighbours, get_access),
        )
        .route(
            "/smartcourse.enrollment.EnrollmentService/SettleAccess",
            unary(neighbours, settle_access).layer(from_fn_with_state(Arc::clone(turn), wait)),
        )
        .route(
            "/smartcourse.user.UserService/GetUser",
            unary(neighbours, get_user),
        )
}

/// Answers when no drop is under way.
async fn wait(State(turn): State<Turn>, request: Request, next: Next) -> axum::response::Response {
    let _turn = turn.lock().await;
    next.run(request).await
}

/// A unary method as a route.
fn unary<Q, A>(
    neighbours: &Shared,
    answer: fn(&Neighbours, Q) -> Result<A, Status>,
) -> axum::routing::MethodRouter
where
    Q: prost::Message + Default + Send + 'static,
    A: prost::Message + Default + Send + 'static,
{
    let neighbours = Arc::clone(neighbours);
    post(async move |request: Request| {
        let service = tower::service_fn(move |request: tonic::Request<Q>| {
            let reply = answer(&neighbours.lock().expect("not poisoned"), request.into_inner());
            async move { reply.map(Response::new) }
        });
        Grpc::new(ProstCodec::default()).unary(service, request).await
    })
}

fn get_course(next: &Neighbours, request: CourseRef) -> Result<Course, Status> {
    let status = if next.published.is_some() {
        CourseStatus::Published
    } else {
        CourseStatus::Draft
    };
    (request.id == COURSE)
        .then(|| Course {
            id: COURSE,
            title: "Durable Workflows".to_owned(),
            instructor_id: OWNER,
            status: status.into(),
            published_version: next.published,
            ..Course::default()
        })
        .ok_or_else(|| Status::not_found("no such course"))
}

fn get_content(next: &Neighbours, request: GetContentRequest) -> Result<Content, Status> {
    next.content(request.version.unwrap_or_default())
}

fn get_manifest(next: &Neighbours, request: ManifestRequest) -> Result<Manifest, Status> {
    Ok(Manifest {
        content: Some(next.content(request.version)?),
        ..Manifest::default()
    })
}

fn get_access(next: &Neighbours, request: AccessRequest) -> Result<Access, Status> {
    Ok(next.access.get(&request.user_id).copied().unwrap_or_default())
}

fn settle_access(next: &Neighbours, request: AccessRequest) -> Result<Access, Status> {
    let access = get_access(next, request)?;
    Ok(Access {
        enrolled: *next.settled.get(&request.user_id).unwrap_or(&access.enrolled),
        ..access
    })
}

fn get_user(_: &Neighbours, request: GetUserRequest) -> Result<User, Status> {
    Ok(User {
        id: request.id,
        full_name: format!("Learner {}", request.id),
        ..User::default()
    })
}
