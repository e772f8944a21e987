//! Vectors in Qdrant: the contract, and what only a server can get wrong. The server is one of the tests, which speaks Qdrant's
//! protocol; a real one comes from no package registry.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use futures::future::{join_all, try_join_all};
use qdrant_client::qdrant::payload_index_params::IndexParams;
use smartcourse_engines::{Engines, servers, vectors::qdrant::Qdrant};
use smartcourse_platform::{
    Result,
    config::Config,
    error::codes,
    ports::vectors::{Vector, Vectors as _},
};
use smartcourse_tests::{TestQdrant, wait_for};
use sqlx::ConnectOptions as _;

use super::{faults::faults_contract, silent_server, vectors::*, version};

/// No call may take longer, whatever the server does.
const IN_TIME: Duration = Duration::from_secs(15);

fn settings(url: String) -> servers::qdrant::Settings {
    servers::qdrant::Settings {
        url,
        api_key: "".into(),
        on_disk: false,
        scalar_quantization: false,
    }
}

fn store(settings: servers::qdrant::Settings) -> Qdrant {
    Qdrant::new(servers::qdrant::Server::open(settings).unwrap())
}

fn vectors(anchors: impl IntoIterator<Item = &'static str>) -> Vec<Vector> {
    let at = |anchor: &str| Vector {
        anchor: anchor.to_owned(),
        embedding: vec![1.0, 0.0, 0.0],
    };
    anchors.into_iter().map(at).collect()
}

async fn is_unavailable<T: std::fmt::Debug>(call: impl Future<Output = Result<T>>) {
    let began = Instant::now();
    let error = call.await.unwrap_err();
    assert!(error.is(&codes::UNAVAILABLE), "{}", error.chain());
    assert!(began.elapsed() < IN_TIME, "{:?}", began.elapsed());
}

#[tokio::test]
async fn vectors_in_qdrant() {
    let server = TestQdrant::start("").await.unwrap();
    let store = || store(settings(server.url()));
    vectors_contract(&store()).await;
    vectors_are_shared(&store(), &store()).await;
    vectors_by_many(&store()).await;
    vectors_of_all_sorts(&store()).await;
}

#[tokio::test]
async fn quantized_vectors_in_qdrant() {
    let server = TestQdrant::start("").await.unwrap();
    let settings = servers::qdrant::Settings {
        on_disk: true,
        scalar_quantization: true,
        ..settings(server.url())
    };
    vectors_contract(&store(settings)).await;
    let collections = server.store.collections();
    let made = &collections["smartcourse_vectors_m"].made_as;
    assert!(made.quantization_config.is_some());
    assert_eq!(made.hnsw_config.unwrap().m, Some(0), "no graph beyond a course");
}

/// `migrate` makes what it needs, again without harm, and `doctor` says what is there.
#[tokio::test]
async fn qdrant_has_the_vectors_when_it_is_named() {
    let server = TestQdrant::start("secret").await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().display().to_string();
    let database = super::database().await.connect_options().to_url_lossy();
    let variables = [
        ("DATABASE_URL", database.to_string()),
        ("QDRANT_URL", server.url()),
        ("QDRANT_API_KEY", "secret".to_owned()),
        ("SMARTCOURSE_CONTENT__FILES_DIR", path.clone()),
        ("SMARTCOURSE_CONTENT__MODEL_DIR", path),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value));
    let config = Config::load(smartcourse_engines::CONFIG, None, &variables).unwrap();
    let engines = Engines::open(&config).unwrap();
    let found = async || {
        let found = engines.look().await.pop().unwrap();
        assert_eq!((found.server, found.variable), ("Qdrant", "QDRANT_URL"));
        found.outcome.unwrap()
    };
    assert!(
        found().await.contains("no collection is there yet"),
        "{}",
        found().await
    );
    for _ in 0..2 {
        engines.prepare().await.unwrap();
    }
    assert!(found().await.contains("some 0 vectors in"), "{}", found().await);
    let models = engines.models().unwrap();
    let count = engines
        .vectors()
        .count(models.main().model(), version(1, 1))
        .await;
    assert_eq!(count.unwrap(), 0);
}

/// Whoever comes first makes the collection, and all find it made, with its indexes.
#[tokio::test(flavor = "multi_thread")]
async fn collections_are_made_once() {
    let server = TestQdrant::start("").await.unwrap();
    let model = "Ünï/co:de_model";
    let prepare = async || {
        let store = store(settings(server.url()));
        store.prepare(model, 3).await
    };
    try_join_all((0..16).map(|_| prepare())).await.unwrap();
    {
        let collections = server.store.collections();
        let (name, made) = collections.first_key_value().unwrap();
        assert_eq!(collections.len(), 1);
        assert_eq!(name, "smartcourse_vectors__dc_n_ef__2f_co_3a_de_5f_model");
        let tenant = matches!(
            &made.indexes["course_id"],
            IndexParams::KeywordIndexParams(index) if index.is_tenant == Some(true)
        );
        assert!(tenant && made.indexes.len() == 3, "{:?}", made.indexes);
    }
    let store = store(settings(server.url()));
    let error = store.prepare(model, 4).await.unwrap_err();
    assert!(error.is(&codes::INTERNAL), "{}", error.chain());
    let found = store.look().await.unwrap();
    assert!(found.contains("some 0 vectors"), "{found}");
    for made in server.store.collections().values_mut() {
        made.indexes.remove("version");
    }
    let found = store.look().await.unwrap();
    assert!(found.contains("lacks the index of version"), "{found}");
    store.prepare(model, 3).await.unwrap();
    let found = store.look().await.unwrap();
    assert!(found.contains("some 0 vectors"), "{found}");
}

#[tokio::test]
async fn only_who_has_the_key_is_let_in() {
    let server = TestQdrant::start("secret").await.unwrap();
    let with = |key: &str| servers::qdrant::Settings {
        api_key: key.into(),
        ..settings(server.url())
    };
    store(with("secret")).prepare("m", 3).await.unwrap();
    for key in ["", "wrong"] {
        let error = store(with(key)).prepare("m", 3).await.unwrap_err();
        assert!(error.is(&codes::STORAGE_REFUSED), "{}", error.chain());
        assert!(!error.chain().contains("secret"));
    }
}

/// With `https` nothing is said in the clear, not even the key.
#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_when_tls_is_wanted() {
    let server = TestQdrant::start("").await.unwrap();
    let settings = settings(server.url().replace("http:", "https:"));
    is_unavailable(store(settings).prepare("m", 3)).await;
    assert!(server.store.collections().is_empty());
}

/// What a server that stopped half-way did not do is done when it is asked again, and nothing is there twice.
#[tokio::test]
async fn a_write_that_was_broken_off_is_made_whole() {
    let server = TestQdrant::start("").await.unwrap();
    let store = store(settings(server.url()));
    store.prepare("m", 3).await.unwrap();
    let of = version(1, 1);
    let (old, new) = (vectors(["c0", "c1"]), vectors(["c1", "c2", "c3"]));
    store.put_lesson("m", of, "a", &old).await.unwrap();
    server.store.writes_left.store(1, Ordering::SeqCst);
    is_unavailable(store.put_lesson("m", of, "a", &new)).await;
    assert_eq!(
        store.count("m", of).await.unwrap(),
        4,
        "old ones beside the new ones"
    );
    is_unavailable(store.delete_version(of)).await;
    server.store.writes_left.store(u64::MAX, Ordering::SeqCst);
    store.put_lesson("m", of, "a", &new).await.unwrap();
    assert_eq!(store.count("m", of).await.unwrap(), 3);
}

#[tokio::test]
async fn a_server_that_was_away_is_used_again() {
    let server = TestQdrant::start("").await.unwrap();
    let store = store(settings(server.url()));
    store.prepare("m", 3).await.unwrap();
    let (of, query) = (version(1, 1), [1.0, 0.0, 0.0]);
    store
        .put_lesson("m", of, "a", &vectors(["c0", "c1"]))
        .await
        .unwrap();

    let (address, held) = server.stop().await.unwrap();
    is_unavailable(store.prepare("m", 3)).await;
    is_unavailable(store.put_lesson("m", of, "a", &vectors(["c2"]))).await;
    is_unavailable(store.nearest("m", of, &query, 5)).await;
    is_unavailable(store.count("m", of)).await;
    is_unavailable(store.delete_version(of)).await;

    let server = TestQdrant::start_again(address, "", held).await.unwrap();
    wait_for("the server", async || -> anyhow::Result<_> {
        let count = store.count("m", of).await.map_err(|error| error.chain());
        Ok(count.and_then(|count| (count == 2).then_some(()).ok_or_else(|| count.to_string())))
    })
    .await
    .unwrap();

    // Back without what it held: who reads is told, who writes makes the collection.
    let (address, _) = server.stop().await.unwrap();
    let server = TestQdrant::start_again(address, "", Arc::default())
        .await
        .unwrap();
    wait_for("the empty server", async || -> anyhow::Result<_> {
        let error = store
            .count("m", of)
            .await
            .map_or_else(|error| error.chain(), |count| count.to_string());
        Ok(if error.contains("has no collection") {
            Ok(())
        } else {
            Err(error)
        })
    })
    .await
    .unwrap();
    is_unavailable(store.nearest("m", of, &query, 5)).await;
    store.put_lesson("m", of, "a", &[]).await.unwrap();
    store.delete_version(of).await.unwrap();
    store.put_lesson("m", of, "a", &vectors(["c2"])).await.unwrap();
    assert_eq!(store.count("m", of).await.unwrap(), 1);
    assert_eq!(
        server.store.collections()["smartcourse_vectors_m"].indexes.len(),
        3
    );
}

#[tokio::test]
#[ignore = "takes as long as real servers do"]
async fn vectors_by_bad_ways() {
    let server = TestQdrant::start("").await.unwrap();
    store(settings(server.url())).prepare("m", 3).await.unwrap();
    faults_contract(
        &server.url(),
        IN_TIME,
        |url| store(settings(url.to_owned())),
        async |store: &Qdrant, number| {
            let of = version(number as i64, 1);
            store.put_lesson("m", of, "a", &vectors(["c0"])).await
        },
        async |store, number| {
            let of = version(number as i64, 1);
            let count = store.count("m", of).await?;
            assert!(count <= 1, "{count}");
            Ok(count == 1)
        },
    )
    .await;
}

/// It takes connections and says nothing.
#[tokio::test]
async fn a_server_that_is_silent_is_given_up() {
    let (url, silent) = silent_server().await;
    let store = store(settings(url));
    let calls = (1..9).map(|course| {
        let store = &store;
        async move {
            is_unavailable(store.put_lesson("m", version(course, 1), "a", &vectors(["c0"]))).await;
        }
    });
    join_all(calls).await;
    silent.abort();
}
