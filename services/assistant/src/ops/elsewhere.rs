//! Answers under way in other processes. A reader who lost the connection may come back to another process than the one that
//! answers, so each shows the others, in a row, what it has told of an answer that takes a while.

use std::{pin::pin, time::Duration};

use futures::{Stream, StreamExt as _};
use smartcourse_platform::{Result, error::to_json};
use smartcourse_proto::{
    assistant::{AskEvent, AskEventKind},
    ids::UserId,
};
use sqlx::{PgPool, types::Json};
use tokio::time::{sleep, timeout};

/// Time between two looks at what was told, by whoever shows it and by whoever follows it.
pub(super) const PACE: Duration = Duration::from_millis(250);
/// What nothing is told of is shown again after this time.
const BEAT: Duration = Duration::from_secs(2);
/// What was not shown again for this long is of a process that is gone, or frozen.
const GONE: Duration = Duration::from_secs(10);
/// How long an answer is looked for that may have begun a moment ago.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// Shows the events of an answer until it ends. One that ends at once is not written at all.
pub(crate) async fn show(
    pool: PgPool,
    user: UserId,
    conversation: String,
    turn: i32,
    told: impl Stream<Item = AskEvent> + Send,
) {
    let mut told = pin!(told.ready_chunks(1024));
    let (mut events, mut is_shown, mut has_failed) = (Vec::new(), false, false);
    loop {
        sleep(PACE).await;
        match timeout(BEAT, told.next()).await {
            Ok(None) => break,
            Ok(Some(further)) => events.extend(further),
            // Nothing was told: it is written again, so that it is known to go on.
            Err(_) => {}
        }
        // It is kept by now.
        if events.last().map(AskEvent::kind) == Some(AskEventKind::Done) {
            break;
        }
        is_shown = true;
        if let Err(error) = put(&pool, user, &conversation, turn, &events).await
            && !has_failed
        {
            has_failed = true;
            tracing::warn!(error = %error.chain(), "other processes cannot follow an answer");
        }
    }
    if is_shown && let Err(error) = remove(&pool, user, &conversation, turn).await {
        tracing::warn!(error = %error.chain(), "an answer that has ended is still shown as under way");
    }
}

async fn put(pool: &PgPool, user: UserId, conversation: &str, turn: i32, events: &[AskEvent]) -> Result<()> {
    sqlx::query!(
        "insert into assistant.under_way (user_id, conversation_id, turn, events) values ($1, $2, $3, $4)
         on conflict (user_id, conversation_id, turn) do update set events = excluded.events, told_at = now()",
        user.0,
        conversation,
        turn,
        to_json(&events)?
    )
    .execute(pool)
    .await?;
    Ok(())
}

async fn remove(pool: &PgPool, user: UserId, conversation: &str, turn: i32) -> Result<()> {
    sqlx::query!(
        "delete from assistant.under_way where user_id = $1 and conversation_id = $2 and turn = $3",
        user.0,
        conversation,
        turn
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// What another process has told of an answer that it is still telling.
pub(super) async fn shown(
    pool: &PgPool,
    user: UserId,
    conversation: &str,
    turn: i32,
) -> Result<Option<Vec<AskEvent>>> {
    let events = sqlx::query_scalar!(
        r#"select events as "events: Json<Vec<AskEvent>>" from assistant.under_way
           where user_id = $1 and conversation_id = $2 and turn = $3 and told_at > now() - make_interval(secs => $4)"#,
        user.0,
        conversation,
        turn,
        GONE.as_secs_f64()
    )
    .fetch_optional(pool)
    .await?;
    Ok(events.map(|Json(events)| events))
}

/// Forgets what processes that are gone had told; answers how many answers.
pub(crate) async fn forget(pool: &PgPool) -> Result<u64> {
    let gone = sqlx::query!("delete from assistant.under_way where told_at < now() - interval '1 hour'");
    Ok(gone.execute(pool).await?.rows_affected())
}
