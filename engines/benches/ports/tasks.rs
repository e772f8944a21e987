//! Background tasks that have nothing to do, from the commit that wants them until they are done.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use futures::StreamExt as _;
use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};
use serde_json::json;
use smartcourse_platform::{
    lifecycle::Lifecycle,
    postgres,
    tasks::{self, Handler, Task},
};
use smartcourse_tests::{TestServer, measure::Outcome};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::{line_up::LineUp, load::AT_ONCE};

pub(crate) const OPERATIONS: [&str; 1] = ["tasks: a backlog of 2,000"];
const BACKLOG: usize = 2_000;
const KIND: &str = "ports";
/// How often those that are done are counted.
const POLL: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(60);
/// The delivery mode of messages that outlive a restart.
const PERSISTENT: u8 = 2;

struct Nothing;

#[async_trait]
impl Handler for Nothing {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn handle(&self, _task: &Task) -> smartcourse_platform::Result<()> {
        Ok(())
    }

    async fn settle(
        &self,
        _tx: &mut PgConnection,
        _task: &Task,
        _outcome: tasks::Outcome<'_>,
    ) -> smartcourse_platform::Result<()> {
        Ok(())
    }
}

/// Through the port: one process offers, one runs them, as many at once as by default.
pub(crate) async fn port(line_up: &LineUp) -> Result<Vec<Outcome>> {
    let life = Lifecycle::default();
    line_up.relay(&life);
    let run = tasks::run(
        line_up.pool.clone(),
        line_up.engines.task_dispatch(),
        vec![Arc::new(Nothing)],
        line_up.config.tasks.clone(),
        life.clone(),
    );
    life.spawn("tasks", run);
    // Whoever did one is connected.
    let outcome = async {
        done(&line_up.pool, 1).await?;
        done(&line_up.pool, BACKLOG).await
    };
    let outcome = tokio::time::timeout(PATIENCE, outcome).await;
    life.stop();
    life.finished().await;
    Ok(vec![outcome.context("tasks were not done")??])
}

/// Asks for so many tasks at once and waits until they are done.
async fn done(pool: &PgPool, count: usize) -> Result<Outcome> {
    let before = count_done(pool).await?;
    let mut tx = postgres::begin(pool).await?;
    for _ in 0..count {
        tasks::put(&mut tx, &Task::new(Uuid::now_v7(), KIND, &json!({}))?).await?;
    }
    tx.commit().await?;
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < count {
        tokio::time::sleep(POLL).await;
        let done = count_done(pool).await? - before;
        times.resize(done, start.elapsed());
    }
    Ok(Outcome::of(times, start.elapsed()))
}

async fn count_done(pool: &PgPool) -> Result<usize> {
    let query = "select count(*) from platform.tasks where state = 'done'";
    let done: i64 = sqlx::query_scalar(query).fetch_one(pool).await?;
    Ok(usize::try_from(done)?)
}

/// A quorum queue: from the first message that is published to the last that is acknowledged.
pub(crate) async fn bare(server: &TestServer) -> Result<Vec<Outcome>> {
    let url = server.variable("AMQP_URL");
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let (publishing, consuming) = (
        connection.create_channel().await?,
        connection.create_channel().await?,
    );
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    publishing
        .queue_declare("bare".into(), QueueDeclareOptions::durable(), quorum)
        .await?;
    publishing.confirm_select(ConfirmSelectOptions::default()).await?;
    consuming
        .basic_qos(u16::try_from(AT_ONCE)?, BasicQosOptions::default())
        .await?;
    let mut messages = consuming
        .basic_consume(
            "bare".into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    let start = Instant::now();
    let publish = async {
        let mut confirms = Vec::new();
        for _ in 0..BACKLOG {
            let persistent = BasicProperties::default().with_delivery_mode(PERSISTENT);
            let id = Uuid::now_v7().to_string();
            let options = BasicPublishOptions::default();
            let published =
                publishing.basic_publish("".into(), "bare".into(), options, id.as_bytes(), persistent);
            confirms.push(published.await?);
        }
        for confirm in confirms {
            confirm.await?;
        }
        anyhow::Ok(())
    };
    let consume = async {
        let mut times = Vec::new();
        while times.len() < BACKLOG {
            let message = messages.next().await.context("a message")??;
            message.acker.ack(BasicAckOptions::default()).await?;
            times.push(start.elapsed());
        }
        anyhow::Ok(times)
    };
    let both = async { tokio::try_join!(publish, consume) };
    let ((), times) = tokio::time::timeout(PATIENCE, both)
        .await
        .context("messages did not come")??;
    Ok(vec![Outcome::of(times, start.elapsed())])
}
