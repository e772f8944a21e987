//! Who may do what with a course, where the answer needs more than one service.

use smartcourse_platform::{Error, Result, grpc::Actor};
use smartcourse_proto::{
    course::{Course, CourseRef, CourseStatus},
    enrollment::AccessRequest,
    ids::UserId,
};

use crate::{codes, state::App};

/// The course, whoever asks: the gateway's own look before it decides.
pub(crate) async fn course(app: &App, id: i64) -> Result<Course> {
    let request = Actor::Service.request(CourseRef { id });
    Ok(app.stubs.course.get_course(request).await?)
}

/// `Ok` for the course's instructor and administrators.
pub(crate) async fn require_owner(app: &App, actor: Actor, course_id: i64) -> Result<()> {
    actor.user()?;
    let course = course(app, course_id).await?;
    if actor.owns(UserId(course.instructor_id)) {
        return Ok(());
    }
    Err(match course.status() {
        CourseStatus::Published => Error::new(&codes::FORBIDDEN, "this course belongs to another instructor"),
        _ => hidden(course_id),
    })
}

/// `Ok` when this caller may know of the course: everybody of a published one, the owner and administrators of any.
pub(crate) fn require_visible(actor: Actor, course: &Course) -> Result<()> {
    if course.status() == CourseStatus::Published || actor.owns(UserId(course.instructor_id)) {
        return Ok(());
    }
    Err(hidden(course.id))
}

/// `Ok` for readers: the owner, administrators and whoever is enrolled.
pub(crate) async fn require_reader(app: &App, actor: Actor, course_id: i64) -> Result<()> {
    let user_id = actor.user()?;
    let course = course(app, course_id).await?;
    if actor.owns(UserId(course.instructor_id)) {
        return Ok(());
    }
    let request = Actor::Service.request(AccessRequest {
        course_id,
        user_id: user_id.0,
    });
    let access = app.stubs.enrollment.get_access(request).await?;
    match (access.enrolled, course.status()) {
        (true, _) => Ok(()),
        (false, CourseStatus::Published) => Err(Error::new(
            &codes::NOT_ENROLLED,
            "enroll in the course to read its content",
        )),
        (false, _) => Err(hidden(course_id)),
    }
}

/// The answer for a course this caller may not know of: the same as for one that is not there.
pub(crate) fn hidden(course_id: i64) -> Error {
    Error::new(&codes::NOT_FOUND, format!("there is no course {course_id}"))
}
