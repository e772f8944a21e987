//! What the services next door would answer, a few lines each.

use std::{
    collections::HashMap,
    future::{Ready, ready},
    sync::{Arc, Mutex},
};

use smartcourse_proto::{
    course::{Content, Course, CourseRef, CourseStatus, GetContentRequest, Manifest, ManifestRequest},
    enrollment::{Access, AccessRequest},
    user::{GetUserRequest, User},
};
use smartcourse_tests::Neighbours;
use tonic::Status;

use crate::harness::{COURSE, OWNER};

/// What the services next door would answer.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) published: Option<i32>,
    pub(crate) access: HashMap<i64, Access>,
    /// Who is still enrolled once a drop under way has ended, where that differs from `access`.
    pub(crate) settled: HashMap<i64, bool>,
    pub(crate) versions: Vec<Content>,
}

impl Known {
    fn content(&self, version: i32) -> Result<Content, Status> {
        let found = self.versions.iter().find(|content| content.version == version);
        found.cloned().ok_or_else(|| Status::not_found("no such version"))
    }
}

pub(crate) type Shared = Arc<Mutex<Known>>;

/// Held while a drop is under way.
pub(crate) type Turn = Arc<tokio::sync::Mutex<()>>;

/// The three services next door.
pub(crate) fn next_door(known: &Shared, turn: &Turn) -> Neighbours {
    let turn = Arc::clone(turn);
    let settle = unary(known, settle_access);
    Neighbours::default()
        .answer(
            "smartcourse.course.CourseService/GetCourse",
            unary(known, get_course),
        )
        .answer(
            "smartcourse.course.CourseService/GetContent",
            unary(known, get_content),
        )
        .answer(
            "smartcourse.course.CourseService/GetManifest",
            unary(known, get_manifest),
        )
        .answer(
            "smartcourse.enrollment.EnrollmentService/GetAccess",
            unary(known, get_access),
        )
        .answer(
            "smartcourse.enrollment.EnrollmentService/SettleAccess",
            move |request| {
                let (turn, settle) = (Arc::clone(&turn), settle.clone());
                async move {
                    // Answers when no drop is under way.
                    let _turn = turn.lock().await;
                    settle(request).await
                }
            },
        )
        .answer("smartcourse.user.UserService/GetUser", unary(known, get_user))
}

/// An answer from what is known.
fn unary<Q, A>(
    known: &Shared,
    answer: fn(&Known, Q) -> Result<A, Status>,
) -> impl Fn(Q) -> Ready<Result<A, Status>> + Clone + use<Q, A> {
    let known = Arc::clone(known);
    move |request| ready(answer(&known.lock().expect("not poisoned"), request))
}

fn get_course(next: &Known, request: CourseRef) -> Result<Course, Status> {
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

fn get_content(next: &Known, request: GetContentRequest) -> Result<Content, Status> {
    next.content(request.version.unwrap_or_default())
}

fn get_manifest(next: &Known, request: ManifestRequest) -> Result<Manifest, Status> {
    Ok(Manifest {
        content: Some(next.content(request.version)?),
        ..Manifest::default()
    })
}

fn get_access(next: &Known, request: AccessRequest) -> Result<Access, Status> {
    Ok(next.access.get(&request.user_id).copied().unwrap_or_default())
}

fn settle_access(next: &Known, request: AccessRequest) -> Result<Access, Status> {
    let access = get_access(next, request)?;
    Ok(Access {
        enrolled: *next.settled.get(&request.user_id).unwrap_or(&access.enrolled),
        ..access
    })
}

fn get_user(_: &Known, request: GetUserRequest) -> Result<User, Status> {
    Ok(User {
        id: request.id,
        full_name: format!("Learner {}", request.id),
        ..User::default()
    })
}
