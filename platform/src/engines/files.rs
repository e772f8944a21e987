//! The file port: `object_store`, whose adapters range from a directory to S3.

use std::{path::Path, sync::Arc};

use object_store::{ObjectStore, local::LocalFileSystem};

use crate::error::{Error, Result, codes};

pub use object_store::{
    Attributes, GetOptions, MultipartUpload, ObjectStoreExt, PutMode, PutOptions, PutPayload, WriteMultipart,
    path::Path as FilePath,
};

/// A file store.
pub type Files = Arc<dyn ObjectStore>;

/// A directory, made if it is not there.
///
/// # Errors
/// When the directory cannot be made or opened.
pub fn directory(root: &Path) -> Result<Files> {
    std::fs::create_dir_all(root).map_err(|error| {
        Error::internal(format!("cannot make the directory {}", root.display())).because(error)
    })?;
    let store = LocalFileSystem::new_with_prefix(root).map_err(|error| {
        Error::internal(format!("cannot open the directory {}", root.display())).because(error)
    })?;
    Ok(Arc::new(store.with_automatic_cleanup(true)))
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => {
                Self::new(&codes::NOT_FOUND, "the file is not there").because(error)
            }
            _ => Self::new(&codes::UNAVAILABLE, "the file store could not do this").because(error),
        }
    }
}
