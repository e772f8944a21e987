//! What other systems ask for: messages of a topic of their own, which join the log once they are known to be sound.

use rdkafka::{
    Message as _,
    consumer::{CommitMode, Consumer as _},
    message::BorrowedMessage,
};
use serde::Deserialize as _;
use serde_json::Value;
use smartcourse_platform::{Result, lifecycle::Lifecycle, outbox, postgres};
use smartcourse_proto::{events::EnrollmentRequested, key::Key};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{
    PAUSE,
    dead_letters::DeadLetters,
    offsets::{self, Partition, Stream},
    record,
};
use crate::servers::kafka::{COMMANDS, Kafka, let_go, unavailable};

/// The one command there is.
const ENROLLMENT_REQUESTED: &str = "enrollment.requested";

/// Takes commands until the process stops. Fails when it cannot begin to.
pub(super) async fn accept(
    kafka: &Kafka,
    dead_letters: &DeadLetters,
    pool: &PgPool,
    life: &Lifecycle,
) -> Result<()> {
    let stream = offsets::member(kafka, pool, COMMANDS).await?;
    stream.subscribe(&[&kafka.commands()]).map_err(unavailable)?;
    loop {
        tokio::select! {
            () = life.stopping() => break,
            message = stream.recv() => match message {
                Ok(message) => take(&stream, dead_letters, pool, &message, life).await,
                // The library connects again by itself.
                Err(error) => tracing::warn!(%error, "commands cannot be read"),
            }
        }
    }
    let_go(stream);
    Ok(())
}

/// Sees to a message until it is in the log or among the dead letters, or the process stops.
async fn take(
    stream: &Stream,
    dead_letters: &DeadLetters,
    pool: &PgPool,
    message: &BorrowedMessage<'_>,
    life: &Lifecycle,
) {
    let partition = (message.topic().to_owned(), message.partition());
    let next = message.offset() + 1;
    let done = async || -> Result<()> {
        let mut tx = postgres::begin(pool).await?;
        match read(message) {
            Ok(command) => put(&mut tx, &command).await?,
            Err(reason) => {
                tracing::warn!(offset = message.offset(), reason, "a command is not sound");
                dead_letters
                    .put_message(COMMANDS, &message.detach(), &reason)
                    .await?;
            }
        }
        note(&mut tx, &partition, next).await?;
        tx.commit().await?;
        Ok(())
    };
    while let Err(error) = done().await {
        tracing::warn!(error = %error.chain(), "a command waits");
        if !life.sleep(PAUSE).await {
            return;
        }
    }
    stream.context().know([(partition, next)]);
    if let Err(error) = stream.commit_message(message, CommitMode::Async) {
        tracing::debug!(%error, "an offset was not committed");
    }
}

/// A sound command.
struct Command {
    id: Uuid,
    request: EnrollmentRequested,
}

/// The command of a message; the reason when it is none.
fn read(message: &BorrowedMessage<'_>) -> Result<Command, String> {
    let header = |name| record::header(message, name).ok_or_else(|| format!("the header {name} is missing"));
    match header("ce_type")? {
        ENROLLMENT_REQUESTED => {}
        other => return Err(format!("{other} is no command: there is {ENROLLMENT_REQUESTED}")),
    }
    // CloudEvents: an id is unique together with its source.
    let name = format!("{}\n{}", header("ce_source")?, header("ce_id")?);
    let payload: Value = record::payload(message)?;
    let request = EnrollmentRequested::deserialize(&payload)
        .map_err(|error| format!("the value is no {ENROLLMENT_REQUESTED}: {error}"))?;
    if request.user_id <= 0 || request.course_id <= 0 {
        return Err("user_id and course_id must be more than 0".to_owned());
    }
    Ok(Command {
        id: Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()),
        request,
    })
}

/// Puts a command into the outbox, once.
async fn put(tx: &mut PgConnection, command: &Command) -> Result<()> {
    let new = sqlx::query!(
        "insert into platform.inbox (group_name, event_id) values ($1, $2) on conflict do nothing",
        COMMANDS,
        command.id
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if new > 0 {
        let key = Key::User.of(command.request.user_id);
        outbox::put_event(tx, ENROLLMENT_REQUESTED, &key, &command.request).await?;
    }
    Ok(())
}

/// Records where the next command is.
async fn note(tx: &mut PgConnection, (topic, partition): &Partition, next_offset: i64) -> Result<()> {
    sqlx::query!(
        "insert into platform.group_partitions (group_name, topic, partition, position, next_offset)
         values ($1, $2, $3, 0, $4)
         on conflict (group_name, topic, partition) do update set next_offset = excluded.next_offset",
        COMMANDS,
        topic,
        partition,
        next_offset
    )
    .execute(tx)
    .await?;
    Ok(())
}
