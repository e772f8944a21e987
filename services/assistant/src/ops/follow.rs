//! The events of an answer once more, for a reader who lost the connection.

use std::{sync::Arc, time::Instant};

use async_stream::try_stream;
use futures::{Stream, StreamExt as _, stream::BoxStream};
use smartcourse_platform::{Error, Result, grpc::Actor};
use smartcourse_proto::{
    assistant::{AskEvent, AskEventKind, TurnRef},
    ids::UserId,
};
use tokio::time::sleep;
use tonic::Status;

use super::{conversations, elsewhere};
use crate::{State, codes, events};

/// What came after the last event that arrived: of an answer under way as it comes about, of one that is kept at once.
/// The stream fails with `not_found` when it is neither, and with `unavailable` when it breaks off.
pub(crate) fn follow(
    state: &Arc<State>,
    actor: Actor,
    request: TurnRef,
) -> Result<BoxStream<'static, std::result::Result<AskEvent, Status>>> {
    let after = usize::try_from(request.after).unwrap_or_default();
    let events = told(
        Arc::clone(state),
        actor.user()?,
        request.conversation_id,
        request.n,
        after,
    );
    Ok(events.map(|event| event.map_err(Status::from)).boxed())
}

fn told(
    state: Arc<State>,
    user: UserId,
    conversation: String,
    turn: i32,
    after: usize,
) -> impl Stream<Item = Result<AskEvent>> + Send {
    try_stream! {
        let (begun, mut seen, mut was_told) = (Instant::now(), after, false);
        if let Some(mut here) = state.under_way.follow(user, &conversation, turn, after).map(Box::pin) {
            was_told = true;
            while let Some(event) = here.next().await {
                seen += 1;
                let is_last = event.kind() == AskEventKind::Done;
                yield event;
                if is_last {
                    return;
                }
            }
        }
        loop {
            if let Some(events) = elsewhere::shown(&state.pool, user, &conversation, turn).await? {
                was_told = true;
                for event in events.into_iter().skip(seen) {
                    seen += 1;
                    yield event;
                }
            } else {
                match conversations::turn(&state, user, &conversation, turn).await {
                    Ok(kept) => {
                        for event in events::of(&kept, turn).into_iter().skip(seen) {
                            yield event;
                        }
                        return;
                    }
                    // It broke off, or whoever tells it is away: who comes back may find it kept.
                    Err(error) if error.is(&codes::NOT_FOUND) && was_told => {
                        Err(Error::new(&codes::UNAVAILABLE, "the answer was cut off"))?;
                    }
                    Err(error) if error.is(&codes::NOT_FOUND) && begun.elapsed() < elsewhere::GRACE => {}
                    Err(error) => Err(error)?,
                }
            }
            sleep(elsewhere::PACE).await;
        }
    }
}
