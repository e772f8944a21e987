//! Conversations: a row for listing, a document for the turns. Each belongs to one user.

use smartcourse_platform::{Error, Result, error::codes, grpc::Actor, page};
use smartcourse_proto::{
    assistant::{Conversation, ConversationPage, ListConversationsRequest},
    ids::UserId,
    json::timestamp::from_time,
};
use sqlx::{PgConnection, types::time::OffsetDateTime};

use crate::State;

const COLLECTION: &str = "assistant.conversations";

/// Characters of the title a list shows.
const MAX_TITLE: usize = 80;

fn key(user: UserId, id: &str) -> String {
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
    state: &State,
    user: UserId,
    course_id: i64,
    id: Option<&str>,
    question: &str,
) -> Result<Conversation> {
    let Some(id) = id else {
        return Ok(Conversation {
            id: format!("c-{}", uuid::Uuid::now_v7().simple()),
            course_id,
            title: question.chars().take(MAX_TITLE).collect(),
            created_at: Some(now()),
            ..Conversation::default()
        });
    };
    read(state, user, id)
        .await?
        .filter(|found| found.course_id == course_id)
        .ok_or_else(|| unknown(id))
}

/// Makes or locks the row of a conversation.
pub(crate) async fn lock(tx: &mut PgConnection, id: &str, user: UserId, course_id: i64) -> Result<()> {
    sqlx::query!(
        "insert into assistant.conversations (id, user_id, course_id) values ($1, $2, $3)
         on conflict (id) do update set updated_at = now()",
        id,
        user.0,
        course_id
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Reads a conversation of this user.
pub(crate) async fn read(state: &State, user: UserId, id: &str) -> Result<Option<Conversation>> {
    let Some(body) = state.documents.get(COLLECTION, &key(user, id)).await? else {
        return Ok(None);
    };
    serde_json::from_value(body)
        .map(Some)
        .map_err(|error| Error::internal("a conversation is broken").because(error))
}

/// Writes a conversation of this user.
pub(crate) async fn write(state: &State, user: UserId, conversation: &Conversation) -> Result<()> {
    let body = serde_json::to_value(conversation)
        .map_err(|error| Error::internal("a conversation is JSON").because(error))?;
    state
        .documents
        .put(COLLECTION, &key(user, &conversation.id), &body)
        .await
}

pub(crate) async fn get(state: &State, actor: Actor, id: &str) -> Result<Conversation> {
    read(state, actor.user()?, id).await?.ok_or_else(|| unknown(id))
}

/// The user's conversations, the latest first, without their turns.
pub(crate) async fn list(
    state: &State,
    actor: Actor,
    request: ListConversationsRequest,
) -> Result<ConversationPage> {
    let user = actor.user()?;
    let limit = page::limit(request.limit)?;
    let before: Option<String> = page::decode(&request.cursor)?;
    let mut ids = sqlx::query_scalar!(
        "select id from assistant.conversations
         where user_id = $1 and ($2::text is null
               or (updated_at, id) < (select updated_at, id from assistant.conversations where id = $2))
         order by updated_at desc, id desc limit $3",
        user.0,
        before,
        limit + 1
    )
    .fetch_all(&state.pool)
    .await?;
    let next_cursor = page::cut(&mut ids, limit, Clone::clone);
    let keys: Vec<String> = ids.iter().map(|id| key(user, id)).collect();
    let found = state.documents.get_many(COLLECTION, &keys).await?;
    let mut items: Vec<Conversation> = found
        .into_iter()
        .map(|(_, body)| serde_json::from_value(body))
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Error::internal("a conversation is broken").because(error))?;
    items.sort_by_key(|conversation| ids.iter().position(|id| *id == conversation.id));
    for conversation in &mut items {
        conversation.turns.clear();
    }
    Ok(ConversationPage { items, next_cursor })
}

pub(crate) async fn delete(state: &State, actor: Actor, id: &str) -> Result<()> {
    let user = actor.user()?;
    let mut tx = state.pool.begin().await?;
    let gone = sqlx::query!(
        "delete from assistant.conversations where id = $1 and user_id = $2",
        id,
        user.0
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if gone == 0 {
        return Err(unknown(id));
    }
    state.documents.delete(COLLECTION, &key(user, id)).await?;
    tx.commit().await?;
    Ok(())
}
