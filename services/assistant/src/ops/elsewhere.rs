//! Answers under way in other processes. A reader who lost the connection may come back to another process than the one that
//! answers, so each shows the others, in a row, what it has told of an answer that takes a while.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use async_stream::try_stream;
use futures::{Stream, StreamExt as _};
use smartcourse_platform::{Result, error::to_json};
use smartcourse_proto::{
    assistant::{AskEvent, AskEventKind},
    ids::UserId,
};
use sqlx::{PgPool, types::Json};
use tokio::time::{sleep, timeout};

use super::conversations;
use crate::{State, codes, events};

/// Time between two looks at what was told, by whoever shows it and by whoever follows it.
const PACE: Duration = Duration::from_millis(250);
/// What nothing is told of is shown again after this time.
const BEAT: Duration = Duration::from_secs(2);
/// What was not shown again for this long is of a process that is gone, or frozen.
const GONE: Duration = Duration::from_secs(10);
/// How long an answer is looked for that may have begun a moment ago.
const GRACE: Duration = Duration::from_secs(1);

/// Shows the events of an answer until it ends. Most end at once, and are not written at all.
pub(crate) async fn show(
    pool: PgPool,
    user: UserId,
    conversation: String,
    turn: i32,
    told: impl Stream<Item = AskEvent> + Send,
) {
    let mut told = pin!(told.ready_chunks(1024));
    let mut shown = Vec::new();
    loop {
        sleep(PACE).await;
        match timeout(BEAT, told.next()).await {
            Ok(Some(events)) => shown.extend(events),
            Ok(None) => break,
            Err(_) => {}
        }
        // It is kept by now.
        if shown.last().map(AskEvent::kind) == Some(AskEventKind::Done) {
            break;
        }
        if let Err(error) = put(&pool, user, &conversation, turn, &shown).await {
            tracing::warn!(error = %error.chain(), "other processes cannot follow an answer");
        }
    }
    let gone = sqlx::query!(
        "delete from assistant.under_way where user_id = $1 and conversation_id = $2 and turn = $3",
        user.0,
        conversation,
        turn
    );
    if let Err(error) = gone.execute(&pool).await {
        tracing::warn!(%error, "an answer that has ended is still shown as under way");
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

/// The events of an answer after so many of them: as another process tells them, and then, or at once, as they are kept.
/// Fails with `not_found` when it is neither under way nor kept.
pub(crate) fn follow(
    state: Arc<State>,
    user: UserId,
    conversation: String,
    turn: i32,
    after: usize,
) -> impl Stream<Item = Result<AskEvent>> + Send {
    try_stream! {
        let (begun, mut seen, mut was_shown) = (Instant::now(), after, false);
        loop {
            if let Some(events) = shown(&state.pool, user, &conversation, turn).await? {
                was_shown = true;
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
                    Err(error) if error.is(&codes::NOT_FOUND) && !was_shown && begun.elapsed() < GRACE => {}
                    Err(error) => Err(error)?,
                }
            }
            sleep(PACE).await;
        }
    }
}

/// What another process has told of an answer that it is still telling.
async fn shown(pool: &PgPool, user: UserId, conversation: &str, turn: i32) -> Result<Option<Vec<AskEvent>>> {
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
