//! The welcome of an enrollment: a step of the workflow that onboards a student.

use smartcourse_platform::{Result, fault, grpc::Actor, postgres};
use smartcourse_proto::{common::EpochRef, enrollment::AccessRequest};

use crate::{
    State,
    message::{self, Message, Template},
};

/// Queues the welcome of an epoch; a second call has no effect.
pub(crate) async fn queue(state: &State, welcome: EpochRef) -> Result<()> {
    let who = AccessRequest {
        course_id: welcome.course_id,
        user_id: welcome.user_id,
    };
    let access = state.enrollment.get_access(Actor::Service.request(who)).await?;
    // Whoever has left since, or came back as another epoch, is not welcomed for this one.
    if !access.enrolled || access.epoch != welcome.epoch {
        return Ok(());
    }
    let message = Message {
        template: Template::Welcome,
        user_id: welcome.user_id.into(),
        course_id: welcome.course_id.into(),
        course_title: None,
        certificate: None,
    };
    let cause = format!("enrollment-{}/{}", welcome.enrollment_id, welcome.epoch);
    let mut tx = postgres::begin(&state.pool).await?;
    message::queue(&mut tx, state.deps.channels, &cause, &message).await?;
    fault::commit(tx, "notification.queue_welcome_mail").await?;
    Ok(())
}
