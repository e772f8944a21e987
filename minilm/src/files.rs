//! Model files, which are what was published or are refused.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::LoadError;

/// Reads a model file and checks its digest.
pub(crate) fn read(dir: &Path, name: &str, expected: &'static str) -> Result<(PathBuf, Vec<u8>), LoadError> {
    let path = dir.join(name);
    let bytes = std::fs::read(&path).map_err(|source| LoadError::Read {
        path: path.clone(),
        source,
    })?;
    let found = HEXLOWER.encode(&Sha256::digest(&bytes));
    if found != expected {
        return Err(LoadError::Digest {
            path,
            expected,
            found,
        });
    }
    Ok((path, bytes))
}
