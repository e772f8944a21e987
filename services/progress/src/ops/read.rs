//! Reading progress: one's own, or, for the course's owner and administrators, a student's.

use smartcourse_platform::{Error, Result, grpc::Actor};
use smartcourse_proto::{
    course::CourseStatus,
    ids::{CourseId, UserId},
    progress::{CourseProgress, GetProgressRequest},
};

use crate::{State, codes, enrollments, learner, standing::Standing};

pub(crate) async fn get(state: &State, actor: Actor, request: GetProgressRequest) -> Result<CourseProgress> {
    let user = actor.user()?;
    if request.user_id == 0 || request.user_id == user.0 {
        own(state, user, request.course_id.into()).await
    } else {
        of_student(state, actor, request.course_id.into(), request.user_id.into()).await
    }
}

async fn own(state: &State, user: UserId, course_id: CourseId) -> Result<CourseProgress> {
    let learner = learner::learner(state, user, course_id).await?;
    let mut connection = state.pool.acquire().await?;
    let row = enrollments::find(&mut connection, course_id, user).await?;
    let enrollment = learner.ready(row)?;
    let standing = Standing::read(&mut connection, &enrollment, learner.version).await?;
    Ok(standing.into_progress(&enrollment))
}

/// What a student has done, also after a drop.
async fn of_student(
    state: &State,
    actor: Actor,
    course_id: CourseId,
    student: UserId,
) -> Result<CourseProgress> {
    let course = learner::course(state, course_id).await?;
    if !actor.owns(UserId(course.instructor_id)) {
        return Err(match course.status() {
            CourseStatus::Published => Error::new(
                &codes::FORBIDDEN,
                "only the course's owner sees the progress of others",
            ),
            _ => learner::hidden(course_id),
        });
    }
    // No connection is held while another service is asked: it may be waiting for one of ours.
    let found = enrollments::find(&mut *state.pool.acquire().await?, course_id, student).await?;
    let Some(enrollment) = found else {
        return Err(if learner::enrolled(state, course_id, student).await?.enrolled {
            learner::not_ready()
        } else {
            Error::new(&codes::NOT_FOUND, "this user is not enrolled in the course")
        });
    };
    let version = course.published_version.unwrap_or(0);
    let standing = Standing::read(&mut *state.pool.acquire().await?, &enrollment, version).await?;
    Ok(standing.into_progress(&enrollment))
}
