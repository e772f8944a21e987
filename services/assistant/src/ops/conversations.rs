//! Conversations: a row for listing, a document for the turns. Each belongs to one user.
//!
//! A turn is committed to the row first, with the event that announces it, and then copied to the document: whoever dies or
//! hangs up in between leaves a turn that waits in the row, and the next reader brings it over.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smartcourse_platform::{
    Error, Result,
    error::{Problems, to_json},
    grpc::Actor,
    outbox, page, postgres, unbroken,
};
use smartcourse_proto::{
    assistant::{Conversation, ConversationPage, ListConversationsRequest, Turn, Usage},
    events::AssistantAnswered,
    ids::{CourseId, UserId},
    json::timestamp::from_time,
    key::Key,
    limits,
};
use sqlx::{
    PgConnection,
    types::{Json, time::OffsetDateTime},
};

use super::{
    questions::{self, Question, Turned},
    searched,
    spending::{self, Reserved},
};
use crate::{State, codes};

/// Collection of conversations (`{user}/{conversation}`).
pub const COLLECTION: &str = "assistant.conversations";

/// Characters of the title a list shows.
const MAX_TITLE: usize = 80;

/// Turns of a conversation at most: its document must not outgrow what a document store takes.
const MAX_TURNS: usize = 200;

/// A turn in the row of its conversation, and what the document of a new one begins with.
#[derive(Serialize, Deserialize)]
struct Pending {
    course_id: CourseId,
    turn: Turn,
}

pub(crate) fn key(user: UserId, id: &str) -> String {
    format!("{user}/{id}")
}

fn unknown(id: &str) -> Error {
    Error::new(&codes::NOT_FOUND, format!("you have no conversation `{id}`"))
}

/// This instant.
pub(crate) fn now() -> prost_types::Timestamp {
    from_time(OffsetDateTime::now_utc())
}

/// The conversation to add to: the user's own, about this course, or a new one.
pub(crate) async fn open(
    state: &Arc<State>,
    user: UserId,
    course_id: CourseId,
    id: Option<&str>,
) -> Result<Conversation> {
    let Some(id) = id else {
        return Ok(Conversation {
            id: format!("c-{}", uuid::Uuid::now_v7().simple()),
            course_id: course_id.0,
            ..Conversation::default()
        });
    };
    let found = read(state, user, id).await?;
    let found = found.filter(|found| found.course_id == course_id.0);
    let found = found.ok_or_else(|| unknown(id))?;
    if found.turns.len() >= MAX_TURNS {
        let detail = format!("a conversation has at most {MAX_TURNS} turns");
        return Err(Error::new(&codes::CONVERSATION_FULL, detail));
    }
    Ok(found)
}

/// The number of a turn that is begun in a conversation.
pub(crate) async fn next_turn(state: &State, user: UserId, conversation: &Conversation) -> Result<i32> {
    let kept = i32::try_from(conversation.turns.len()).unwrap_or(i32::MAX);
    let turn = sqlx::query_scalar!(
        r#"update assistant.conversations set begun = greatest(coalesce(begun, 0), $3) + 1
           where id = $1 and user_id = $2 and deleted_at is null returning begun as "begun!""#,
        conversation.id,
        user.0,
        kept
    )
    .fetch_optional(&state.pool)
    .await?;
    turn.ok_or_else(|| unknown(&conversation.id))
}

/// A turn of one of the user's conversations, by its number.
pub(crate) async fn turn(state: &Arc<State>, user: UserId, id: &str, n: i32) -> Result<Turn> {
    let found = read(state, user, id).await?.ok_or_else(|| unknown(id))?;
    let numbered = |(place, turn): &(usize, Turn)| match turn.n {
        0 => usize::try_from(n) == Ok(place + 1),
        own => own == n,
    };
    let turn = found.turns.into_iter().enumerate().find(numbered);
    turn.map(|(_, turn)| turn).ok_or_else(|| {
        let detail = format!("the conversation `{id}` has no turn {n}, or it is not kept yet");
        Error::new(&codes::NOT_FOUND, detail)
    })
}

/// What is kept of a turn.
pub(super) struct Kept<'k> {
    pub(super) turn: Turn,
    /// What announces it.
    pub(super) event: AssistantAnswered,
    /// What the course was asked.
    pub(super) question: Option<&'k Question>,
    /// What was reserved for it, and what of that it took.
    pub(super) reserved: Option<&'k Reserved>,
    pub(super) usage: Option<&'k Usage>,
}

/// Commits a turn and what belongs to it to the row of its conversation; `is_new` makes the row. From then on the turn stands:
/// [`settle`] brings it to the document, now or before it is read. What was reserved for it is settled with it. To be run unbroken.
/// Fails with `not_found` when the conversation was deleted meanwhile.
pub(super) async fn keep(
    state: &Arc<State>,
    user: UserId,
    conversation: Conversation,
    is_new: bool,
    kept: Kept<'_>,
) -> Result<()> {
    let Kept { turn, event, .. } = kept;
    let words = searched::of_turn(&turn);
    let mut tx = postgres::begin(&state.pool).await?;
    if is_new {
        sqlx::query!(
            "insert into assistant.conversations (id, user_id, course_id, begun) values ($1, $2, $3, 1)",
            conversation.id,
            user.0,
            conversation.course_id
        )
        .execute(&mut *tx)
        .await?;
    }
    // Turns of one conversation wait for each other, so that none is lost.
    if !copy_pending(state, &mut tx, user, &conversation.id).await? {
        return Err(unknown(&conversation.id));
    }
    if let Some(question) = kept.question {
        let turned = Turned {
            conversation: &conversation.id,
            turn: turn.n,
            course_id: conversation.course_id,
            user,
            is_answered: !event.refused,
        };
        questions::put(&mut tx, question, turned).await?;
    }
    let pending = Pending {
        course_id: conversation.course_id.into(),
        turn,
    };
    sqlx::query!(
        "update assistant.conversations set pending = $2, updated_at = now(),
             words = case when pg_column_size(words) < $4 then words || array_to_tsvector($3) else words end
         where id = $1",
        conversation.id,
        Json(&pending) as _,
        &words,
        searched::MAX_BYTES
    )
    .execute(&mut *tx)
    .await?;
    let key = Key::Course.of(conversation.course_id);
    outbox::put_event(&mut tx, "assistant.answered", &key, &event).await?;
    if let Some(reserved) = kept.reserved {
        spending::settle(&mut tx, reserved, kept.usage).await?;
    }
    tx.commit().await?;
    if let Err(error) = settle(state, user, &conversation.id).await {
        tracing::warn!(error = %error.chain(), "a turn waits in its row until it is read");
    }
    Ok(())
}

/// Brings the turn that waits in the row, if there is one, to the document. Unbroken: a document that is still being written
/// when the lock of its row is gone could take a later turn's place.
async fn settle(state: &Arc<State>, user: UserId, id: &str) -> Result<()> {
    let (state, id) = (Arc::clone(state), id.to_owned());
    unbroken(async move { bring_over(&state, user, &id).await }).await
}

async fn bring_over(state: &State, user: UserId, id: &str) -> Result<()> {
    let mut tx = postgres::begin(&state.pool).await?;
    if copy_pending(state, &mut tx, user, id).await? {
        sqlx::query!(
            "update assistant.conversations set pending = null where id = $1",
            id
        )
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Locks the row and writes its turn to the document, where it may stand already; false when there is no such row.
async fn copy_pending(state: &State, tx: &mut PgConnection, user: UserId, id: &str) -> Result<bool> {
    let row = sqlx::query_scalar!(
        r#"select pending as "pending: Json<Pending>" from assistant.conversations
           where id = $1 and user_id = $2 and deleted_at is null for update"#,
        id,
        user.0
    )
    .fetch_optional(tx)
    .await?;
    let Some(pending) = row else { return Ok(false) };
    if let Some(Json(Pending { course_id, turn })) = pending {
        let found = document(state, user, id).await?;
        let mut conversation = found.unwrap_or_else(|| begun(id, course_id, &turn));
        // Not only as the last one: a document may be of a later day than its row, after a restore.
        if !conversation.turns.contains(&turn) {
            conversation.updated_at = turn.asked_at;
            conversation.turns.push(turn);
            let body = to_json(&conversation)?;
            state.documents.put(COLLECTION, &key(user, id), &body).await?;
        }
    }
    Ok(true)
}

/// A conversation that begins with this turn.
fn begun(id: &str, course_id: CourseId, turn: &Turn) -> Conversation {
    Conversation {
        id: id.to_owned(),
        course_id: course_id.0,
        title: turn.question.chars().take(MAX_TITLE).collect(),
        created_at: turn.asked_at,
        ..Conversation::default()
    }
}

/// Reads a conversation of this user, with every turn that stands.
async fn read(state: &Arc<State>, user: UserId, id: &str) -> Result<Option<Conversation>> {
    let waits = sqlx::query_scalar!(
        r#"select pending is not null as "waits!" from assistant.conversations
           where id = $1 and user_id = $2 and deleted_at is null"#,
        id,
        user.0
    )
    .fetch_optional(&state.pool)
    .await?;
    match waits {
        None => return Ok(None),
        Some(true) => settle(state, user, id).await?,
        Some(false) => {}
    }
    document(state, user, id).await
}

async fn document(state: &State, user: UserId, id: &str) -> Result<Option<Conversation>> {
    let body = state.documents.get(COLLECTION, &key(user, id)).await?;
    body.map(conversation).transpose()
}

fn conversation(body: serde_json::Value) -> Result<Conversation> {
    serde_json::from_value(body).map_err(|error| Error::internal("a conversation is broken").because(error))
}

pub(crate) async fn get(state: &Arc<State>, actor: Actor, id: &str) -> Result<Conversation> {
    read(state, actor.user()?, id).await?.ok_or_else(|| unknown(id))
}

/// The user's conversations, or those with these words, the latest first, without their turns.
pub(crate) async fn list(
    state: &Arc<State>,
    actor: Actor,
    request: ListConversationsRequest,
) -> Result<ConversationPage> {
    let user = actor.user()?;
    let limit = page::limit(request.limit)?;
    let mut problems = Problems::default();
    problems.words("q", &request.q, limits::SEARCH_WORDS);
    problems.finish()?;
    let words = searched::query(&request.q);
    let before: Option<String> = page::decode(&request.cursor)?;
    let mut rows = sqlx::query!(
        r#"select id, pending is not null as "waits!" from assistant.conversations
         where user_id = $1 and deleted_at is null and ($4::text is null or words @@ $4::tsquery) and ($2::text is null
               or (updated_at, id) < (select updated_at, id from assistant.conversations where id = $2))
         order by updated_at desc, id desc limit $3"#,
        user.0,
        before,
        limit + 1,
        words
    )
    .fetch_all(&state.pool)
    .await?;
    let next_cursor = page::cut(&mut rows, limit, |row| row.id.clone());
    for row in rows.iter().filter(|row| row.waits) {
        settle(state, user, &row.id).await?;
    }
    let ids: Vec<String> = rows.into_iter().map(|row| row.id).collect();
    let keys: Vec<String> = ids.iter().map(|id| key(user, id)).collect();
    let found = state.documents.get_many(COLLECTION, &keys).await?;
    let items = found.into_iter().map(|(_, body)| conversation(body));
    let mut items: Vec<Conversation> = items.collect::<Result<_>>()?;
    items.sort_by_key(|conversation| ids.iter().position(|id| *id == conversation.id));
    for conversation in &mut items {
        conversation.turns.clear();
    }
    Ok(ConversationPage { items, next_cursor })
}

/// From here on it is nobody's. What cannot be removed of it now, or is written late, the clean-up removes.
pub(crate) async fn delete(state: &State, actor: Actor, id: &str) -> Result<()> {
    let user = actor.user()?;
    let gone = sqlx::query_scalar!(
        r#"with gone as (update assistant.conversations set deleted_at = now(), pending = null, words = ''
                         where id = $1 and user_id = $2 and deleted_at is null returning id),
                asked as (delete from assistant.questions where conversation_id in (select id from gone))
           select count(*) as "count!" from gone"#,
        id,
        user.0
    )
    .fetch_one(&state.pool)
    .await?;
    if gone == 0 {
        return Err(unknown(id));
    }
    if let Err(error) = state.documents.delete(COLLECTION, &key(user, id)).await {
        tracing::warn!(error = %error.chain(), "a deleted conversation waits for the clean-up");
    }
    Ok(())
}
