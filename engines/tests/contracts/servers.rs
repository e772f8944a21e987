//! The contracts on real servers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use http::{Request, StatusCode};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{Body, HttpError, auth::SimpleAuth, service::S3ServiceBuilder};
use serde_json::json;
use smartcourse_engines::{announcements, documents, files, rate_limits, servers, shared_reads};
use smartcourse_platform::{
    error::codes,
    ports::{
        documents::Documents as _, files::Files as _, rate_limits::RateLimits as _,
        shared_reads::SharedReads as _,
    },
    read_through::ReadThrough,
};
use smartcourse_tests::{ServerKind, TestServer, wait_for};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{
    announcements::announcements_contract,
    documents::documents_contract,
    files::{files_contract, full_disk_contract, has_full_disk, signed_urls},
    rate_limits::*,
    shared_reads::{LONG, generations_contract, shared_reads_contract},
};

#[tokio::test]
#[ignore = "installs and starts a server"]
async fn documents_in_ferretdb() {
    let mut server = TestServer::start(ServerKind::FerretDb).await.unwrap();
    let store = mongodb(server.variable("MONGODB_URL"));
    documents_contract(&store).await;

    store.put("content.chunks", "7/v1/l1", &json!([1])).await.unwrap();
    server.stop().await.unwrap();
    let error = store.get("content.chunks", "7/v1/l1").await.unwrap_err();
    assert!(error.is(&codes::UNAVAILABLE), "{}", error.chain());
    server.start_again().await.unwrap();
    wait_for("the server", async || -> anyhow::Result<_> {
        let found = store.get("content.chunks", "7/v1/l1").await;
        Ok(found
            .map_err(|error| error.chain())
            .and_then(|found| match found {
                Some(found) if found == json!([1]) => Ok(()),
                other => Err(format!("{other:?}")),
            }))
    })
    .await
    .unwrap();
}

/// However many processes take, and all at once, they are given what is there. While the server is away each has buckets of its
/// own; it is asked again when it is back.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn rate_limits_in_redis() {
    let mut server = TestServer::start(ServerKind::Redis).await.unwrap();
    let limits = || rate_limits::redis::Redis::new(redis(&server));
    rate_limits_contract(&limits()).await;

    let gateways = [limits(), limits(), limits(), limits()];
    let (began, small) = (Instant::now(), quota(1, 100));
    let takes = (0..1_000).map(|number| gateways[number % gateways.len()].take("shared", small));
    let taken = try_join_all(takes).await.unwrap();
    let given = taken.iter().filter(|taken| taken.retry_after.is_none()).count() as u64;
    let at_most = 101 + began.elapsed().as_secs();
    assert!(
        (100..=at_most).contains(&given),
        "{given} of 100, at most {at_most}"
    );

    let left = async |gateway: usize, bucket: &str| {
        let taken = gateways[gateway].take(bucket, quota(1, 9)).await.unwrap();
        taken.remaining
    };
    server.stop().await.unwrap();
    for (gateway, expected) in [(0, 8), (0, 7), (1, 8)] {
        assert_eq!(left(gateway, "away").await, expected, "buckets of their own");
    }
    server.start_again().await.unwrap();
    let mut round = 0;
    wait_for("the shared buckets", async || -> anyhow::Result<_> {
        round += 1;
        let bucket = format!("back {round}");
        let both = (left(0, &bucket).await, left(1, &bucket).await);
        Ok(if both == (8, 7) {
            Ok(())
        } else {
            Err(format!("{both:?}"))
        })
    })
    .await
    .unwrap();
}

/// A server without memory takes nothing: whoever asks goes on by himself, nobody is refused, and all is shared when there is room.
#[tokio::test]
#[ignore = "installs and starts a server"]
async fn a_redis_without_memory_refuses_nobody() {
    let server = TestServer::start(ServerKind::Redis).await.unwrap();
    let memory = async |bytes: u32| {
        let address = server.variable("REDIS_URL").strip_prefix("redis://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let command = format!("CONFIG SET maxmemory {bytes}\r\n");
        stream.write_all(command.as_bytes()).await.unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"+OK\r\n");
    };
    let limits = [(); 2].map(|()| rate_limits::redis::Redis::new(redis(&server)));
    let reads = Arc::new(shared_reads::redis::Redis::new(redis(&server)));
    let through = ReadThrough::new(reads.clone());
    let left = async |bucket: &str| {
        let (one, other) = (
            limits[0].take(bucket, quota(1, 9)),
            limits[1].take(bucket, quota(1, 9)),
        );
        (one.await.unwrap().remaining, other.await.unwrap().remaining)
    };
    assert_eq!(left("shared").await, (8, 7));
    memory(1).await;
    assert_eq!(left("full").await, (8, 8), "buckets of their own");
    for load in 0..3_u32 {
        through.changed("a").await;
        let read = through.read_of("a", "page", LONG, async { Ok(load) }).await;
        assert_eq!(read.unwrap(), load);
    }
    memory(0).await;
    wait_for("all to be shared", async || -> anyhow::Result<_> {
        let found = (
            left(&uuid::Uuid::new_v4().to_string()).await,
            reads.generation("a").await,
        );
        Ok(match found {
            ((8, 7), Some(_)) => Ok(()),
            other => Err(format!("{other:?}")),
        })
    })
    .await
    .unwrap();
}

#[tokio::test]
#[ignore = "installs and starts a server"]
async fn announcements_over_redis() {
    let server = TestServer::start(ServerKind::Redis).await.unwrap();
    let announcements = || announcements::redis::Redis::new(redis(&server));
    announcements_contract(&announcements(), &announcements()).await;
}

/// Values and generations are those of all. Without the server everybody reads for himself, and nobody waits; what changed
/// meanwhile is known when it is back.
#[tokio::test]
#[ignore = "installs and starts a server"]
async fn shared_reads_in_redis() {
    let mut server = TestServer::start(ServerKind::Redis).await.unwrap();
    let reads = || shared_reads::redis::Redis::new(redis(&server));
    let (one, other) = (reads(), reads());
    shared_reads_contract(&one).await;
    assert!(other.get("many/7").await.is_some(), "another process finds it");
    generations_contract(&one, &other).await;

    let quick = shared_reads::redis::Redis::new(redis_within(&server, 50));
    let through = ReadThrough::new(Arc::new(quick));
    let read = async |load: u32| {
        let (value, page) = tokio::join!(
            through.read("value", LONG, async { Ok(7_u32) }),
            through.read_of("a", "page", LONG, async { Ok(load) })
        );
        (value.unwrap(), page.unwrap())
    };
    assert_eq!(read(1).await, (7, 1));
    wait_for("the page to be kept", async || -> anyhow::Result<_> {
        let found = read(2).await;
        Ok(if found == (7, 1) {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        })
    })
    .await
    .unwrap();
    server.freeze();
    let began = Instant::now();
    for load in 3..53 {
        assert_eq!(read(load).await, (7, load));
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "50 reads, frozen: {took:?}");
    server.thaw();

    let before = other.generation("a").await;
    server.stop().await.unwrap();
    assert_eq!(one.get("many/7").await, None);
    assert_eq!(one.generation("a").await, None);
    one.advance("a").await;
    server.start_again().await.unwrap();
    let mut known = None;
    wait_for("a generation", async || -> anyhow::Result<_> {
        known = one.generation("a").await;
        Ok(known.as_ref().map(drop).ok_or("none".to_owned()))
    })
    .await
    .unwrap();
    assert!(known != before, "it is not the one of before the change");
    wait_for("the same elsewhere", async || -> anyhow::Result<_> {
        let there = other.generation("a").await;
        Ok(if there == known {
            Ok(())
        } else {
            Err(format!("{there:?}"))
        })
    })
    .await
    .unwrap();
}

/// Documents in the server at this URL.
pub(crate) fn mongodb(url: &str) -> documents::mongodb::MongoDb {
    let settings = servers::mongodb::Settings {
        url: url.into(),
        database: "smartcourse".to_owned(),
    };
    documents::mongodb::MongoDb::new(Arc::new(servers::mongodb::Mongo::open(settings).unwrap()))
}

fn redis(server: &TestServer) -> servers::redis::Redis {
    redis_within(server, 5_000)
}

fn redis_within(server: &TestServer, patience_ms: u64) -> servers::redis::Redis {
    let settings = servers::redis::Settings {
        url: server.variable("REDIS_URL").into(),
        prefix: "smartcourse".to_owned(),
        patience_ms,
    };
    servers::redis::Redis::open(&settings).unwrap()
}

/// A server of the crate `s3s-fs` over a directory, in this process.
pub(crate) async fn s3_server() -> (servers::s3::Settings, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(dir.path()).unwrap());
    service.set_auth(SimpleAuth::from_single("key", "secret"));
    let service = service.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service.clone();
            let answer = service_fn(move |request: Request<Incoming>| {
                let is_of_upload = request
                    .uri()
                    .query()
                    .is_some_and(|query| query.contains("uploadId="));
                let service = service.clone();
                async move {
                    let mut answer = service.call(request.map(Body::from)).await?;
                    // Of an upload that is over S3 says that it is not there; this server, that nobody may see it.
                    if is_of_upload && answer.status() == StatusCode::FORBIDDEN {
                        *answer.status_mut() = StatusCode::NOT_FOUND;
                    }
                    Ok::<_, HttpError>(answer)
                }
            });
            tokio::spawn(async move {
                let server = Builder::new(TokioExecutor::new());
                // A client that hangs up is no affair of the test.
                drop(server.serve_connection(TokioIo::new(stream), answer).await);
            });
        }
    });
    let settings = servers::s3::Settings {
        bucket: "smartcourse".to_owned(),
        public_endpoint: endpoint.clone(),
        endpoint,
        region: "us-east-1".to_owned(),
        access_key_id: "key".to_owned(),
        secret_access_key: "secret".into(),
    };
    (settings, dir)
}

#[tokio::test]
#[ignore = "needs a server, which is of this process"]
async fn files_in_s3() {
    let (settings, _dir) = s3_server().await;
    let store = files::s3::S3::new(servers::s3::Bucket::open(&settings).unwrap());
    store.prepare().await.unwrap();
    files_contract(&store).await;
    signed_urls(&store).await;
}

#[tokio::test]
#[ignore = "needs a server, which is of this process"]
async fn files_in_s3_on_a_full_disk() {
    if !has_full_disk("servers::files_in_s3_on_a_full_disk") {
        return;
    }
    let (settings, _dir) = s3_server().await;
    let store = files::s3::S3::new(servers::s3::Bucket::open(&settings).unwrap());
    store.prepare().await.unwrap();
    full_disk_contract(&store).await;
}

#[tokio::test]
#[ignore = "builds and starts a server, which takes minutes"]
async fn files_in_minio() {
    let mut server = TestServer::start(ServerKind::MinIo).await.unwrap();
    let settings = servers::s3::Settings {
        bucket: server.variable("S3_BUCKET").to_owned(),
        endpoint: server.variable("S3_ENDPOINT").to_owned(),
        public_endpoint: server.variable("S3_PUBLIC_ENDPOINT").to_owned(),
        region: "us-east-1".to_owned(),
        access_key_id: server.variable("S3_ACCESS_KEY_ID").to_owned(),
        secret_access_key: server.variable("S3_SECRET_ACCESS_KEY").into(),
    };
    let store = files::s3::S3::new(servers::s3::Bucket::open(&settings).unwrap());
    store.prepare().await.unwrap();
    files_contract(&store).await;
    signed_urls(&store).await;

    server.stop().await.unwrap();
    let error = store.size("c/v10/a").await.unwrap_err();
    assert!(error.is(&codes::UNAVAILABLE), "{}", error.chain());
    server.start_again().await.unwrap();
    assert_eq!(
        store.size("c/v10/a").await.unwrap(),
        Some(3),
        "what was there is there"
    );
}
