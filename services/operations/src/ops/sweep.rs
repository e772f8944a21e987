//! The clean-up of what is settled: the platform's rows here, old months of the event log, and what only the service it belongs
//! to can remove.

use smartcourse_platform::{Result, grpc::Actor, upkeep};
use smartcourse_proto::common::Swept;

use crate::State;

/// Removes what is older than configured. One that fails does not keep the others from it.
pub(crate) async fn sweep(state: &State) -> Result<Swept> {
    let now = state.clock.now();
    let settled = upkeep::sweep(&state.pool, now - state.keep).await;
    let events = state
        .history
        .sweep(now, state.keep_events.map(|keep| now - keep))
        .await;
    let told = state.notification.sweep(Actor::Service.request(())).await;
    let asked = state.assistant.sweep(Actor::Service.request(())).await;
    Ok(Swept {
        removed: settled? + events? + told?.removed + asked?.removed,
    })
}
