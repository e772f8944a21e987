//! Conversations that were deleted: what was written late, and then their rows. And what answers took, and what was asked, on days
//! long gone.

use smartcourse_platform::{Result, open_writes, upkeep};
use smartcourse_proto::common::Swept;

use crate::{
    State,
    ops::{
        conversations::{COLLECTION, key},
        elsewhere, generations, questions, spending,
    },
};

/// Conversations in one round, and rounds in one sweep; the next one goes on.
const BATCH: i64 = 1000;
const ROUNDS: usize = 100;

/// Removes conversations once more that were deleted so long ago that nothing is written for them, and what old days took and asked;
/// answers how many rows.
pub(crate) async fn sweep(state: &State) -> Result<Swept> {
    let round = || async {
        let rows = sqlx::query!(
            "select id, user_id from assistant.conversations
             where deleted_at < now() - make_interval(secs => $1) order by deleted_at limit $2",
            open_writes::LONGEST.as_secs_f64(),
            BATCH
        )
        .fetch_all(&state.pool)
        .await?;
        for row in &rows {
            let key = key(row.user_id.into(), &row.id);
            state.documents.delete(COLLECTION, &key).await?;
        }
        let ids: Vec<String> = rows.into_iter().map(|row| row.id).collect();
        sqlx::query!("delete from assistant.conversations where id = any($1)", &ids)
            .execute(&state.pool)
            .await?;
        Ok(ids.len() as u64)
    };
    let mut removed = upkeep::in_rounds(BATCH, ROUNDS, round).await?;
    removed += spending::forget(&state.pool).await?;
    removed += questions::forget(&state.pool).await?;
    removed += generations::forget(&state.pool).await?;
    removed += elsewhere::forget(&state.pool).await?;
    Ok(Swept { removed })
}
