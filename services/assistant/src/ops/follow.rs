//! The events of an answer once more, for a reader who lost the connection.

use std::sync::Arc;

use futures::{StreamExt as _, stream::BoxStream};
use smartcourse_platform::{Result, grpc::Actor};
use smartcourse_proto::assistant::{AskEvent, TurnRef};
use tonic::Status;

use super::elsewhere;
use crate::State;

/// What came after the last event that arrived: of an answer under way as it comes about, of one that is kept at once.
pub(crate) fn follow(
    state: &Arc<State>,
    actor: Actor,
    request: TurnRef,
) -> Result<BoxStream<'static, std::result::Result<AskEvent, Status>>> {
    let (user, id, n) = (actor.user()?, request.conversation_id, request.n);
    let after = usize::try_from(request.after).unwrap_or_default();
    Ok(match state.under_way.follow(user, &id, n, after) {
        Some(events) => events.map(Ok).boxed(),
        None => elsewhere::follow(Arc::clone(state), user, id, n, after)
            .map(|event| event.map_err(Status::from))
            .boxed(),
    })
}
