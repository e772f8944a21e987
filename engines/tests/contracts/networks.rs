//! Ports that go over a network to a real server, by bad ways.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use serde_json::json;
use smartcourse_engines::{announcements, documents, files, rate_limits, servers, shared_reads};
use smartcourse_platform::{
    error::codes,
    ports::{
        announcements::Announcements as _, documents::Documents as _, files::Files as _,
        rate_limits::RateLimits as _, shared_reads::SharedReads as _,
    },
    read_through::ReadThrough,
};
use smartcourse_tests::{ServerKind, TestServer, wait_for};

use super::{
    faults::{SPELL, each_fault, faults_contract},
    rate_limits::quota,
    servers::{mongodb, s3_server},
    shared_reads::LONG,
};

#[tokio::test]
#[ignore = "installs and starts a server"]
async fn documents_by_bad_ways() {
    let server = TestServer::start(ServerKind::FerretDb).await.unwrap();
    let body = |number: usize| json!({ "number": number, "text": "ü".repeat(10_000) });
    faults_contract(
        server.variable("MONGODB_URL"),
        Duration::from_secs(15),
        mongodb,
        async |store: &documents::mongodb::MongoDb, number| {
            store.put("c", &number.to_string(), &body(number)).await
        },
        async |store, number| {
            let found = store.get("c", &number.to_string()).await?;
            assert!(
                found.as_ref().is_none_or(|found| *found == body(number)),
                "half of it"
            );
            Ok(found.is_some())
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a server, which is of this process"]
async fn files_by_bad_ways() {
    let (settings, _dir) = s3_server().await;
    let store = |url: &str| {
        let endpoint = url.to_owned();
        let settings = servers::s3::Settings {
            endpoint,
            ..settings.clone()
        };
        files::s3::S3::new(servers::s3::Bucket::open(&settings).unwrap())
    };
    store(&settings.endpoint).prepare().await.unwrap();
    let content = |number: usize| Bytes::from(format!("{number} ").repeat(10_000));
    faults_contract(
        &settings.endpoint,
        // What is given up is removed, too: twice 30 s.
        Duration::from_secs(65),
        store,
        async |store: &files::s3::S3, number| {
            let mut file = store.write(&format!("c/v1/{number}")).await?;
            file.write(content(number)).await?;
            file.finish().await
        },
        async |store, number| {
            let parts = match store.read(&format!("c/v1/{number}")).await {
                Err(error) if error.is(&codes::NOT_FOUND) => return Ok(false),
                found => found?,
            };
            let found = parts.try_collect::<Vec<Bytes>>().await?.concat();
            assert_eq!(found, content(number), "half of it");
            Ok(true)
        },
    )
    .await;
}

/// Whatever the way to Redis is like, everybody is answered in a moment, nobody is refused and nothing old is read; when it is good
/// again, all is shared again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn redis_by_bad_ways() {
    /// Longer than the few calls of a round may take, of 50 ms each.
    const MOMENT: Duration = Duration::from_secs(2);
    let server = TestServer::start(ServerKind::Redis).await.unwrap();
    let direct = server.variable("REDIS_URL");
    each_fault(direct, async |spell| {
        let fault = spell.fault;
        let [near, far] = [(direct, 5_000), (spell.url.as_str(), 50)].map(|(url, patience_ms)| {
            let settings = servers::redis::Settings {
                url: url.into(),
                prefix: format!("smartcourse{}", spell.number),
                patience_ms,
            };
            servers::redis::Redis::open(&settings).unwrap()
        });
        let limits = [&near, &far].map(|redis| rate_limits::redis::Redis::new(redis.clone()));
        let [here, there] = [&near, &far].map(|redis| shared_reads::redis::Redis::new(redis.clone()));
        let there = Arc::new(there);
        let through = ReadThrough::new(there.clone());
        let announcing = announcements::redis::Redis::new(near);
        let mut heard = announcements::redis::Redis::new(far).hear("ended");
        let value = Bytes::from_static(b"value");
        let all_is_shared = async || {
            wait_for("all to be shared", async || -> anyhow::Result<_> {
                let name = uuid::Uuid::new_v4().to_string();
                let mut left = Vec::new();
                for limits in &limits {
                    left.push(limits.take(&name, quota(1, 9)).await?.remaining);
                }
                here.put(&name, value.clone(), LONG).await;
                let found = there.get(&name).await;
                let generations = [here.generation("a").await, there.generation("a").await];
                let is_shared = left == [8, 7]
                    && found.as_ref() == Some(&value)
                    && generations[0].is_some()
                    && generations[0] == generations[1];
                let [generation, _] = generations;
                Ok(match is_shared {
                    true => Ok(generation),
                    false => Err(format!("{fault:?}: {left:?} {found:?} {generation:?}")),
                })
            })
            .await
            .unwrap()
        };

        let before = all_is_shared().await;
        spell.begin();
        let begun = Instant::now();
        for number in 0_u32.. {
            let asked = Instant::now();
            let taken = limits[1].take("busy", quota(100_000, 100_000)).await.unwrap();
            assert_eq!(taken.retry_after, None, "{fault:?}: nobody is refused");
            let key = number.to_string();
            there.put(&key, value.clone(), LONG).await;
            let found = there.get(&key).await;
            assert!(found.is_none_or(|found| found == value), "{fault:?}");
            through.changed("a").await;
            let read = through.read_of("a", "page", LONG, async { Ok(number) }).await;
            assert_eq!(read.unwrap(), number, "{fault:?}: nothing of before is read");
            assert!(asked.elapsed() < MOMENT, "{fault:?}: {:?}", asked.elapsed());
            announcing.announce("ended").await;
            if begun.elapsed() > SPELL {
                break;
            }
        }
        spell.end();
        assert_ne!(
            all_is_shared().await,
            before,
            "{fault:?}: a change is known to all"
        );
        while heard.next().now_or_never().is_some() {}
        wait_for("announcements to be heard", async || -> anyhow::Result<_> {
            announcing.announce("ended").await;
            let next = tokio::time::timeout(Duration::from_secs(1), heard.next()).await;
            Ok(next.map(drop).map_err(|_| format!("{fault:?}: nothing")))
        })
        .await
        .unwrap();
    })
    .await;
}
