//! Each server that can be named is away: while people are at work, when the roles start, and back again. What goes on meanwhile, what
//! fails and what waits is what the table in docs/OPERATIONS.md says.

mod school;

use anyhow::{Context as _, Result, ensure};
use smartcourse_tests::{Fault, Layout, Link, ServerKind, TestQdrant, TestServer, World, wait_for};

use crate::{ROLES, executable};
use school::{Deed, Effect, Row, School};

/// Waits until the platform says which of its servers are away.
async fn told(world: &World, away: &[&str]) -> Result<()> {
    wait_for("the state of the servers", async || {
        // On a busy machine a look at the database may take too long: 503 then, for a moment.
        let ready = world.anonymous().get("/readyz").await?.body;
        let servers = ready["servers"].as_object().into_iter().flatten();
        let silent: Vec<&str> = servers
            .filter(|(_, state)| **state == "down")
            .map(|(name, _)| name.as_str())
            .collect();
        let status = if away.is_empty() { "ok" } else { "degraded" };
        Ok(if silent == away && ready["status"] == status {
            Ok(())
        } else {
            Err(ready.to_string())
        })
    })
    .await
}

/// A server that can go.
enum Server {
    Real(Box<TestServer>),
    /// What is behind the link stays, and cannot be reached.
    Behind(Link),
}

impl Server {
    async fn goes(&mut self) -> Result<()> {
        match self {
            Self::Real(server) => server.kill().await?,
            Self::Behind(link) => link.fail(Fault::Cut),
        }
        Ok(())
    }

    async fn comes_back(&mut self) -> Result<()> {
        match self {
            Self::Real(server) => server.start_again().await?,
            Self::Behind(link) => link.mend(),
        }
        Ok(())
    }
}

/// The row holds for a real server.
async fn is_away(kind: ServerKind, row: Row) -> Result<()> {
    let servers = [TestServer::start(kind).await?];
    let world = World::start_on(&servers, executable(), Layout::Together, &[]).await?;
    let [server] = servers;
    let address = server.variable(row.variable).to_owned();
    holds(row, Server::Real(Box::new(server)), &address, world).await
}

/// The row holds while the server is away, with roles that were there before and with roles that have never seen it; then everything
/// that was accepted is done once.
async fn holds(row: Row, mut server: Server, address: &str, mut world: World) -> Result<()> {
    let mut school = School::open(&world, 2).await?;
    told(&world, &[]).await?;
    server.goes().await?;
    told(&world, &[row.name]).await?;
    school.is_as(&world, &row).await?;

    let before = world.whole_log("serve").len();
    for role in ROLES {
        world.restart(role, &[]).await?;
    }
    world.ready().await?;
    told(&world, &[row.name]).await?;
    let address = address.rsplit(['/', '@']).find(|part| part.contains(':'));
    let address = address.context("it has an address")?;
    let log = world.whole_log("serve");
    let named = |line: &str| {
        ["does not answer", row.variable, address]
            .iter()
            .all(|part| line.contains(part))
    };
    ensure!(
        log[before..].lines().any(named),
        "{} {address}: {}",
        row.variable,
        world.log("serve")
    );
    school.is_as(&world, &row).await?;

    server.comes_back().await?;
    told(&world, &[]).await?;
    for deed in row.fails {
        let reply = wait_for("an answer", async || {
            let reply = school.tries(&world, *deed).await?;
            Ok(if reply.status == 503 {
                Err(reply.body.to_string())
            } else {
                Ok(reply)
            })
        });
        let reply = reply.await?;
        ensure!(matches!(reply.status, 200..=206), "{deed:?}: {}", reply.body);
    }
    school.is_right(&world).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn kafka_is_away() -> Result<()> {
    is_away(
        ServerKind::Kafka,
        Row {
            name: "Kafka",
            variable: "KAFKA_BROKERS",
            fails: &[],
            waits: &[Effect::Numbers],
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn mongodb_is_away() -> Result<()> {
    is_away(
        ServerKind::FerretDb,
        Row {
            name: "MongoDB",
            variable: "MONGODB_URL",
            fails: &[Deed::Read, Deed::Ask, Deed::Edit, Deed::Upload, Deed::Download],
            waits: &[Effect::Version],
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn s3_is_away() -> Result<()> {
    is_away(
        ServerKind::MinIo,
        Row {
            name: "S3",
            variable: "S3_ENDPOINT",
            fails: &[Deed::Upload, Deed::Download],
            waits: &[Effect::Version],
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn opensearch_is_away() -> Result<()> {
    is_away(
        ServerKind::OpenSearch,
        Row {
            name: "OpenSearch",
            variable: "OPENSEARCH_URL",
            fails: &[Deed::Search, Deed::Ask],
            waits: &[Effect::Version],
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn rabbitmq_is_away() -> Result<()> {
    is_away(
        ServerKind::RabbitMq,
        Row {
            name: "RabbitMQ",
            variable: "AMQP_URL",
            fails: &[],
            waits: &[Effect::Mail],
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn redis_is_away() -> Result<()> {
    is_away(
        ServerKind::Redis,
        Row {
            name: "Redis",
            variable: "REDIS_URL",
            fails: &[],
            waits: &[],
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn qdrant_is_away() -> Result<()> {
    let server = TestQdrant::start("").await?;
    let (link, url) = Link::before(&server.url()).await?;
    let world = World::start_on(&[], executable(), Layout::Together, &[("QDRANT__URL", &url)]).await?;
    let row = Row {
        name: "Qdrant",
        variable: "QDRANT_URL",
        fails: &[Deed::Ask],
        waits: &[Effect::Version],
    };
    holds(row, Server::Behind(link), &url, world).await
}
