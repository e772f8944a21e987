//! The events of an answer once more, for a reader who lost the connection.

use std::sync::Arc;

use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use smartcourse_platform::{Result, grpc::Actor};
use smartcourse_proto::assistant::{AskEvent, TurnRef};
use tonic::Status;

use super::conversations;
use crate::{State, events};

/// What came after the last event that arrived: of an answer under way as it comes about, of one that is kept at once.
pub(crate) async fn follow(
    state: &Arc<State>,
    actor: Actor,
    request: TurnRef,
) -> Result<BoxStream<'static, std::result::Result<AskEvent, Status>>> {
    let (user, id, n) = (actor.user()?, &request.conversation_id, request.n);
    let after = usize::try_from(request.after).unwrap_or_default();
    if let Some(events) = state.under_way.follow(user, id, n, after) {
        return Ok(events.map(Ok).boxed());
    }
    let turn = conversations::turn(state, user, id, n).await?;
    let events = events::of(&turn, n).into_iter().skip(after);
    Ok(stream::iter(events.map(Ok)).boxed())
}
