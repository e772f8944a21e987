//! The in-app feed as its owner sees it.

use smartcourse_platform::{Error, Result, grpc::Actor, page};
use smartcourse_proto::{
    json::timestamp::from_time,
    notification::{ListNotificationsRequest, Notification, NotificationPage, UnreadCount},
};
use sqlx::types::time::OffsetDateTime;

use crate::{State, codes};

struct Row {
    id: i64,
    kind: String,
    title: String,
    body: String,
    link: Option<String>,
    created_at: OffsetDateTime,
    read_at: Option<OffsetDateTime>,
}

impl From<Row> for Notification {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            title: row.title,
            body: row.body,
            link: row.link,
            created_at: Some(from_time(row.created_at)),
            read_at: row.read_at.map(from_time),
        }
    }
}

/// The newest first.
pub(crate) async fn list(
    state: &State,
    actor: Actor,
    request: ListNotificationsRequest,
) -> Result<NotificationPage> {
    let user = actor.user()?;
    let limit = page::limit(request.limit)?;
    let before: Option<i64> = page::decode(&request.cursor)?;
    let mut rows = sqlx::query_as!(
        Row,
        "select id, kind, title, body, link, created_at, read_at from notification.notifications
         where user_id = $1 and ($2::bigint is null or id < $2) and (not $3 or read_at is null)
         order by id desc limit $4",
        user.0,
        before,
        request.unread_only,
        limit + 1
    )
    .fetch_all(&state.pool)
    .await?;
    let next_cursor = page::cut(&mut rows, limit, |row| row.id);
    Ok(NotificationPage {
        items: rows.into_iter().map(Into::into).collect(),
        next_cursor,
    })
}

/// How many are unread.
pub(crate) async fn count_unread(state: &State, actor: Actor) -> Result<UnreadCount> {
    let unread = sqlx::query_scalar!(
        "select count(*) as \"unread!\" from notification.notifications where user_id = $1 and read_at is null",
        actor.user()?.0
    )
    .fetch_one(&state.pool)
    .await?;
    Ok(UnreadCount { unread })
}

/// Marks one as read; the time of the first reading stays.
pub(crate) async fn mark_read(state: &State, actor: Actor, id: i64) -> Result<Notification> {
    let row = sqlx::query_as!(
        Row,
        "update notification.notifications set read_at = coalesce(read_at, now()) where id = $1 and user_id = $2
         returning id, kind, title, body, link, created_at, read_at",
        id,
        actor.user()?.0
    )
    .fetch_optional(&state.pool)
    .await?;
    row.map(Into::into)
        .ok_or_else(|| Error::new(&codes::NOT_FOUND, format!("you have no notification {id}")))
}
