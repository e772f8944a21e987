//! Files in any store of the crate `object_store`: what its adapters share.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use object_store::{DynObjectStore, Error as StoreError, ObjectStoreExt as _, WriteMultipart, path::Path};
use smartcourse_platform::{Error, Result, error::codes, ports::files::FileWriter};

/// Parts of a file on their way to the store at once.
const IN_FLIGHT: usize = 4;

/// What a failure of the store means.
pub(super) fn failure(error: StoreError) -> Error {
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
pub(super) fn unless_gone(outcome: object_store::Result<()>) -> Result<()> {
    match outcome {
        Err(StoreError::NotFound { .. }) => Ok(()),
        other => other.map_err(failure),
    }
}

pub(super) async fn write(store: &DynObjectStore, key: &str) -> Result<Box<dyn FileWriter>> {
    let upload = store.put_multipart(&Path::from(key)).await.map_err(failure)?;
    Ok(Box::new(Writer(WriteMultipart::new(upload))))
}

pub(super) async fn read(store: &DynObjectStore, key: &str) -> Result<BoxStream<'static, Result<Bytes>>> {
    let found = store.get(&Path::from(key)).await.map_err(failure)?;
    Ok(found.into_stream().map_err(failure).boxed())
}

pub(super) async fn size(store: &DynObjectStore, key: &str) -> Result<Option<u64>> {
    match store.head(&Path::from(key)).await {
        Ok(meta) => Ok(Some(meta.size)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(failure(error)),
    }
}

pub(super) async fn delete_prefix(store: &Arc<DynObjectStore>, prefix: &str) -> Result<u64> {
    let found: Vec<_> = store
        .list(Some(&Path::from(prefix)))
        .try_collect()
        .await
        .map_err(failure)?;
    for object in &found {
        unless_gone(store.delete(&object.location).await)?;
    }
    Ok(found.len() as u64)
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
