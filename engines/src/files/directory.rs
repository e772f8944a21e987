//! Files in a directory.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use object_store::{
    Error as StoreError, ObjectStore as _, ObjectStoreExt as _, WriteMultipart, local::LocalFileSystem,
    path::Path as Key,
};
use serde::Deserialize;
use smartcourse_platform::{
    Error, Result,
    config::{Declared, Reader, Section},
    error::codes,
    ports::files::{FileWriter, Files},
};

/// Parts of a file on their way to the store at once.
const IN_FLIGHT: usize = 4;
/// Age at which a file that is still being written is broken: nothing takes a day.
const BROKEN: Duration = Duration::from_secs(24 * 3600);

/// What is declared here.
pub const CONFIG: Declared = Declared {
    defaults: r#"[content]
# Directory of the files.
files_dir = "./files"
"#,
    sections: &[Reader::of::<Settings>()],
};

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
        Ok(Self {
            root: root.to_owned(),
            store: store.with_automatic_cleanup(true),
        })
    }
}

#[async_trait]
impl Files for Directory {
    /// It was made when it was opened.
    async fn prepare(&self) -> Result<()> {
        Ok(())
    }

    async fn write(&self, key: &str) -> Result<Box<dyn FileWriter>> {
        let upload = self.store.put_multipart(&Key::from(key)).await.map_err(failure)?;
        Ok(Box::new(Writer(WriteMultipart::new(upload))))
    }

    async fn read(&self, key: &str) -> Result<BoxStream<'static, Result<Bytes>>> {
        let found = self.store.get(&Key::from(key)).await.map_err(failure)?;
        Ok(found.into_stream().map_err(failure).boxed())
    }

    async fn size(&self, key: &str) -> Result<Option<u64>> {
        match self.store.head(&Key::from(key)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(failure(error)),
        }
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        // A copy is a hard link, and linking over another link of the same file would leave the store's temporary name
        // behind.
        self.delete(to).await?;
        let (from, to) = (Key::from(from), Key::from(to));
        self.store.copy(&from, &to).await.map_err(failure)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        unless_gone(self.store.delete(&Key::from(key)).await)
    }

    async fn delete_prefix(&self, prefix: &str) -> Result<u64> {
        let found = self.store.list(Some(&Key::from(prefix)));
        let found: Vec<_> = found.try_collect().await.map_err(failure)?;
        for object in &found {
            unless_gone(self.store.delete(&object.location).await)?;
        }
        Ok(found.len() as u64)
    }

    async fn sweep(&self) -> Result<()> {
        let root = self.root.clone();
        tokio::task::spawn_blocking(move || remove_broken(&root))
            .await
            .map_err(|error| Error::internal("looking for unfinished files was cut off").because(error))?
            .map_err(|error| Error::internal("unfinished files cannot be looked for").because(error))
    }
}

/// What a failure of the store means.
fn failure(error: StoreError) -> Error {
    let (code, detail) = match &error {
        StoreError::NotFound { .. } => (&codes::NOT_FOUND, "the file is not there"),
        StoreError::AlreadyExists { .. } => (&codes::FILE_EXISTS, "the file is there already"),
        StoreError::Precondition { .. } | StoreError::NotModified { .. } => {
            (&codes::FILE_CHANGED, "the file was changed meanwhile")
        }
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
            (&codes::STORAGE_REFUSED, "the file store does not let us in")
        }
        _ => (&codes::UNAVAILABLE, "the file store could not do this"),
    };
    Error::new(code, detail).because(error)
}

/// A failure to find is none to whoever removes.
fn unless_gone(outcome: object_store::Result<()>) -> Result<()> {
    match outcome {
        Err(StoreError::NotFound { .. }) => Ok(()),
        other => other.map_err(failure),
    }
}

/// A file on its way.
struct Writer(WriteMultipart);

#[async_trait]
impl FileWriter for Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.0.wait_for_capacity(IN_FLIGHT).await.map_err(failure)?;
        self.0.put(bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        self.0.finish().await.map(drop).map_err(failure)
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.0.abort().await.map_err(failure)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart() {
        let (path, cause) = ("k".to_owned(), || "x".to_owned().into());
        let failures = [
            (
                StoreError::NotFound {
                    path: path.clone(),
                    source: cause(),
                },
                &codes::NOT_FOUND,
            ),
            (
                StoreError::AlreadyExists {
                    path: path.clone(),
                    source: cause(),
                },
                &codes::FILE_EXISTS,
            ),
            (
                StoreError::Precondition {
                    path: path.clone(),
                    source: cause(),
                },
                &codes::FILE_CHANGED,
            ),
            (
                StoreError::PermissionDenied {
                    path: path.clone(),
                    source: cause(),
                },
                &codes::STORAGE_REFUSED,
            ),
            (
                StoreError::Unauthenticated {
                    path,
                    source: cause(),
                },
                &codes::STORAGE_REFUSED,
            ),
            (
                StoreError::Generic {
                    store: "s",
                    source: cause(),
                },
                &codes::UNAVAILABLE,
            ),
        ];
        for (error, code) in failures {
            assert!(failure(error).is(code), "{}", code.code);
        }
    }
}
