//! Search by OpenSearch: the contract on a real server, and what happens when it is away.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use http::Method;
use serde_json::{Value, json};
use smartcourse_engines::{search::opensearch::OpenSearch, servers};
use smartcourse_platform::{
    Result,
    error::codes,
    ports::{
        Unit,
        search::{Entry, Scope, Search as _},
    },
};
use smartcourse_tests::{ServerKind, TestServer, wait_for};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::{faults::faults_contract, search::*, silent_server, version};

/// No call may take longer, whatever the server does.
const IN_TIME: Duration = Duration::from_secs(25);

fn index(url: &str) -> OpenSearch {
    let settings = servers::opensearch::Settings {
        url: url.to_owned(),
        username: String::new(),
        password: "".into(),
        alias: "smartcourse_search".to_owned(),
    };
    OpenSearch::new(servers::opensearch::Server::open(&settings).unwrap())
}

fn entries(count: usize) -> Vec<Entry> {
    let entry = |number| Entry {
        unit: Unit::new(format!("l{number}"), "c0"),
        title: "Sagas".to_owned(),
        heading: String::new(),
        body: "A saga compensates.".to_owned(),
    };
    (0..count).map(entry).collect()
}

async fn is_unavailable<T: std::fmt::Debug>(call: impl Future<Output = Result<T>>) -> String {
    let began = Instant::now();
    let error = call.await.unwrap_err();
    assert!(error.is(&codes::UNAVAILABLE), "{}", error.chain());
    assert!(began.elapsed() < IN_TIME, "{:?}", began.elapsed());
    error.chain()
}

/// Asks the server itself.
async fn ask(url: &str, method: Method, path: &str, body: &str) {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
#[ignore = "installs and starts a server"]
async fn search_in_opensearch() {
    let mut server = TestServer::start(ServerKind::OpenSearch).await.unwrap();
    let url = server.variable("OPENSEARCH_URL").to_owned();
    let index = index(&url);
    let found = index.look().await.unwrap();
    assert!(found.contains("is not there yet"), "{found}");
    is_unavailable(index.count(version(1, 1))).await;
    for _ in 0..2 {
        index.prepare().await.unwrap();
    }
    let found = index.look().await.unwrap();
    assert!(!found.contains("is not there yet"), "{found}");
    search_contract(&index).await;
    rank_contract(&index).await;
    language_contract(&index).await;
    search_of_all_sorts(&index).await;

    // A writer that was given up may go on beside the next: what both write is there once.
    let of = version(8, 1);
    let written = entries(300);
    try_join_all((0..8).map(|_| index.put_version(of, "en", &written)))
        .await
        .unwrap();
    assert_eq!(index.count(of).await.unwrap(), 300);

    // Away, and back.
    let (of, scope) = (version(9, 1), [Scope::text(version(9, 1))]);
    let entries = entries(1);
    index.put_version(of, "en", &entries).await.unwrap();
    server.stop().await.unwrap();
    is_unavailable(index.put_version(of, "en", &[])).await;
    is_unavailable(index.find("saga", &scope, "", 5)).await;
    is_unavailable(index.delete_version(of)).await;
    server.start_again().await.unwrap();
    wait_for("the server", async || -> anyhow::Result<_> {
        let found = index.find("saga", &scope, "", 5).await;
        let count = found.map(|found| found.hits.len());
        Ok(match count.map_err(|error| error.chain()) {
            Ok(1) => Ok(()),
            other => Err(format!("{other:?}")),
        })
    })
    .await
    .unwrap();

    changed_over(&index).await;
    ask(&url, Method::GET, "/smartcourse_search_1b", "").await;
    changed_over(&index).await;

    // Without what it held: who reads is told, who writes makes the index.
    ask(&url, Method::DELETE, "/smartcourse_search_1", "").await;
    let error = is_unavailable(index.rank("saga", &|_| false, of, 5)).await;
    assert!(error.contains("smartcourse migrate"), "{error}");
    index.delete_version(of).await.unwrap();
    index.put_version(of, "en", &entries).await.unwrap();
    assert_eq!(index.find("saga", &scope, "", 5).await.unwrap().hits.len(), 1);

    full(&url, &index).await;
}

/// While its disk is too full nothing is written or removed, and it is asked as before.
async fn full(url: &str, index: &OpenSearch) {
    let of = version(11, 1);
    index.put_version(of, "en", &entries(1)).await.unwrap();
    // It would find out by itself that there is room, and within a minute that there is none.
    let needs_free = async |bytes: Value| {
        let prefix = "cluster.routing.allocation.disk.watermark";
        let settings = json!({ "transient": {
            format!("{prefix}.low"): bytes, format!("{prefix}.high"): bytes, format!("{prefix}.flood_stage"): bytes,
        } });
        ask(url, Method::PUT, "/_cluster/settings", &settings.to_string()).await;
    };
    let is_full = async |full: Value| {
        let settings = json!({ "index.blocks.read_only_allow_delete": full }).to_string();
        ask(url, Method::PUT, "/smartcourse_search_1/_settings", &settings).await;
    };
    needs_free(json!("1000tb")).await;
    is_full(json!(true)).await;
    is_unavailable(index.put_version(of, "en", &entries(2))).await;
    is_unavailable(index.delete_version(of)).await;
    assert_eq!(index.count(of).await.unwrap(), 1);
    needs_free(Value::Null).await;
    is_full(Value::Null).await;
    index.put_version(of, "en", &entries(2)).await.unwrap();
    assert_eq!(index.count(of).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn search_by_bad_ways() {
    let server = TestServer::start(ServerKind::OpenSearch).await.unwrap();
    let url = server.variable("OPENSEARCH_URL");
    index(url).prepare().await.unwrap();
    faults_contract(
        url,
        IN_TIME,
        index,
        async |index: &OpenSearch, number| {
            let of = version(number as i64, 1);
            index.put_version(of, "en", &entries(1)).await
        },
        async |index, number| {
            let count = index.count(version(number as i64, 1)).await?;
            assert!(count <= 1, "{count}");
            Ok(count == 1)
        },
    )
    .await;
}

/// Another index is filled while the one before is asked; what is asked then is what was filled, and the one before is gone.
async fn changed_over(index: &OpenSearch) {
    let (of, lost) = (version(10, 1), version(10, 2));
    let one = entries(1);
    index.put_version(of, "en", &one).await.unwrap();
    index.put_version(lost, "en", &one).await.unwrap();
    let beside = index.beside().await.unwrap().unwrap();
    assert_eq!(beside.count(of).await.unwrap(), 0);
    beside.put_version(of, "en", &entries(2)).await.unwrap();
    beside.put_version(version(9, 1), "en", &one).await.unwrap();
    assert_eq!(
        index.count(of).await.unwrap(),
        1,
        "who asks meanwhile sees nothing of it"
    );
    // What was begun is gone on with.
    let beside = index.beside().await.unwrap().unwrap();
    assert_eq!(beside.count(of).await.unwrap(), 2);
    index.change_over().await.unwrap();
    assert_eq!(index.count(of).await.unwrap(), 2);
    assert_eq!(index.count(lost).await.unwrap(), 0);
}

/// It takes connections and says nothing.
#[tokio::test]
async fn a_search_server_that_is_silent_is_given_up() {
    let (url, silent) = silent_server().await;
    is_unavailable(index(&url).count(version(1, 1))).await;
    silent.abort();
}

/// A busy server takes the second of three entries only when it is sent again: it alone is.
#[tokio::test]
async fn what_was_not_taken_is_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, mut told) = mpsc::unbounded_channel();
    let serving = tokio::spawn(async move {
        let taken = json!({ "index": { "status": 201 } });
        let busy = json!({ "index": { "status": 429, "error": "busy" } });
        let mut bulks = [json!([taken, busy, taken]), json!([busy]), json!([taken])].into_iter();
        while let Ok((mut stream, _)) = listener.accept().await {
            let (path, body) = request(&mut stream).await;
            let answer = if path.contains("_bulk") {
                tell.send(body).unwrap();
                json!({ "items": bulks.next().unwrap() })
            } else {
                // To everything else at once.
                json!({ "total": 0, "version_conflicts": 0, "hits": { "total": { "value": 3 }, "hits": [] } })
            };
            let answer = answer.to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                answer.len()
            );
            stream.write_all((head + &answer).as_bytes()).await.unwrap();
        }
    });
    index(&url)
        .put_version(version(1, 1), "en", &entries(3))
        .await
        .unwrap();
    serving.abort();
    let mut sent = Vec::new();
    while let Ok(body) = told.try_recv() {
        let lines = body.lines().filter(|line| line.contains("lesson_id"));
        let lessons = lines.map(|line| serde_json::from_str::<Value>(line).unwrap()["lesson_id"].clone());
        sent.push(lessons.collect::<Vec<_>>());
    }
    assert_eq!(json!(sent), json!([["l0", "l1", "l2"], ["l1"], ["l1"]]));
}

/// The path and the body of a request.
async fn request(stream: &mut TcpStream) -> (String, String) {
    let mut stream = BufReader::new(stream);
    let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
    stream.read_line(&mut first).await.unwrap();
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).await.unwrap();
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let path = first.split(' ').nth(1).unwrap().to_owned();
    (path, String::from_utf8(body).unwrap())
}
