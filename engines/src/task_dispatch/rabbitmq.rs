//! Task dispatch over RabbitMQ. Ids of rows that are due are published, and come to whoever has a place; the row stays what decides
//! who runs a task, and when.
//!
//! A row is marked as offered before its id is published: an id whose row is locked by the mark at the moment it arrives would be
//! taken for somebody else's and be lost. When the server does not confirm, the mark goes. What gets lost between the two, or at the
//! server, shows in that rows stay due though their queue is empty; they are offered again.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::{StreamExt as _, TryFutureExt as _, TryStreamExt as _, stream::FuturesUnordered};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, Consumer, Queue,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, BasicRejectOptions,
    },
    types::FieldTable,
};
use smartcourse_platform::{
    Error, Result,
    error::codes,
    lifecycle::Lifecycle,
    ports::{event_log::Moved, task_dispatch::TaskDispatch},
    tasks::CHANNEL,
};
use sqlx::PgPool;
use tokio::{sync, task::JoinSet};
use uuid::Uuid;

use super::{deliveries::Deliveries, queues};
use crate::servers::rabbitmq::{RabbitMq as Server, ask};

/// Ids published at once.
const BATCH: i64 = 500;
/// How long a row may be due after it was offered, with its queue empty, before its id is taken for lost; and how often that is looked
/// for.
const LOST: Duration = Duration::from_secs(5);
/// Ids taken for lost at once.
const LOST_BATCH: i64 = 10_000;
/// The delivery mode of messages that outlive a restart.
const PERSISTENT: u8 = 2;

/// Queues at RabbitMQ. Offering and consuming have a connection each, made when they are first wanted and again when they are lost.
pub struct RabbitMq {
    pool: PgPool,
    server: Server,
    /// How many deliveries of a kind a process holds: one for each place.
    prefetch: u16,
    publisher: sync::Mutex<Option<Publisher>>,
    consumers: sync::Mutex<Consumers>,
    deliveries: Mutex<Arc<Deliveries>>,
}

struct Publisher {
    channel: Channel,
    exchange: String,
    connection: Connection,
    /// Kinds whose queues are there.
    declared: HashSet<String>,
    /// When it was looked for lost ids.
    looked: Instant,
}

#[derive(Default)]
struct Consumers {
    kinds: BTreeSet<&'static str>,
    live: Option<Live>,
}

/// Consumers of one connection, which dropping ends.
struct Live {
    deliveries: Arc<Deliveries>,
    _receivers: JoinSet<()>,
    _channel: Channel,
    _connection: Connection,
}

/// Declares what all kinds share; the queue of a kind is declared by who first offers or runs one.
pub(crate) async fn prepare(server: &Server) -> Result<()> {
    let (_connection, channel) = server.connect("migrate").await?;
    queues::declare_shared(&channel, server.exchange()).await
}

impl RabbitMq {
    /// Over the pool of the engines; who runs tasks has so many places for each kind.
    pub fn new(pool: PgPool, server: Server, places: usize) -> Self {
        Self {
            pool,
            server,
            prefetch: u16::try_from(places).unwrap_or(u16::MAX),
            publisher: sync::Mutex::default(),
            consumers: sync::Mutex::default(),
            deliveries: Mutex::default(),
        }
    }

    /// Marks rows as offered that became due since they last were.
    async fn mark(&self) -> Result<Vec<(Uuid, String)>> {
        let rows = sqlx::query!(
            "update platform.tasks t set offered_at = now() from (
                 select id from platform.tasks
                 where state in ('queued', 'running') and coalesce(lease_until, next_try_at) <= now()
                   and (offered_at is null or offered_at < coalesce(lease_until, next_try_at))
                 order by coalesce(lease_until, next_try_at) limit $1 for update skip locked) due
             where t.id = due.id returning t.id, t.kind",
            BATCH
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.id, row.kind)).collect())
    }

    async fn unmark(&self, ids: &[Uuid]) -> Result<()> {
        sqlx::query!(
            "update platform.tasks set offered_at = null where id = any($1)",
            ids
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Unmarks rows that have been due for a while though nothing is in their queue, as after it was purged.
    async fn unmark_lost(&self, publisher: &mut Publisher) -> Result<()> {
        // Each kind costs a look at the index, however many rows it has.
        let kinds = sqlx::query_scalar!(
            r#"with recursive kinds as (
                 select min(kind) as kind from platform.tasks where state in ('queued', 'running')
                 union all
                 select (select min(t.kind) from platform.tasks t where t.kind > kinds.kind and t.state in ('queued', 'running'))
                 from kinds where kinds.kind is not null)
             select kind as "kind!" from kinds where exists (
                 select from platform.tasks t where t.kind = kinds.kind and t.state in ('queued', 'running')
                   and coalesce(t.lease_until, t.next_try_at) <= now() - make_interval(secs => $1))"#,
            LOST.as_secs_f64()
        )
        .fetch_all(&self.pool)
        .await?;
        for kind in kinds {
            let queue = publisher.declare(&kind).await?;
            if queue.message_count() > 0 {
                continue;
            }
            let lost = sqlx::query!(
                "update platform.tasks set offered_at = null where id in (
                     select id from platform.tasks
                     where kind = $1 and state in ('queued', 'running')
                       and coalesce(lease_until, next_try_at) <= now() - make_interval(secs => $2)
                       and offered_at <= now() - make_interval(secs => $2)
                     order by coalesce(lease_until, next_try_at) limit $3 for update skip locked)",
                kind,
                LOST.as_secs_f64(),
                LOST_BATCH
            )
            .execute(&self.pool)
            .await?
            .rows_affected();
            if lost > 0 {
                tracing::warn!(
                    kind,
                    lost,
                    "tasks are due and not in their queue; offering them again"
                );
            }
        }
        publisher.looked = Instant::now();
        Ok(())
    }

    async fn offer_by(&self, publisher: &mut Publisher) -> Result<Moved> {
        if publisher.looked.elapsed() >= LOST {
            self.unmark_lost(publisher).await?;
        }
        let due = self.mark().await?;
        let mut confirmed = HashSet::new();
        if let Err(error) = publisher.publish(&due, &mut confirmed).await {
            let ids = due.iter().map(|(id, _)| *id);
            let ids: Vec<Uuid> = ids.filter(|id| !confirmed.contains(id)).collect();
            if let Err(second) = self.unmark(&ids).await {
                tracing::warn!(error = %second.chain(), "ids were marked and not published; they will be missed");
            }
            return Err(error);
        }
        let count = due.len() as i64;
        Ok(Moved {
            count,
            more: count >= BATCH,
        })
    }

    /// The deliveries of these kinds and of those asked for before.
    async fn consume(&self, places: &[(&'static str, usize)]) -> Result<Arc<Deliveries>> {
        let mut consumers = self.consumers.lock().await;
        let known = consumers.kinds.len();
        consumers.kinds.extend(places.iter().map(|(kind, _)| kind));
        match &consumers.live {
            Some(live) if consumers.kinds.len() == known && !live.deliveries.is_over() => {
                return Ok(Arc::clone(&live.deliveries));
            }
            _ => consumers.live = None,
        }
        let live = self.connect(&consumers.kinds).await?;
        let deliveries = Arc::clone(&live.deliveries);
        // What the lost connection held comes again.
        *self.deliveries.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&deliveries);
        consumers.live = Some(live);
        Ok(deliveries)
    }

    async fn connect(&self, kinds: &BTreeSet<&'static str>) -> Result<Live> {
        let (connection, channel) = self.server.connect("tasks").await?;
        let (deliveries, mut receivers) = (Arc::new(Deliveries::default()), JoinSet::new());
        let exchange = self.server.exchange();
        queues::declare_shared(&channel, exchange).await?;
        ask(channel.basic_qos(self.prefetch, BasicQosOptions::default())).await?;
        for kind in kinds {
            queues::declare(&channel, exchange, kind).await?;
            let queue = queues::name(exchange, kind);
            let options = BasicConsumeOptions::default();
            let consumer = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
            receivers.spawn(receive(kind, ask(consumer).await?, Arc::clone(&deliveries)));
        }
        Ok(Live {
            deliveries,
            _receivers: receivers,
            _channel: channel,
            _connection: connection,
        })
    }

    fn deliveries(&self) -> Arc<Deliveries> {
        Arc::clone(&self.deliveries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Takes deliveries in until the connection is lost.
async fn receive(kind: &'static str, mut consumer: Consumer, deliveries: Arc<Deliveries>) {
    while let Some(Ok(delivery)) = consumer.next().await {
        let id = std::str::from_utf8(&delivery.data)
            .ok()
            .and_then(|id| id.parse().ok());
        let answered = match id {
            Some(id) => match deliveries.arrive(kind, id, delivery.acker) {
                Some(former) => former.ack(BasicAckOptions::default()).await,
                None => Ok(true),
            },
            None => {
                tracing::error!(kind, "what is in the queue of tasks is no id of one");
                delivery.acker.reject(BasicRejectOptions::default()).await
            }
        };
        if answered.is_err() {
            break;
        }
    }
    deliveries.end();
}

impl Publisher {
    async fn connect(server: &Server) -> Result<Self> {
        let (connection, channel) = server.connect("relay").await?;
        ask(channel.confirm_select(Default::default())).await?;
        queues::declare_shared(&channel, server.exchange()).await?;
        Ok(Self {
            channel,
            connection,
            exchange: server.exchange().to_owned(),
            declared: HashSet::new(),
            looked: Instant::now(),
        })
    }

    /// Whether the server takes nothing for now, as its disk or memory is full.
    fn is_blocked(&self) -> bool {
        let status = self.connection.status();
        status.connected() && status.blocked()
    }

    async fn declare(&mut self, kind: &str) -> Result<Queue> {
        let queue = queues::declare(&self.channel, &self.exchange, kind).await?;
        self.declared.insert(kind.to_owned());
        Ok(queue)
    }

    /// Publishes ids, and says which of them the server has.
    async fn publish(&mut self, due: &[(Uuid, String)], confirmed: &mut HashSet<Uuid>) -> Result<()> {
        for (_, kind) in due {
            if !self.declared.contains(kind) {
                self.declare(kind).await?;
            }
        }
        let channel = &self.channel;
        let mut confirms = FuturesUnordered::new();
        for (id, kind) in due {
            // One that no queue takes comes back.
            let mandatory = BasicPublishOptions {
                mandatory: true,
                ..BasicPublishOptions::default()
            };
            let properties = BasicProperties::default()
                .with_delivery_mode(PERSISTENT)
                .with_type(kind.as_str().into());
            let body = id.to_string();
            let published = channel.basic_publish(
                self.exchange.as_str().into(),
                kind.as_str().into(),
                mandatory,
                body.as_bytes(),
                properties,
            );
            confirms.push(ask(published).await?.map_ok(|confirmation| (*id, confirmation)));
        }
        // A server that is slow confirms one after the other.
        while let Some((id, confirmation)) = ask(confirms.try_next()).await? {
            if confirmation == Confirmation::Ack(None) {
                confirmed.insert(id);
            }
        }
        if confirmed.len() < due.len() {
            return Err(Error::new(&codes::UNAVAILABLE, "RabbitMQ did not take a task"));
        }
        Ok(())
    }
}

#[async_trait]
impl TaskDispatch for RabbitMq {
    fn channel(&self) -> Option<&'static str> {
        Some(CHANNEL)
    }

    async fn offer(&self) -> Result<Moved> {
        let mut kept = self.publisher.lock().await;
        if kept.as_ref().is_some_and(Publisher::is_blocked) {
            return Err(Error::new(&codes::UNAVAILABLE, "RabbitMQ has no room"));
        }
        // Not put back when something fails, or the caller gives up: what comes next has a new connection.
        let mut publisher = match kept.take() {
            Some(publisher) if publisher.connection.status().connected() => publisher,
            _ => Publisher::connect(&self.server).await?,
        };
        let moved = self.offer_by(&mut publisher).await;
        // One that is blocked is sound. It could not even be closed now, and is told when there is room.
        if moved.is_ok() || publisher.is_blocked() {
            *kept = Some(publisher);
        }
        moved
    }

    async fn next(&self, places: &[(&'static str, usize)], life: &Lifecycle) -> Result<Vec<Uuid>> {
        let told = async {
            let told = self.consume(places).await?.next(places).await;
            if told.is_empty() {
                return Err(Error::new(
                    &codes::UNAVAILABLE,
                    "the connection to RabbitMQ is lost",
                ));
            }
            Ok(told)
        };
        tokio::select! {
            () = life.stopping() => Ok(Vec::new()),
            told = told => told,
        }
    }

    async fn acknowledge(&self, id: Uuid) -> Result<()> {
        let deliveries = self.deliveries();
        // Otherwise it came over a connection that was lost, and comes again.
        if let Some(acker) = deliveries.remove(id)
            && let Err(error) = ask(acker.ack(BasicAckOptions::default())).await
        {
            deliveries.end();
            return Err(error);
        }
        Ok(())
    }

    fn give_back(&self, id: Uuid) {
        self.deliveries().give_back(id);
    }
}
