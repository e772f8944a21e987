//! Files in a bucket of S3.

use std::{ops::Range, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use smartcourse_platform::{
    Result,
    ports::files::{FileWriter, Files, Grant, Stored},
};

use super::objects;
use crate::servers::s3::Bucket;

/// Age at which a file that is still being written is broken: nothing takes a day.
const BROKEN: Duration = Duration::from_secs(24 * 3600);

/// A bucket. Its server keeps the parts of what nobody finished until it is swept, whatever rules the bucket has.
pub struct S3(Bucket);

impl S3 {
    /// Over a bucket.
    pub fn new(bucket: Bucket) -> Self {
        Self(bucket)
    }
}

#[async_trait]
impl Files for S3 {
    fn place(&self) -> String {
        format!("bucket {}", self.0.address())
    }

    async fn prepare(&self) -> Result<()> {
        self.0.make().await
    }

    async fn write(&self, key: &str) -> Result<Box<dyn FileWriter>> {
        objects::write(&self.0.store, key).await
    }

    async fn read(&self, key: &str) -> Result<BoxStream<'static, Result<Bytes>>> {
        objects::read(&self.0.store, key).await
    }

    async fn read_range(&self, key: &str, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>> {
        objects::read_range(&self.0.store, key, range).await
    }

    async fn size(&self, key: &str) -> Result<Option<u64>> {
        objects::size(&self.0.store, key).await
    }

    async fn sign(&self, key: &str, grant: Grant<'_>, lifetime: Duration) -> Result<Option<String>> {
        self.0.sign(key, grant, lifetime).await
    }

    fn list(&self) -> BoxStream<'_, Result<Stored>> {
        objects::list(&self.0.store)
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        objects::copy(&self.0.store, from, to).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        objects::delete(&self.0.store, key).await
    }

    async fn delete_prefix(&self, prefix: &str) -> Result<u64> {
        objects::delete_prefix(&self.0.store, prefix).await
    }

    async fn sweep(&self) -> Result<()> {
        self.0.give_up(BROKEN).await
    }
}
