//! A back-up on disk: a directory of parts, and a list of their checksums.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures::{AsyncBufReadExt as _, Stream, StreamExt as _, TryStreamExt as _, stream::BoxStream};
use serde::{Serialize, de::DeserializeOwned};
use smartcourse_engines::files::directory::Directory;
use smartcourse_platform::ports::files::{FileWriter, Files as _, Stored};

use crate::engines;

/// The checksums, as `sha256sum --check` takes them.
pub(super) const SUMS: &str = "SHA256SUMS";

/// The directory of one back-up.
pub(super) struct Place {
    /// The directory it is in, so that files of one can be linked into the next.
    pub(super) store: Directory,
    pub(super) path: PathBuf,
    name: String,
    /// The checksum of each part, in hexadecimal digits.
    pub(super) sums: BTreeMap<String, String>,
}

impl Place {
    /// A directory, whether it is there or not.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path)?;
        let (within, name) = path
            .parent()
            .zip(path.file_name().and_then(|name| name.to_str()))
            .with_context(|| format!("{} is no directory of a back-up", path.display()))?;
        let list = match std::fs::read(path.join(SUMS)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let list = String::from_utf8_lossy(&list);
        let sums = list.lines().filter_map(|line| line.split_once("  "));
        Ok(Self {
            store: Directory::open(within)?,
            name: name.to_owned(),
            sums: sums
                .map(|(sum, part)| (part.to_owned(), sum.to_owned()))
                .collect(),
            path,
        })
    }

    /// The key of a part in the directory of all.
    pub(super) fn key(&self, part: &str) -> String {
        format!("{}/{part}", self.name)
    }

    /// The checksum of a part as it is; `None` without it.
    pub(super) async fn digest(&self, part: &str) -> Result<Option<String>> {
        let digest = engines::digest(&self.store, &self.key(part)).await?;
        Ok(digest.map(|digest| HEXLOWER.encode(&digest)))
    }

    /// Begins a part; it is there once it is ended.
    pub(super) async fn write(&self, part: &str) -> Result<Box<dyn FileWriter>> {
        Ok(self.store.write(&self.key(part)).await?)
    }

    /// Ends a part.
    pub(super) async fn end(&mut self, part: &str, writer: Box<dyn FileWriter>) -> Result<()> {
        writer.finish().await?;
        let sum = self.digest(part).await?;
        let sum = sum.with_context(|| format!("{part} of the back-up was removed"))?;
        self.sums.insert(part.to_owned(), sum);
        Ok(())
    }

    pub(super) async fn read(&self, part: &str) -> Result<BoxStream<'static, Result<Bytes>>> {
        let bytes = self.store.read(&self.key(part)).await;
        let bytes = bytes.with_context(|| self.path.join(part).display().to_string())?;
        Ok(bytes.map_err(anyhow::Error::from).boxed())
    }

    /// The values of a part that is a line of JSON for each.
    pub(super) async fn values<T: DeserializeOwned>(
        &self,
        part: &str,
    ) -> Result<impl Stream<Item = Result<T>> + use<T>> {
        let bytes = self.read(part).await?.map_err(std::io::Error::other);
        let lines = bytes.into_async_read().lines();
        Ok(lines.map(|line| Ok(serde_json::from_str(&line?)?)))
    }

    /// Fails unless each part is what was written.
    pub(super) async fn verify(&self) -> Result<()> {
        let path = self.path.display();
        anyhow::ensure!(
            !self.sums.is_empty(),
            "{path} is no back-up, or one that did not come to its end: it has no {SUMS}"
        );
        for (part, sum) in &self.sums {
            let is_whole = self.digest(part).await?.as_ref() == Some(sum);
            anyhow::ensure!(is_whole, "{path} is damaged: {part} is not what was written");
        }
        Ok(())
    }

    /// Ends the back-up under its name: from here on it is whole, whatever becomes of this machine. What a run that was killed has
    /// brought and no row names any more is removed.
    pub(super) async fn finish(self, name: &str) -> Result<PathBuf> {
        let parts: Vec<Stored> = Directory::open(&self.path)?.list().try_collect().await?;
        for part in parts.iter().filter(|part| !self.sums.contains_key(&part.key)) {
            self.store.delete(&self.key(&part.key)).await?;
        }
        let sums = self.sums.iter();
        let list: String = sums.map(|(part, sum)| format!("{sum}  {part}\n")).collect();
        let mut writer = self.write(SUMS).await?;
        writer.write(list.into()).await?;
        writer.finish().await?;
        let whole = self.path.with_file_name(name);
        let to = whole.clone();
        tokio::task::spawn_blocking(move || {
            rustix::fs::sync();
            std::fs::rename(&self.path, &to)
                .with_context(|| format!("{} cannot become {}", self.path.display(), to.display()))?;
            rustix::fs::sync();
            anyhow::Ok(())
        })
        .await??;
        Ok(whole)
    }
}

/// A line of JSON.
pub(super) fn line(value: &impl Serialize) -> Result<Bytes> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line.into())
}
