//! What is declared at RabbitMQ: an exchange, a queue for each kind of task, and one for what was delivered in vain.

use lapin::{
    Channel, ExchangeKind, Queue,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use smartcourse_platform::Result;

use crate::servers::rabbitmq::ask;

/// Deliveries of a message, each to a process that then lost its connection, after which it goes there.
const DELIVERIES: i64 = 20;
/// How many of them are kept, the latest.
const DEAD_KEPT: i64 = 10_000;

/// Where messages go that were delivered too often or cannot be read, for a person to look at. The row of the task is not affected.
fn dead(exchange: &str) -> String {
    format!("{exchange}.dead")
}

/// Declares what all kinds share: the exchange ids are published to, by the kind of their task, and where dead messages go.
pub(super) async fn declare_shared(channel: &Channel, exchange: &str) -> Result<()> {
    let dead = &dead(exchange);
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    for (exchange, kind) in [(exchange, ExchangeKind::Direct), (dead, ExchangeKind::Fanout)] {
        ask(channel.exchange_declare(exchange.into(), kind, durable, FieldTable::default())).await?;
    }
    declare_queue(channel, dead, &[("x-max-length", DEAD_KEPT.into())]).await?;
    bind(channel, dead, dead, "").await
}

/// Declares the queue of a kind; it answers how much of it was delivered to nobody.
pub(super) async fn declare(channel: &Channel, exchange: &str, kind: &str) -> Result<Queue> {
    let name = name(exchange, kind);
    let arguments = [
        ("x-delivery-limit", DELIVERIES.into()),
        (
            "x-dead-letter-exchange",
            AMQPValue::LongString(dead(exchange).into()),
        ),
    ];
    let queue = declare_queue(channel, &name, &arguments).await?;
    bind(channel, &name, exchange, kind).await?;
    Ok(queue)
}

/// The queue of a kind.
pub(super) fn name(exchange: &str, kind: &str) -> String {
    format!("{exchange}.{kind}")
}

/// A queue whose messages a majority of the servers has on disk.
async fn declare_queue(
    channel: &Channel,
    name: &str,
    arguments: &[(&'static str, AMQPValue)],
) -> Result<Queue> {
    let mut table = FieldTable::default();
    table.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    for (argument, value) in arguments {
        table.insert((*argument).into(), value.clone());
    }
    ask(channel.queue_declare(name.into(), QueueDeclareOptions::durable(), table)).await
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<()> {
    let options = QueueBindOptions::default();
    let bound = channel.queue_bind(
        queue.into(),
        exchange.into(),
        key.into(),
        options,
        FieldTable::default(),
    );
    ask(bound).await
}
