//! Files in a directory.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use serde::Deserialize;
use smartcourse_platform::{
    Error, Result,
    config::{Declared, Reader, Section},
    ports::files::{FileWriter, Files, Grant, Stored},
};

use super::objects;

/// Age at which a file that is still being written is broken: nothing takes a day.
const BROKEN: Duration = Duration::from_secs(24 * 3600);

/// What is declared here.
pub const CONFIG: Declared = Declared::of(
    r#"[content]
# Directory of the files.
files_dir = "./files"
"#,
    &[Reader::of::<Settings>()],
);

/// `[content]`
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// Directory of the files.
    pub files_dir: PathBuf,
}

impl Section for Settings {
    const NAME: &'static str = "content";
}

/// A directory.
pub struct Directory {
    root: PathBuf,
    store: LocalFileSystem,
}

impl Directory {
    /// A directory, made if it is not there. Fails when the directory cannot be made or opened.
    pub fn open(root: &Path) -> Result<Self> {
        let broken = || Error::internal(format!("cannot use the directory {}", root.display()));
        std::fs::create_dir_all(root).map_err(|error| broken().because(error))?;
        let store = LocalFileSystem::new_with_prefix(root).map_err(|error| broken().because(error))?;
        let whole = std::path::absolute(root).map_err(|error| broken().because(error))?;
        Ok(Self {
            root: whole,
            // What was answered as stored outlives a power cut.
            store: store.with_automatic_cleanup(true).with_fsync(true),
        })
    }
}

#[async_trait]
impl Files for Directory {
    fn place(&self) -> String {
        format!("directory {}", self.root.display())
    }

    /// It was made when it was opened.
    async fn prepare(&self) -> Result<()> {
        Ok(())
    }

    async fn write(&self, key: &str) -> Result<Box<dyn FileWriter>> {
        objects::write(&self.store, key).await
    }

    async fn read(&self, key: &str) -> Result<BoxStream<'static, Result<Bytes>>> {
        objects::read(&self.store, key).await
    }

    async fn read_range(&self, key: &str, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>> {
        objects::read_range(&self.store, key, range).await
    }

    async fn size(&self, key: &str) -> Result<Option<u64>> {
        objects::size(&self.store, key).await
    }

    /// Nobody but us reaches a directory.
    async fn sign(&self, _: &str, _: Grant<'_>, _: Duration) -> Result<Option<String>> {
        Ok(None)
    }

    fn list(&self) -> BoxStream<'_, Result<Stored>> {
        objects::list(&self.store)
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        // A copy is a hard link, and linking over another link of the same file would leave the store's temporary name
        // behind.
        objects::delete(&self.store, to).await?;
        objects::copy(&self.store, from, to).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        objects::delete(&self.store, key).await
    }

    async fn delete_prefix(&self, prefix: &str) -> Result<u64> {
        objects::delete_prefix(&self.store, prefix).await
    }

    async fn sweep(&self) -> Result<()> {
        let root = self.root.clone();
        tokio::task::spawn_blocking(move || remove_broken(&root))
            .await
            .map_err(|error| Error::internal("looking for unfinished files was cut off").because(error))?
            .map_err(|error| Error::internal("unfinished files cannot be looked for").because(error))
    }
}

/// The store writes to a name of its own beside the file, `name#1`, which it shows to nobody, and renames it at the end.
fn remove_broken(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        // Others use the directory meanwhile: what has gone needs no look.
        let Ok(meta) = entry.metadata() else { continue };
        let name = entry.file_name();
        let unfinished = || {
            let (_, number) = name.to_str()?.rsplit_once('#')?;
            let old = meta.modified().ok()?.elapsed().ok()? > BROKEN;
            (old && number.parse::<u32>().is_ok()).then_some(())
        };
        if meta.is_dir() {
            match remove_broken(&entry.path()) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        } else if unfinished().is_some()
            && let Err(error) = std::fs::remove_file(entry.path())
        {
            tracing::warn!(path = %entry.path().display(), %error, "an unfinished file stays");
        }
    }
    Ok(())
}
