//! The clean-up of the platform's settled rows.

use smartcourse_platform::{Result, upkeep};
use smartcourse_proto::common::Swept;

use crate::State;

/// Removes those older than configured.
pub(crate) async fn sweep(state: &State) -> Result<Swept> {
    let removed = upkeep::sweep(&state.pool, state.clock.now() - state.keep).await?;
    Ok(Swept { removed })
}
