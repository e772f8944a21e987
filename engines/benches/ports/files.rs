//! Files of one mebibyte.

use std::sync::Arc;

use anyhow::{Result, ensure};
use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::{ObjectStoreExt as _, aws::AmazonS3Builder, path::Path as Key};
use smartcourse_tests::{TestServer, measure::Outcome};

use crate::{line_up::LineUp, load};

pub(crate) const OPERATIONS: [&str; 2] = ["files: write 1 MiB", "files: read 1 MiB"];
/// Files that are written and read in turns.
const KEYS: u64 = 64;
const SIZE: usize = 1024 * 1024;

fn key(number: u64) -> String {
    format!("courses/1/v1/a-{}", number % KEYS)
}

fn content() -> Bytes {
    (0..=250).cycle().take(SIZE).collect()
}

/// Through the port.
pub(crate) async fn port(line_up: &LineUp) -> Result<Vec<Outcome>> {
    let store = line_up.engines.files()?;
    let write = {
        let (store, content) = (Arc::clone(&store), content());
        move |number| {
            let (store, content) = (Arc::clone(&store), content.clone());
            async move {
                let mut file = store.write(&key(number)).await?;
                file.write(content).await?;
                Ok(file.finish().await?)
            }
        }
    };
    for number in 0..KEYS {
        write(number).await?;
    }
    let written = load::run(write).await?;
    let read = load::run(move |number| {
        let store = Arc::clone(&store);
        async move {
            let parts: Vec<Bytes> = store.read(&key(number)).await?.try_collect().await?;
            let size: usize = parts.iter().map(Bytes::len).sum();
            ensure!(size == SIZE, "{size} bytes");
            Ok(())
        }
    });
    Ok(vec![written, read.await?])
}

/// One request each.
pub(crate) async fn bare(server: &TestServer) -> Result<Vec<Outcome>> {
    let bucket = AmazonS3Builder::new()
        .with_bucket_name(server.variable("S3_BUCKET"))
        .with_endpoint(server.variable("S3_ENDPOINT"))
        .with_region("us-east-1")
        .with_access_key_id(server.variable("S3_ACCESS_KEY_ID"))
        .with_secret_access_key(server.variable("S3_SECRET_ACCESS_KEY"))
        .with_allow_http(true)
        .build()?;
    let bucket = Arc::new(bucket);
    let write = {
        let (bucket, content) = (Arc::clone(&bucket), content());
        move |number| {
            let (bucket, content) = (Arc::clone(&bucket), content.clone());
            async move {
                bucket
                    .put(&Key::from(format!("bare/{}", key(number))), content.into())
                    .await?;
                Ok(())
            }
        }
    };
    for number in 0..KEYS {
        write(number).await?;
    }
    let written = load::run(write).await?;
    let read = load::run(move |number| {
        let bucket = Arc::clone(&bucket);
        async move {
            let found = bucket.get(&Key::from(format!("bare/{}", key(number)))).await?;
            let size = found.bytes().await?.len();
            ensure!(size == SIZE, "{size} bytes");
            Ok(())
        }
    });
    Ok(vec![written, read.await?])
}
