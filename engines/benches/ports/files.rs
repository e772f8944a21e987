//! Files of one mebibyte.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use futures::{TryStreamExt as _, future::try_join_all};
use smartcourse_platform::ports::files::Grant;
use smartcourse_tests::measure::Outcome;

use crate::{line_up::LineUp, load};

pub(crate) const OPERATIONS: [&str; 2] = ["files: write 1 MiB", "files: read 1 MiB"];
/// Files that are written and read in turns.
const KEYS: u64 = 64;
const SIZE: usize = 1024 * 1024;
/// Of a signed URL.
const LIFETIME: Duration = Duration::from_secs(3600);

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

/// Plain requests to URLs that were signed before.
pub(crate) async fn bare(real: &LineUp) -> Result<Vec<Outcome>> {
    let (store, http) = (real.engines.files()?, reqwest::Client::new());
    let read = Grant::Read {
        content_type: "application/octet-stream",
        disposition: "attachment",
    };
    let sign = async |grant| {
        let urls = (0..KEYS).map(|number| {
            let (store, key) = (&store, format!("bare/{}", key(number)));
            async move { store.sign(&key, grant, LIFETIME).await?.context("a bucket signs") }
        });
        anyhow::Ok(Arc::new(try_join_all(urls).await?))
    };
    let (writes, reads) = (sign(Grant::Write).await?, sign(read).await?);
    let url = |urls: &[String], number: u64| urls[number as usize % urls.len()].clone();
    let write = {
        let (http, content) = (http.clone(), content());
        move |number| {
            let request = http.put(url(&writes, number)).body(content.clone());
            async move {
                request.send().await?.error_for_status()?;
                Ok(())
            }
        }
    };
    for number in 0..KEYS {
        write(number).await?;
    }
    let written = load::run(write).await?;
    let read = load::run(move |number| {
        let request = http.get(url(&reads, number));
        async move {
            let size = request.send().await?.error_for_status()?.bytes().await?.len();
            ensure!(size == SIZE, "{size} bytes");
            Ok(())
        }
    });
    Ok(vec![written, read.await?])
}
