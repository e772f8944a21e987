//! The clean-up of what is settled: the platform's rows here, and what only the service it belongs to can remove.

use smartcourse_platform::{Result, grpc::Actor, upkeep};
use smartcourse_proto::common::Swept;

use crate::State;

/// Removes what is older than configured. One that fails does not keep the others from it.
pub(crate) async fn sweep(state: &State) -> Result<Swept> {
    let settled = upkeep::sweep(&state.pool, state.clock.now() - state.keep).await;
    let told = state.notification.sweep(Actor::Service.request(())).await;
    let asked = state.assistant.sweep(Actor::Service.request(())).await;
    Ok(Swept {
        removed: settled? + told?.removed + asked?.removed,
    })
}
