//! Sessions that ended while their access tokens had not expired.

use crate::State;
use smartcourse_platform::Result;
use smartcourse_proto::user::EndedSessions;

/// How far the clocks of two machines may be apart, and how long a role change may take to commit, in seconds.
const MARGIN: i64 = 60;

/// All that the tokens that have not expired have to be compared with.
pub(crate) async fn ended(state: &State) -> Result<EndedSessions> {
    let since = state.clock.now().unix_timestamp() - state.access_seconds - MARGIN;
    let rows = sqlx::query!(
        r#"select id, generation from "user".users where generation_at >= to_timestamp($1::bigint)"#,
        since - MARGIN
    )
    .fetch_all(&state.pool)
    .await?;
    Ok(EndedSessions {
        since,
        generations: rows.into_iter().map(|row| (row.id, row.generation)).collect(),
    })
}
