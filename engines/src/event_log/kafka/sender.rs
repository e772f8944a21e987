//! The way of placed events to the brokers: in the order of their positions, recorded only once the brokers have them.
//!
//! One relay sends at a time. Should two do so all the same, since one was thought dead, or should one send again what it had not
//! recorded, the positions tell: each sends without a gap, so that what comes again is never ahead of what came first.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use futures::future::{BoxFuture, try_join_all};
use murmur2::{KAFKA_SEED, murmur2};
use rdkafka::producer::{DeliveryFuture, FutureRecord};
use smartcourse_platform::{
    Error, Result, error::codes, events::Event, fault, ports::event_log::Moved, postgres,
};
use sqlx::{PgConnection, PgPool};
use tokio::sync::Mutex;

use super::{ends::ends, offsets::Partition, record};
use crate::servers::kafka::{Kafka, PATIENCE, Producer, let_go, unavailable};

/// Events that are sent before the first of them is recorded.
const BATCH: i64 = 500;
/// For how long the brokers surely remember a producer they have heard of. They forget one that is silent for a day, unless they are
/// told otherwise (`producer.id.expiration.ms`).
const REMEMBERED: Duration = Duration::from_secs(600);
/// Advisory lock of the relay that sends.
const LOCK: i64 = 0x5343_4b41_464b;

/// Sends, one batch at a time.
pub(super) struct Sender {
    kafka: Kafka,
    pool: PgPool,
    way: Mutex<Option<Way>>,
}

/// A producer, and what is not known to be done yet.
struct Way {
    producer: Producer,
    /// How many partitions a topic has.
    partitions: HashMap<String, usize>,
    /// When the brokers last confirmed something in a partition.
    heard: HashMap<Partition, Instant>,
    /// The batch it was given and has not told of.
    sent: Option<BoxFuture<'static, Result<Vec<Place>>>>,
    /// What the brokers have last, while that is more than the database knows.
    ahead: Option<Vec<Place>>,
}

/// Where an event is, and its position.
type Place = (Partition, i64);

impl Sender {
    /// Over the pool of the engines.
    pub(super) fn new(kafka: Kafka, pool: PgPool) -> Self {
        Self {
            kafka,
            pool,
            way: Mutex::default(),
        }
    }

    /// Whether events may get positions: not before it is known which the brokers have. A database that was restored to an earlier
    /// day would give some a second time; it is told of them first, once all it has itself is sent.
    pub(super) async fn may_place(&self) -> Result<bool> {
        let mut way = self.way.lock().await;
        let way = match &mut *way {
            Some(way) => way,
            None => way.insert(self.open().await?),
        };
        Ok(way.ahead.is_none())
    }

    async fn open(&self) -> Result<Way> {
        let ends = ends(&self.kafka).await?;
        let known = sqlx::query_scalar!(
            r#"select greatest(0, (select max(position) from platform.events), (select max(position) from platform.event_partitions),
                   (select max(last_position) from platform.event_archives)) as "known!""#
        )
        .fetch_one(&self.pool)
        .await?;
        // An event has its position in the database before it is sent.
        let is_behind = ends.last.iter().any(|(_, position)| known < *position);
        if is_behind {
            tracing::warn!(
                known,
                "the database is of an earlier day than the log in Kafka, which goes on from there"
            );
        }
        Ok(Way {
            producer: self.kafka.ordered_producer()?,
            partitions: ends.partitions,
            heard: HashMap::new(),
            sent: None,
            ahead: is_behind.then_some(ends.last),
        })
    }

    /// Sends the next batch and records where it is. What the brokers have not confirmed in time is on its way still; the next
    /// round waits on, and sends nothing else meanwhile.
    pub(super) async fn send(&self) -> Result<Moved> {
        let mut tx = postgres::begin(&self.pool).await?;
        let first = sqlx::query_scalar!("select pg_try_advisory_xact_lock($1) as \"first!\"", LOCK)
            .fetch_one(&mut *tx)
            .await?;
        if !first {
            return Ok(Moved::default());
        }
        let mut kept = self.way.lock().await;
        let Some(way) = &mut *kept else {
            return Ok(Moved::default());
        };
        if way.sent.is_none() {
            let events = next(&mut tx).await?;
            if events.is_empty() {
                if let Some(ends) = &way.ahead {
                    note(&mut tx, ends).await?;
                    tx.commit().await?;
                    way.ahead = None;
                }
                return Ok(Moved::default());
            }
            way.sent = Some(Box::pin(self.give(way, events)?));
        }
        let Some(under_way) = &mut way.sent else {
            return Ok(Moved::default());
        };
        let Ok(outcome) = tokio::time::timeout(PATIENCE, under_way).await else {
            let detail = "Kafka has not confirmed the events it was sent";
            return Err(Error::new(&codes::UNAVAILABLE, detail));
        };
        way.sent = None;
        let places = match outcome {
            Ok(places) => places,
            Err(error) => {
                // What it has left must not follow what is sent once more.
                let_go(kept.take());
                return Err(error);
            }
        };
        let now = Instant::now();
        way.heard
            .extend(places.iter().map(|(partition, _)| (partition.clone(), now)));
        fault::point("relay.send", "before_commit");
        note(&mut tx, &places).await?;
        tx.commit().await?;
        let count = places.len() as i64;
        Ok(Moved {
            count,
            more: count == BATCH,
        })
    }

    /// Sends events, in their order. The brokers take any first batch of a producer they have not heard of, whatever was refused before
    /// it, so that the first event goes to such a partition alone: what they refuse after that is not overtaken.
    fn give(
        &self,
        way: &Way,
        events: Vec<Event>,
    ) -> Result<impl Future<Output = Result<Vec<Place>>> + use<>> {
        let mut known: HashSet<Partition> = way
            .heard
            .iter()
            .filter(|(_, heard)| heard.elapsed() < REMEMBERED)
            .map(|(partition, _)| partition.clone())
            .collect();
        let (mut first, mut rest) = (Vec::new(), Vec::new());
        for event in events {
            let partition = self.partition(way, &event.key)?;
            if known.insert(partition.clone()) {
                first.push((partition, event));
            } else {
                rest.push((partition, event));
            }
        }
        let producer = way.producer.clone();
        Ok(async move {
            let mut places = deliver(&producer, first).await?;
            places.extend(deliver(&producer, rest).await?);
            Ok(places)
        })
    }

    /// The partition of a key, as the clients of Java choose it.
    fn partition(&self, way: &Way, key: &str) -> Result<Partition> {
        let topic = self.kafka.topic(key);
        let hash = murmur2(key.as_bytes(), KAFKA_SEED) & 0x7fff_ffff;
        match way.partitions.get(&topic) {
            Some(count) if *count > 0 => Ok((topic, (hash as usize % count) as i32)),
            _ => {
                let detail = format!("Kafka has no topic {topic}: run `smartcourse migrate`");
                Err(Error::new(&codes::UNAVAILABLE, detail))
            }
        }
    }
}

/// Gives the producer events and waits until the brokers have them.
async fn deliver(producer: &Producer, events: Vec<(Partition, Event)>) -> Result<Vec<Place>> {
    let mut deliveries = Vec::with_capacity(events.len());
    for ((topic, partition), event) in events {
        let payload = event.payload.to_string();
        let record = FutureRecord::to(&topic)
            .partition(partition)
            .key(&event.key)
            .payload(&payload)
            .headers(record::headers(&event)?);
        let delivery = producer
            .send_result(record)
            .map_err(|(error, _)| unavailable(error))?;
        deliveries.push(confirmed(delivery, ((topic, partition), event.position)));
    }
    try_join_all(deliveries).await
}

/// The place of an event, once the brokers have it.
async fn confirmed(delivery: DeliveryFuture, place: Place) -> Result<Place> {
    let outcome = delivery
        .await
        .map_err(|error| Error::internal("a producer of Kafka went before it was done").because(error))?;
    outcome.map_err(|(error, _)| unavailable(error))?;
    Ok(place)
}

/// The next events that are placed and not recorded as sent.
async fn next(tx: &mut PgConnection) -> Result<Vec<Event>> {
    Ok(sqlx::query_as!(
        Event,
        r#"select id, type as event_type, key, position as "position!", payload, created_at,
               headers ->> 'traceparent' as traceparent
           from platform.events
           where position > coalesce((select max(position) from platform.event_partitions), 0) order by position limit $1"#,
        BATCH
    )
    .fetch_all(tx)
    .await?)
}

/// Records the last event of each partition.
async fn note(tx: &mut PgConnection, places: &[Place]) -> Result<()> {
    let topics: Vec<&str> = places.iter().map(|((topic, _), _)| topic.as_str()).collect();
    let partitions: Vec<i32> = places.iter().map(|((_, partition), _)| *partition).collect();
    let positions: Vec<i64> = places.iter().map(|(_, position)| *position).collect();
    sqlx::query!(
        "insert into platform.event_partitions as known (topic, partition, position)
         select topic, partition, max(position) from unnest($1::text[], $2::int[], $3::bigint[]) p (topic, partition, position)
         group by topic, partition
         on conflict (topic, partition) do update set position = greatest(known.position, excluded.position)",
        &topics as &[&str],
        &partitions,
        &positions
    )
    .execute(tx)
    .await?;
    Ok(())
}
