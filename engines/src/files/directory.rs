//! The file port: `object_store`, whose adapters range from a directory to S3.

use std::{path::Path, sync::Arc, time::Duration};

use object_store::{ObjectStore, local::LocalFileSystem};

use crate::error::{Error, Result, codes};

pub use object_store::{
    Attributes, GetOptions, MultipartUpload, ObjectStoreExt, PutMode, PutOptions, PutPayload, WriteMultipart,
    path::Path as FilePath,
};

/// A file store.
pub type Files = Arc<dyn ObjectStore>;

/// Age at which a file that is still being written is broken: nothing takes a day.
const BROKEN: Duration = Duration::from_secs(24 * 3600);

/// A directory, made if it is not there. What writes of processes that died have left in it goes.
///
/// # Errors
/// When the directory cannot be made, read or opened.
pub fn directory(root: &Path) -> Result<Files> {
    std::fs::create_dir_all(root)
        .and_then(|()| remove_broken(root))
        .map_err(|error| {
            Error::internal(format!("cannot use the directory {}", root.display())).because(error)
        })?;
    let store = LocalFileSystem::new_with_prefix(root).map_err(|error| {
        Error::internal(format!("cannot open the directory {}", root.display())).because(error)
    })?;
    Ok(Arc::new(store.with_automatic_cleanup(true)))
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
