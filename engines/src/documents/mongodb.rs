//! Documents in MongoDB: a document each, with its key as `_id`, its body as fields a person can ask for, and the parts of its key
//! beside it. Only what FerretDB 1.24 has as well: single documents, no transactions, no validators.

use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use mongodb::{
    Collection, IndexModel,
    bson::{Bson, Document, doc},
    error::{ErrorKind, WriteFailure},
};
use serde_json::{Map, Number, Value};
use smartcourse_platform::{
    Error, Result,
    error::codes,
    ports::documents::{Documents, to_json},
};

use crate::servers::mongodb::{Mongo, run};

/// Collections of the port, what they are called here, and what the parts of their keys are.
const COLLECTIONS: [(&str, &str, &[&str]); 3] = [
    ("course.content", "course_contents", &["course_id", "version"]),
    (
        "content.chunks",
        "content_chunks",
        &["course_id", "version", "lesson_id"],
    ),
    (
        "assistant.conversations",
        "conversations",
        &["user_id", "conversation_id"],
    ),
];
/// Bytes of a BSON document at most; the rest of the 16 MiB is for the command around it.
const MAX_BSON: usize = 16 * 1024 * 1024 - 16 * 1024;
/// The code of a second document of one key: two that put it at once may both find none.
const DUPLICATE: i32 = 11_000;

/// A MongoDB database.
pub struct MongoDb(Arc<Mongo>);

impl MongoDb {
    /// Over a server.
    pub fn new(server: Arc<Mongo>) -> Self {
        Self(server)
    }

    async fn collection(&self, name: &str) -> Result<Collection<Document>> {
        let known = COLLECTIONS.iter().find(|(port, ..)| *port == name);
        let name = known.map_or_else(|| name.replace('.', "_"), |(_, ours, _)| (*ours).to_owned());
        Ok(self.0.database().await?.collection(&name))
    }
}

#[async_trait]
impl Documents for MongoDb {
    fn place(&self) -> String {
        format!("database {} of MongoDB at {}", self.0.name(), self.0.address())
    }

    async fn prepare(&self) -> Result<()> {
        for (collection, _, parts) in COLLECTIONS {
            let keys: Document = parts
                .iter()
                .map(|part| ((*part).to_owned(), Bson::Int32(1)))
                .collect();
            let collection = self.collection(collection).await?;
            let index = IndexModel::builder().keys(keys).build();
            run(async move { collection.create_index(index).await }).await?;
        }
        Ok(())
    }

    async fn put(&self, collection: &str, key: &str, body: &Value) -> Result<()> {
        // What no engine takes, this one does not take either.
        to_json(key, body)?;
        let document = document(collection, key, body)?;
        let collection = self.collection(collection).await?;
        let key = doc! { "_id": key };
        run(async move {
            let put = || collection.replace_one(key.clone(), &document).upsert(true);
            match put().await {
                Err(error) if is_duplicate(&error) => put().await,
                other => other,
            }
        })
        .await
        .map(drop)
    }

    async fn get(&self, collection: &str, key: &str) -> Result<Option<Value>> {
        let collection = self.collection(collection).await?;
        let wanted = doc! { "_id": key };
        let found = run(async move { collection.find_one(wanted).await }).await?;
        found
            .map(|document| body(document).map(|(_, body)| body))
            .transpose()
    }

    async fn get_many(&self, collection: &str, keys: &[String]) -> Result<Vec<(String, Value)>> {
        let collection = self.collection(collection).await?;
        let wanted = doc! { "_id": { "$in": keys } };
        let found = run(async move {
            collection
                .find(wanted)
                .await?
                .try_collect::<Vec<Document>>()
                .await
        });
        found.await?.into_iter().map(body).collect()
    }

    async fn page(&self, collection: &str, after: &str, limit: u32) -> Result<Vec<(String, Value)>> {
        let collection = self.collection(collection).await?;
        let wanted = doc! { "_id": { "$gt": after } };
        let found = run(async move {
            let found = collection
                .find(wanted)
                .sort(doc! { "_id": 1 })
                .limit(limit.into());
            found.await?.try_collect::<Vec<Document>>().await
        });
        found.await?.into_iter().map(body).collect()
    }

    async fn delete(&self, collection: &str, key: &str) -> Result<()> {
        let collection = self.collection(collection).await?;
        let unwanted = doc! { "_id": key };
        run(async move { collection.delete_one(unwanted).await })
            .await
            .map(drop)
    }

    async fn delete_prefix(&self, collection: &str, prefix: &str) -> Result<u64> {
        let collection = self.collection(collection).await?;
        let unwanted = doc! { "_id": { "$regex": format!("^{}", literal(prefix)) } };
        let gone = run(async move { collection.delete_many(unwanted).await }).await?;
        Ok(gone.deleted_count)
    }
}

/// A pattern that these characters match, and nothing else.
fn literal(text: &str) -> String {
    let escaped = |c: char| (c.is_ascii_punctuation().then_some('\\')).into_iter().chain([c]);
    text.chars().flat_map(escaped).collect()
}

fn is_duplicate(error: &mongodb::error::Error) -> bool {
    matches!(&*error.kind, ErrorKind::Write(WriteFailure::WriteError(error)) if error.code == DUPLICATE)
}

/// What is stored under a key; `document_too_large` when it is larger than a document can be.
fn document(collection: &str, key: &str, body: &Value) -> Result<Document> {
    let mut document = doc! { "_id": key };
    let known = COLLECTIONS.iter().find(|(port, ..)| *port == collection);
    for (name, part) in known
        .iter()
        .flat_map(|(.., names)| names.iter().zip(key.split('/')))
    {
        let number = part.strip_prefix('v').unwrap_or(part).parse::<i64>();
        document.insert(
            *name,
            number.map_or_else(|_| Bson::String(part.to_owned()), Bson::Int64),
        );
    }
    document.insert("body", to_bson(body)?);
    let bytes = document
        .to_vec()
        .map_err(|error| Error::internal("a document is BSON").because(error))?
        .len();
    if bytes > MAX_BSON {
        let detail = format!("the document {key} has {bytes} bytes as BSON, at most {MAX_BSON} are kept");
        return Err(Error::new(&codes::DOCUMENT_TOO_LARGE, detail));
    }
    Ok(document)
}

/// The key and the body of what is stored.
fn body(mut document: Document) -> Result<(String, Value)> {
    let broken = || Error::internal("a document of the store is none of ours");
    let Some(Bson::String(key)) = document.remove("_id") else {
        return Err(broken());
    };
    let body = document.remove("body").ok_or_else(broken)?;
    Ok((key, to_value(body)?))
}

/// JSON as BSON, member by member, so that no member is taken for one of extended JSON. Bodies have no names that begin with `$`
/// or hold a dot: not every server takes them.
fn to_bson(value: &Value) -> Result<Bson> {
    Ok(match value {
        Value::Null => Bson::Null,
        Value::Bool(value) => Bson::Boolean(*value),
        Value::String(text) => Bson::String(text.clone()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Bson::Int64(whole),
            (None, Some(fraction)) if number.is_f64() => Bson::Double(fraction),
            _ => {
                return Err(Error::internal(format!(
                    "a document cannot hold the number {number}"
                )));
            }
        },
        Value::Array(values) => Bson::Array(values.iter().map(to_bson).collect::<Result<_>>()?),
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| Ok((name.clone(), to_bson(value)?)));
            Bson::Document(members.collect::<Result<_>>()?)
        }
    })
}

/// BSON as JSON; only what [`to_bson`] makes is ours.
fn to_value(bson: Bson) -> Result<Value> {
    Ok(match bson {
        Bson::Null => Value::Null,
        Bson::Boolean(value) => Value::Bool(value),
        Bson::String(text) => Value::String(text),
        Bson::Int32(number) => Value::Number(number.into()),
        Bson::Int64(number) => Value::Number(number.into()),
        Bson::Double(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
        Bson::Array(values) => Value::Array(values.into_iter().map(to_value).collect::<Result<_>>()?),
        Bson::Document(members) => {
            let members = members
                .into_iter()
                .map(|(name, bson)| Ok((name, to_value(bson)?)));
            Value::Object(members.collect::<Result<Map<_, _>>>()?)
        }
        other => {
            return Err(Error::internal(format!(
                "a document holds what is no JSON: {other:?}"
            )));
        }
    })
}
