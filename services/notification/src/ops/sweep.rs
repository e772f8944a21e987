//! What people were told long ago.
//!
//! It is told once all the same: the group of the feed has read past the event, and an epoch that was onboarded is not
//! onboarded again.

use smartcourse_platform::{Result, upkeep};
use smartcourse_proto::common::Swept;

use crate::State;

/// Removes notifications older than configured, read or not, and deliveries that were over before then; answers how many.
pub(crate) async fn sweep(state: &State) -> Result<Swept> {
    let before = state.deps.clock.now() - state.keep;
    let notifications = upkeep::batched(&state.pool, || {
        sqlx::query!(
            "delete from notification.notifications where id in (
                 select id from notification.notifications where created_at < $1 limit $2)",
            before,
            upkeep::BATCH
        )
    })
    .await?;
    let deliveries = upkeep::batched(&state.pool, || {
        sqlx::query!(
            "delete from notification.deliveries where id in (
                 select id from notification.deliveries where finished_at < $1 limit $2)",
            before,
            upkeep::BATCH
        )
    })
    .await?;
    Ok(Swept {
        removed: notifications + deliveries,
    })
}
