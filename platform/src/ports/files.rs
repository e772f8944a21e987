//! The file port: uploads and the files of versions, by key (`courses/7/v3/a-12`).

use std::{
    ops::Range,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::error::Result;

/// What a signed URL lets whoever has it do, with nothing else to show.
#[derive(Debug, Clone, Copy)]
pub enum Grant<'a> {
    /// PUT the file, of whatever size.
    Write,
    /// GET the file.
    Read {
        /// `Content-Type` of the answer.
        content_type: &'a str,
        /// `Content-Disposition` of the answer.
        disposition: &'a str,
    },
}

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its key.
    pub key: String,
    /// Its bytes.
    pub size: u64,
    /// When it was written, by the clock of the store.
    pub written: SystemTime,
}

/// A file store. A key is segments joined by `/`; any character may be in it and no key leaves the store. A file is seen
/// whole or not at all, by every read that begins after its write was answered.
///
/// Errors: `not_found` without such a file, `file_exists` and `file_changed` when another writer was faster,
/// `storage_refused` when the store does not let us in, `unavailable` for everything that may pass.
#[async_trait]
pub trait Files: Send + Sync {
    /// Where it is, as people may see it: without what lets us in. Two that are one are called alike.
    fn place(&self) -> String;
    /// Makes the store ready for files: what is there already stays.
    async fn prepare(&self) -> Result<()>;
    /// Begins to write a file; one of the same key is replaced at the end.
    async fn write(&self, key: &str) -> Result<Box<dyn FileWriter>>;
    /// The bytes of a file.
    async fn read(&self, key: &str) -> Result<BoxStream<'static, Result<Bytes>>>;
    /// Some of the bytes of a file, by their places in it. The range is not empty and ends where the file ends or before.
    async fn read_range(&self, key: &str, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>>;
    /// Bytes of a file; `None` without such a file.
    async fn size(&self, key: &str) -> Result<Option<u64>>;
    /// A URL under which the store itself reads or writes a file for anybody, until `lifetime` is over; `None` from a
    /// store that nobody but us reaches.
    async fn sign(&self, key: &str, grant: Grant<'_>, lifetime: Duration) -> Result<Option<String>>;
    /// Every file, in no particular order. What is written meanwhile may be among them or not.
    fn list(&self) -> BoxStream<'_, Result<Stored>>;
    /// Copies a file, replacing one that has the key.
    async fn copy(&self, from: &str, to: &str) -> Result<()>;
    /// Removes a file, if it is there.
    async fn delete(&self, key: &str) -> Result<()>;
    /// Removes every file below a prefix of whole segments; answers how many. Not atomic: given up half-way, some are gone,
    /// and calling it again removes the rest.
    async fn delete_prefix(&self, prefix: &str) -> Result<u64>;
    /// Removes what writers that died left behind, once nobody can be writing it any more.
    async fn sweep(&self) -> Result<()>;
}

/// A file that is being written. Dropped before its end, it leaves nothing that is seen.
#[async_trait]
pub trait FileWriter: Send {
    /// Takes the next bytes; waits while too many are on their way.
    async fn write(&mut self, bytes: Bytes) -> Result<()>;
    /// Ends the file: from here on it is there.
    async fn finish(self: Box<Self>) -> Result<()>;
    /// Gives the file up and removes what was written of it.
    async fn abort(self: Box<Self>) -> Result<()>;
}
