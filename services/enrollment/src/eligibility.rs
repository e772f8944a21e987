//! Who may hold a seat. Over HTTP the access token says it; whoever names somebody else, in any other way, is asked
//! the user service about.

use smartcourse_platform::{Error, Result, grpc::Actor};
use smartcourse_proto::{
    ids::UserId,
    user::{GetUserRequest, Role},
};

use crate::{State, codes};

/// Refuses a user who is not there, or is no student. Asked before any lock is taken.
pub(crate) async fn require_student(state: &State, user_id: UserId) -> Result<()> {
    let request = Actor::Service.request(GetUserRequest { id: user_id.0 });
    let user = state.user.get_user(request).await?;
    if user.role() == Role::Student {
        return Ok(());
    }
    Err(Error::new(
        &codes::NOT_A_STUDENT,
        format!("user {user_id} is no student"),
    ))
}
