//! The document port: JSON bodies under a collection and a key, such as the content of a course version. Keys are
//! hierarchical (`12/v3/lesson`), so that everything of a version has one prefix.

use async_trait::async_trait;
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use crate::error::{Error, Result, codes};

/// Bytes of a document's JSON text at most, on every engine: the smallest limit among them, that of a BSON document
/// (16 MiB), less its headroom.
pub const MAX_BYTES: usize = 15 * 1024 * 1024;

/// A document store. A write of one document is atomic and seen by every read that begins after it was answered; nothing
/// that touches several documents is atomic.
#[async_trait]
pub trait Documents: Send + Sync {
    /// Where it is, as people may see it: without what lets us in. Two that are one are called alike.
    fn place(&self) -> String;
    /// Makes the store ready for documents: what is there already stays.
    async fn prepare(&self) -> Result<()>;
    /// Writes a document, replacing one of the same key; `document_too_large` above [`MAX_BYTES`].
    async fn put(&self, collection: &str, key: &str, body: &Value) -> Result<()>;
    /// Reads a document.
    async fn get(&self, collection: &str, key: &str) -> Result<Option<Value>>;
    /// Reads the documents that exist of the given keys, in no particular order.
    async fn get_many(&self, collection: &str, keys: &[String]) -> Result<Vec<(String, Value)>>;
    /// The next documents of a collection after a key, at most so many, in the order of the bytes of their keys; fewer at the
    /// end. `""` is before the first. What is written meanwhile may be among them or not.
    async fn page(&self, collection: &str, after: &str, limit: u32) -> Result<Vec<(String, Value)>>;
    /// Removes one document, if it is there.
    async fn delete(&self, collection: &str, key: &str) -> Result<()>;
    /// Removes every document whose key begins with these characters; answers how many. `12/v1` is a prefix of `12/v10`:
    /// end a version's prefix with a slash. Not atomic: given up half-way, some are gone, and calling it again removes the
    /// rest.
    async fn delete_prefix(&self, collection: &str, prefix: &str) -> Result<u64>;
}

/// The JSON text of a document; `document_too_large` above [`MAX_BYTES`], whatever this engine would take.
pub fn to_json(key: &str, body: &Value) -> Result<Box<RawValue>> {
    let text = to_raw_value(body).map_err(|error| Error::internal("a document is JSON").because(error))?;
    let bytes = text.get().len();
    if bytes > MAX_BYTES {
        let detail = format!("the document {key} has {bytes} bytes, at most {MAX_BYTES} are kept");
        return Err(Error::new(&codes::DOCUMENT_TOO_LARGE, detail));
    }
    Ok(text)
}
