//! What the file stores have in common: those of the crate `object_store`, whatever is behind them.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use object_store::{
    Error as StoreError, GetOptions, ObjectStore, ObjectStoreExt as _, WriteMultipart, path::Path as Key,
};
use percent_encoding::percent_decode_str;
use smartcourse_platform::{
    Error, Result,
    error::codes,
    ports::files::{FileWriter, Stored},
};

/// Parts of a file on their way to the store at once.
const IN_FLIGHT: usize = 4;

pub(super) async fn write(store: &impl ObjectStore, key: &str) -> Result<Box<dyn FileWriter>> {
    let upload = store.put_multipart(&Key::from(key)).await.map_err(unfinished)?;
    Ok(Box::new(Writer(WriteMultipart::new(upload))))
}

pub(super) async fn read(store: &impl ObjectStore, key: &str) -> Result<BoxStream<'static, Result<Bytes>>> {
    let found = store.get(&Key::from(key)).await.map_err(failure)?;
    Ok(found.into_stream().map_err(failure).boxed())
}

pub(super) async fn read_range(
    store: &impl ObjectStore,
    key: &str,
    range: Range<u64>,
) -> Result<BoxStream<'static, Result<Bytes>>> {
    let options = GetOptions::new().with_range(Some(range));
    let found = store.get_opts(&Key::from(key), options).await.map_err(failure)?;
    Ok(found.into_stream().map_err(failure).boxed())
}

pub(super) async fn size(store: &impl ObjectStore, key: &str) -> Result<Option<u64>> {
    match store.head(&Key::from(key)).await {
        Ok(meta) => Ok(Some(meta.size)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(failure(error)),
    }
}

pub(super) fn list(store: &impl ObjectStore) -> BoxStream<'_, Result<Stored>> {
    let stored = |object: object_store::ObjectMeta| {
        // A place is a key whose strange characters are written by their numbers.
        let key = percent_decode_str(object.location.as_ref()).decode_utf8();
        let broken = |error| Error::internal("the file store has a file that is none of ours").because(error);
        Ok(Stored {
            key: key.map_err(broken)?.into_owned(),
            size: object.size,
            written: object.last_modified.into(),
        })
    };
    let found = store.list(None);
    found.map(move |object| stored(object.map_err(failure)?)).boxed()
}

pub(super) async fn copy(store: &impl ObjectStore, from: &str, to: &str) -> Result<()> {
    store
        .copy(&Key::from(from), &Key::from(to))
        .await
        .map_err(failure)
}

pub(super) async fn delete(store: &impl ObjectStore, key: &str) -> Result<()> {
    unless_gone(store.delete(&Key::from(key)).await)
}

pub(super) async fn delete_prefix(store: &impl ObjectStore, prefix: &str) -> Result<u64> {
    let found = store
        .list(Some(&Key::from(prefix)))
        .map_ok(|object| object.location)
        .boxed();
    let outcomes = store
        .delete_stream(found)
        .map(|outcome| unless_gone(outcome.map(drop)));
    outcomes.try_fold(0, async |count, ()| Ok(count + 1)).await
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

/// Nothing that is written is looked for: the store lost the upload, or has answered a request before that it is asked again.
fn unfinished(error: StoreError) -> Error {
    match error {
        StoreError::NotFound { .. } => {
            Error::new(&codes::UNAVAILABLE, "the file store does not know of this upload").because(error)
        }
        error => failure(error),
    }
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
        self.0.wait_for_capacity(IN_FLIGHT).await.map_err(unfinished)?;
        self.0.put(bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        self.0.finish().await.map(drop).map_err(unfinished)
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        unless_gone(self.0.abort().await)
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
