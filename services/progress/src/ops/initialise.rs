//! The step of the enrollment workflow that opens a learner's progress.
//!
//! A re-enrollment after a drop is a later epoch of the same enrollment: what was done stays done and the row takes the
//! new epoch. A course that was completed stays completed, with its certificate, and is announced as completed for the
//! new epoch too. An epoch that is not newer than the row's, or was left meanwhile, changes nothing.

use smartcourse_platform::{Error, Result, fault, grpc::Actor, outbox, postgres};
use smartcourse_proto::{common::EpochRef, enrollment::AccessRequest, user::GetUserRequest};

use crate::{State, completion, enrollments, learner, standing::Standing};

pub(crate) async fn initialise(state: &State, request: EpochRef) -> Result<()> {
    let current = sqlx::query_scalar!(
        "select epoch from progress.enrollments where enrollment_id = $1",
        request.enrollment_id
    )
    .fetch_optional(&state.pool)
    .await?;
    if current.is_some_and(|epoch| epoch >= request.epoch) {
        return Ok(());
    }
    let who = AccessRequest {
        course_id: request.course_id,
        user_id: request.user_id,
    };
    if learner::has_left(state, request.enrollment_id.into(), request.epoch, who).await? {
        return Ok(());
    }
    let user = GetUserRequest { id: request.user_id };
    let (course, user) = tokio::try_join!(learner::course(state, request.course_id.into()), async {
        Ok(state.user.get_user(Actor::Service.request(user)).await?)
    })?;

    let mut tx = postgres::begin(&state.pool).await?;
    // The row lock this takes, in either branch, is the one of all other writers.
    let raised = sqlx::query_scalar!(
        "insert into progress.enrollments as e (enrollment_id, epoch, course_id, user_id, full_name)
         values ($1, $2, $3, $4, $5)
         on conflict (enrollment_id) do update set epoch = excluded.epoch, full_name = excluded.full_name
         where e.epoch < excluded.epoch
         returning completed_version",
        request.enrollment_id,
        request.epoch,
        request.course_id,
        request.user_id,
        user.full_name
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(completed_version) = raised else {
        return Ok(());
    };
    let mut enrollment = enrollments::lock(&mut tx, request.enrollment_id.into())
        .await?
        .ok_or_else(|| Error::internal("an enrollment that was just written is not there"))?;
    match completed_version {
        Some(version) if !enrollment.dropped => {
            outbox::put_events(&mut tx, &[completion::completed(&enrollment, version)?]).await?;
        }
        Some(_) => {}
        None => {
            // A republish may have removed the last open lesson while the learner was away.
            let told = course.published_version.unwrap_or(0);
            let version = completion::newest(&mut tx, enrollment.course_id, told).await?;
            let standing = Standing::read(&mut tx, &enrollment, version).await?;
            completion::settle(&mut tx, &mut enrollment, &standing, &course.title).await?;
        }
    }
    fault::commit(tx, "progress.initialise_progress").await?;
    Ok(())
}
