//! Events some consumer group could not take.

use smartcourse_platform::{
    Error, Result,
    error::codes,
    events::parked::{self, Parked},
    page,
};
use smartcourse_proto::{
    json::timestamp::from_time,
    operations::{FailedEvent, FailedEventPage, FailedEventsRequest, ReplayEventRequest, ReplayedEvent},
};
use uuid::Uuid;

use crate::State;

/// Parked events, in the order of the log.
pub(crate) async fn list(state: &State, request: FailedEventsRequest) -> Result<FailedEventPage> {
    let limit = page::limit(request.limit)?;
    let after = page::decode(&request.cursor)?.unwrap_or_default();
    let mut items = parked::list(&state.pool, &after, limit + 1).await?;
    let next_cursor = page::cut(&mut items, limit, |item| (item.position, item.group_name.clone()));
    Ok(FailedEventPage {
        items: items.into_iter().map(failed).collect(),
        next_cursor,
    })
}

fn failed(parked: Parked) -> FailedEvent {
    FailedEvent {
        id: parked.event_id.to_string(),
        group: parked.group_name,
        r#type: parked.event_type,
        key: parked.key,
        tries: parked.tries,
        reason: parked.reason,
        retrying: parked.retrying,
        next_try_at: parked.retrying.then(|| from_time(parked.next_try_at)),
        created_at: Some(from_time(parked.created_at)),
    }
}

/// Gives a parked event all its tries again.
pub(crate) async fn replay(state: &State, request: ReplayEventRequest) -> Result<ReplayedEvent> {
    let missing = || Error::new(&codes::NOT_FOUND, "no consumer has this event parked");
    let id: Uuid = request.id.parse().map_err(|_| missing())?;
    let groups = parked::replay(&state.pool, id).await?;
    if groups.is_empty() {
        return Err(missing());
    }
    Ok(ReplayedEvent {
        id: request.id,
        groups,
    })
}
