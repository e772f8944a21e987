//! Documents of ten kilobytes.

use std::sync::Arc;

use anyhow::{Result, ensure};
use mongodb::{
    Client,
    bson::{Document, doc},
};
use serde_json::json;
use smartcourse_tests::{TestServer, measure::Outcome};

use crate::{line_up::LineUp, load};

pub(crate) const OPERATIONS: [&str; 2] = ["documents: put 10 KB", "documents: get 10 KB"];
const COLLECTION: &str = "content.chunks";
/// Documents that are put and asked for in turns.
const KEYS: u64 = 100;
/// Parts of a document, and the characters of each.
const PARTS: usize = 10;
const CHARACTERS: usize = 1_000;

fn key(number: u64) -> String {
    format!("{}/v1/lesson", number % KEYS)
}

/// Through the port.
pub(crate) async fn port(line_up: &LineUp) -> Result<Vec<Outcome>> {
    let text = "s".repeat(CHARACTERS);
    let body = json!({ "chunks": vec![json!({ "anchor": "c0", "text": text }); PARTS] });
    let store = line_up.engines.documents();
    for number in 0..KEYS {
        store.put(COLLECTION, &key(number), &body).await?;
    }
    let writes = Arc::clone(&store);
    let put = load::run(move |number| {
        let (store, mut body) = (Arc::clone(&writes), body.clone());
        // A server may leave alone what is as it was.
        body["number"] = number.into();
        async move { Ok(store.put(COLLECTION, &key(number), &body).await?) }
    });
    let put = put.await?;
    let get = load::run(move |number| {
        let store = Arc::clone(&store);
        async move {
            ensure!(
                store.get(COLLECTION, &key(number)).await?.is_some(),
                "it is there"
            );
            Ok(())
        }
    });
    Ok(vec![put, get.await?])
}

/// The same documents, already in the server's format.
pub(crate) async fn bare(server: &TestServer) -> Result<Vec<Outcome>> {
    let client = Client::with_uri_str(server.variable("MONGODB_URL")).await?;
    let documents = client.database("bare").collection::<Document>("documents");
    let chunk = doc! { "anchor": "c0", "text": "s".repeat(CHARACTERS) };
    let body = doc! { "chunks": vec![chunk; PARTS] };
    for number in 0..KEYS {
        let key = doc! { "_id": key(number) };
        documents.replace_one(key, &body).upsert(true).await?;
    }
    let written = documents.clone();
    let put = load::run(move |number| {
        let (documents, mut body) = (written.clone(), body.clone());
        async move {
            body.insert("number", i64::try_from(number)?);
            let key = doc! { "_id": key(number) };
            documents.replace_one(key, &body).upsert(true).await?;
            Ok(())
        }
    });
    let put = put.await?;
    let get = load::run(move |number| {
        let documents = documents.clone();
        async move {
            let found = documents.find_one(doc! { "_id": key(number) }).await?;
            ensure!(found.is_some(), "it is there");
            Ok(())
        }
    });
    Ok(vec![put, get.await?])
}
