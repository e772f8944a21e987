//! Events some consumer group could not take.

use smartcourse_platform::{
    Error, Result,
    error::codes,
    events::parked::{self, Filter, Parked},
    page,
};
use smartcourse_proto::{
    json::timestamp::from_time,
    operations::{
        FailedEvent, FailedEventCause, FailedEventPage, FailedEventsRequest, ReplayEventRequest,
        ReplayEventsRequest, ReplayedEvent, ReplayedEvents,
    },
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
    let cause = match &parked.reason {
        None => FailedEventCause::Behind,
        Some(_) if parked.passing => FailedEventCause::Passing,
        Some(_) => FailedEventCause::Refused,
    };
    let behind = || "waits behind an earlier event of its key".to_owned();
    FailedEvent {
        id: parked.event_id.to_string(),
        group: parked.group_name,
        r#type: parked.event_type,
        key: parked.key,
        tries: parked.tries,
        reason: parked.reason.unwrap_or_else(behind),
        retrying: parked.retrying,
        next_try_at: parked.next_try_at.filter(|_| parked.retrying).map(from_time),
        created_at: Some(from_time(parked.created_at)),
        cause: cause.into(),
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

/// Gives all parked events that match all their tries again.
pub(crate) async fn replay_all(state: &State, request: ReplayEventsRequest) -> Result<ReplayedEvents> {
    let filter = Filter {
        group: request.group,
        event_type: request.r#type,
        reason: request.reason,
    };
    let replayed = parked::replay_all(&state.pool, &filter).await?;
    Ok(ReplayedEvents { replayed })
}
