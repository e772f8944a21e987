//! Events, from the commit to their effect on a group: of a backlog, and at a steady rate.

use std::{
    collections::HashMap,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use futures::future::try_join_all;
use rdkafka::{
    ClientConfig, Message as _,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{Consumer as _, StreamConsumer},
    producer::{FutureProducer, FutureRecord},
};
use serde_json::json;
use smartcourse_platform::{
    events::{Consumer, Event},
    lifecycle::Lifecycle,
    outbox::{self, NewEvent},
    postgres,
};
use smartcourse_tests::{TestServer, measure::Outcome};
use sqlx::{PgConnection, PgPool};

use crate::{line_up::LineUp, load::WINDOW};

pub(crate) const OPERATIONS: [&str; 3] = [
    "events: a backlog of 5,000",
    "200 events/s, one in a transaction",
    "2,000 events/s, ten in a transaction",
];
const BACKLOG: i64 = 5_000;
/// Events of a transaction at either rate.
pub(crate) const RATES: [i64; 2] = [1, 10];
/// Time from one transaction to the next.
const PACE: Duration = Duration::from_millis(5);
/// Aggregates they are about.
const KEYS: i64 = 500;
const PARTITIONS: i32 = 6;
/// How often the effects are looked for.
const POLL: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(60);

/// A way for numbered events.
#[async_trait]
trait Log: Send + Sync {
    /// Hands events over, and says from when on their effect is awaited.
    async fn put(&self, numbers: Range<i64>) -> Result<Instant>;
    /// Those that have come since the last look.
    async fn come(&self) -> Result<Vec<i64>>;
}

fn key(number: i64) -> String {
    format!("enrollment-{}", number % KEYS)
}

/// Outbox, relay and a group with a row for each event as its effect.
struct Outbox(PgPool);

#[async_trait]
impl Log for Outbox {
    async fn put(&self, numbers: Range<i64>) -> Result<Instant> {
        let event = |number| NewEvent::new("enrollment.created", key(number), &json!({ "number": number }));
        let events = numbers.map(event).collect::<Result<Vec<_>, _>>()?;
        let mut tx = postgres::begin(&self.0).await?;
        outbox::put_events(&mut tx, &events).await?;
        tx.commit().await?;
        Ok(Instant::now())
    }

    async fn come(&self) -> Result<Vec<i64>> {
        tokio::time::sleep(POLL).await;
        let come = sqlx::query_scalar("delete from effects returning number");
        Ok(come.fetch_all(&self.0).await?)
    }
}

struct Group;

#[async_trait]
impl Consumer for Group {
    fn group(&self) -> &'static str {
        "ports"
    }

    fn wants(&self, _event_type: &str) -> bool {
        true
    }

    async fn handle(&self, tx: &mut PgConnection, event: &Event) -> smartcourse_platform::Result<()> {
        self.handle_all(tx, &[event]).await
    }

    async fn handle_all(&self, tx: &mut PgConnection, events: &[&Event]) -> smartcourse_platform::Result<()> {
        let numbers: Vec<Option<i64>> = events
            .iter()
            .map(|event| event.payload["number"].as_i64())
            .collect();
        sqlx::query("insert into effects select unnest($1::bigint[])")
            .bind(numbers)
            .execute(tx)
            .await?;
        Ok(())
    }
}

/// A topic with a producer and a consumer, and nothing that remembers what was done.
struct Topic {
    producer: FutureProducer,
    consumer: StreamConsumer,
}

const TOPIC: &str = "bare";

#[async_trait]
impl Log for Topic {
    async fn put(&self, numbers: Range<i64>) -> Result<Instant> {
        let begin = Instant::now();
        let mut sent = Vec::new();
        for number in numbers {
            let (key, payload) = (key(number), number.to_string());
            let record = FutureRecord::to(TOPIC).key(&key).payload(&payload);
            sent.push(self.producer.send_result(record).map_err(|(error, _)| error)?);
        }
        for delivery in try_join_all(sent).await? {
            delivery.map_err(|(error, _)| error)?;
        }
        Ok(begin)
    }

    async fn come(&self) -> Result<Vec<i64>> {
        let message = self.consumer.recv().await?;
        let number = std::str::from_utf8(message.payload().context("a number")?)?;
        Ok(vec![number.parse()?])
    }
}

/// Through the port.
pub(crate) async fn port(line_up: &LineUp) -> Result<Vec<Outcome>> {
    sqlx::query("create table effects (number bigint not null)")
        .execute(&line_up.pool)
        .await?;
    let life = Lifecycle::default();
    line_up.relay(&life);
    let (log, pool) = (line_up.engines.event_log(), line_up.pool.clone());
    let ended = life.clone();
    life.spawn(
        "group",
        async move { log.deliver(pool, Arc::new(Group), ended).await },
    );
    let outcomes = measure(Arc::new(Outbox(line_up.pool.clone()))).await;
    life.stop();
    life.finished().await;
    outcomes
}

/// From the send to the receipt.
pub(crate) async fn bare(server: &TestServer) -> Result<Vec<Outcome>> {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", server.variable("KAFKA_BROKERS"));
    let admin: AdminClient<DefaultClientContext> = client.create()?;
    let topic = NewTopic::new(TOPIC, PARTITIONS, TopicReplication::Fixed(1));
    for made in admin.create_topics([&topic], &AdminOptions::new()).await? {
        made.map_err(|(topic, code)| anyhow::anyhow!("{topic}: {code}"))?;
    }
    let consumer: StreamConsumer = client
        .clone()
        .set("group.id", TOPIC)
        .set("auto.offset.reset", "earliest")
        .create()?;
    consumer.subscribe(&[TOPIC])?;
    let producer = client
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", "1")
        .create()?;
    measure(Arc::new(Topic { producer, consumer })).await
}

async fn measure(log: Arc<dyn Log>) -> Result<Vec<Outcome>> {
    // Whoever was given an event has begun to listen.
    follow(&log, 0..1, 1).await?;
    let mut first = 1;
    let mut outcomes = vec![follow(&log, first..first + BACKLOG, BACKLOG).await?];
    first += BACKLOG;
    for each in RATES {
        let transactions = i64::try_from(WINDOW.as_millis() / PACE.as_millis())?;
        let next = first + transactions * each;
        outcomes.push(follow(&log, first..next, each).await?);
        first = next;
    }
    Ok(outcomes)
}

/// Hands events over, so many at once, and waits for their effects: how long each took. The pace is kept however long one takes.
async fn follow(log: &Arc<dyn Log>, numbers: Range<i64>, each: i64) -> Result<Outcome> {
    let transactions = numbers.clone().step_by(usize::try_from(each)?);
    let writing = async {
        let mut pace = tokio::time::interval(PACE);
        let mut writers = Vec::new();
        for first in transactions {
            pace.tick().await;
            let (log, numbers) = (Arc::clone(log), first..first + each);
            let writer = tokio::spawn(async move {
                let at = log.put(numbers.clone()).await?;
                anyhow::Ok(numbers.map(|number| (number, at)).collect::<Vec<_>>())
            });
            writers.push(async { writer.await? });
        }
        try_join_all(writers).await
    };
    let count = usize::try_from(numbers.end - numbers.start)?;
    let effects = async {
        let mut come: HashMap<i64, Instant> = HashMap::new();
        while come.len() < count {
            let numbers = log.come().await?;
            let at = Instant::now();
            come.extend(numbers.into_iter().map(|number| (number, at)));
        }
        Ok(come)
    };
    let all = async { tokio::try_join!(writing, effects) };
    let (handed_over, come) = tokio::time::timeout(PATIENCE, all)
        .await
        .context("events did not come")??;
    let handed_over = handed_over.concat();
    let times = handed_over.iter().map(|(number, at)| {
        let came = come.get(number).context("each has come")?;
        Ok(came.saturating_duration_since(*at))
    });
    let times: Vec<Duration> = times.collect::<Result<_>>()?;
    let first = handed_over.iter().map(|(_, at)| *at).min().context("some")?;
    let last = come.values().max().context("some")?;
    Ok(Outcome::of(times, last.saturating_duration_since(first)))
}
