//! What was sent over which channel, and what became of it.

use smartcourse_platform::{Error, Result, fault, grpc::Actor, outbox, page, postgres, tasks};
use smartcourse_proto::{
    Wire as _,
    events::NotificationFailed,
    json::timestamp::from_time,
    key::Key,
    notification::{Channel, Delivery, DeliveryPage, DeliveryState, ListDeliveriesRequest},
};
use sqlx::{PgConnection, PgPool, types::time::OffsetDateTime};
use uuid::Uuid;

use crate::{State, codes};

struct Row {
    id: Uuid,
    user_id: i64,
    channel: Channel,
    template: String,
    state: DeliveryState,
    tries: i32,
    last_error: Option<String>,
    queued_at: OffsetDateTime,
    finished_at: Option<OffsetDateTime>,
}

impl From<Row> for Delivery {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.to_string(),
            user_id: row.user_id,
            channel: row.channel.into(),
            template: row.template,
            state: row.state.into(),
            tries: row.tries,
            last_error: row.last_error,
            queued_at: Some(from_time(row.queued_at)),
            finished_at: row.finished_at.map(from_time),
        }
    }
}

/// Deliveries name the addresses and errors of everybody.
fn require_admin(actor: Actor) -> Result<()> {
    actor.require_admin(|| Error::new(&codes::FORBIDDEN, "only administrators see deliveries"))
}

/// The newest first.
pub(crate) async fn list(
    service: &State,
    actor: Actor,
    request: ListDeliveriesRequest,
) -> Result<DeliveryPage> {
    require_admin(actor)?;
    let limit = page::limit(request.limit)?;
    let before: Option<Uuid> = page::decode(&request.cursor)?;
    let state = request.state.map(|_| request.state().as_text());
    let mut rows = sqlx::query_as!(
        Row,
        "select id, user_id, channel, template, state, tries, last_error, queued_at, finished_at
         from notification.deliveries
         where ($1::bigint is null or user_id = $1) and ($2::text is null or state = $2)
           and ($3::uuid is null
                or (queued_at, id) < (select queued_at, id from notification.deliveries where id = $3))
         order by queued_at desc, id desc limit $4",
        request.user_id,
        state,
        before,
        limit + 1
    )
    .fetch_all(&service.pool)
    .await?;
    let next_cursor = page::cut(&mut rows, limit, |row| row.id);
    Ok(DeliveryPage {
        items: rows.into_iter().map(Into::into).collect(),
        next_cursor,
    })
}

/// Puts a failed delivery back; one that is under way stays so.
pub(crate) async fn replay(state: &State, actor: Actor, id: &str) -> Result<Delivery> {
    require_admin(actor)?;
    let unknown = || Error::new(&codes::NOT_FOUND, format!("there is no delivery `{id}`"));
    let uuid = Uuid::parse_str(id).map_err(|_| unknown())?;
    let mut tx = postgres::begin(&state.pool).await?;
    // First the task, then the delivery: the order in which they are settled.
    let revived = tasks::replay(&mut tx, uuid).await?;
    let row = sqlx::query_as!(
        Row,
        "select id, user_id, channel, template, state, tries, last_error, queued_at, finished_at
         from notification.deliveries where id = $1 for update",
        uuid
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(unknown)?;
    match row.state {
        DeliveryState::Failed if revived => {}
        // Its task was put back before, here or by hand.
        DeliveryState::Failed | DeliveryState::Queued | DeliveryState::Retrying => return Ok(row.into()),
        DeliveryState::Unspecified | DeliveryState::Sent | DeliveryState::Suppressed => {
            let state = row.state.as_text();
            let detail = format!("the delivery is {state}, there is nothing to replay");
            return Err(Error::new(&codes::DELIVERY_NOT_FAILED, detail));
        }
    }
    let row = sqlx::query_as!(
        Row,
        "update notification.deliveries set state = 'queued', tries = 0, finished_at = null where id = $1
         returning id, user_id, channel, template, state, tries, last_error, queued_at, finished_at",
        uuid
    )
    .fetch_one(&mut *tx)
    .await?;
    fault::commit(tx, "notification.replay_delivery").await?;
    Ok(row.into())
}

/// Records that the user does not want it any more.
pub(crate) async fn suppress(pool: &PgPool, id: Uuid) -> Result<()> {
    sqlx::query!(
        "update notification.deliveries set state = 'suppressed', finished_at = now() where id = $1",
        id
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Records that it was handed over.
pub(crate) async fn sent(tx: &mut PgConnection, id: Uuid, tries: i32) -> Result<()> {
    sqlx::query!(
        "update notification.deliveries set state = 'sent', tries = $2, last_error = null, finished_at = now()
         where id = $1 and state <> 'suppressed'",
        id,
        tries
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Records a try that failed.
pub(crate) async fn retrying(tx: &mut PgConnection, id: Uuid, tries: i32, error: &Error) -> Result<()> {
    sqlx::query!(
        "update notification.deliveries set state = 'retrying', tries = $2, last_error = $3 where id = $1",
        id,
        tries,
        error.chain()
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Records that it was given up, and announces it.
pub(crate) async fn failed(tx: &mut PgConnection, id: Uuid, tries: i32, error: &Error) -> Result<()> {
    let delivery = sqlx::query!(
        "update notification.deliveries set state = 'failed', tries = $2, last_error = $3, finished_at = now()
         where id = $1 returning user_id, channel, template",
        id,
        tries,
        error.chain()
    )
    .fetch_optional(&mut *tx)
    .await?;
    // A task that was put by hand has no delivery and nobody to tell of.
    let Some(delivery) = delivery else { return Ok(()) };
    let event = NotificationFailed {
        task_id: id.to_string(),
        user_id: delivery.user_id,
        channel: delivery.channel,
        template: delivery.template,
        reason: error.chain(),
    };
    let key = Key::User.of(delivery.user_id);
    outbox::put_event(tx, "notification.failed", &key, &event).await?;
    Ok(())
}
