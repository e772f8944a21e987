//! Why a model could not be loaded.

use std::path::PathBuf;

/// Why [`MiniLm::load`](crate::MiniLm::load) refused a directory.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A model file is absent or cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file that was tried.
        path: PathBuf,
        /// What the operating system answered.
        source: std::io::Error,
    },
    /// A model file is not the published one: truncated download, other version, or tampered with.
    #[error("{path} has sha256 {found}, expected {expected}; remove it and fetch the model again")]
    Digest {
        /// The file that was read.
        path: PathBuf,
        /// The digest this crate was written for.
        expected: &'static str,
        /// The digest of the file's content.
        found: String,
    },
    /// A model file is not of its format.
    #[error("{path} is not a valid model file: {reason}")]
    Format {
        /// The file that was read.
        path: PathBuf,
        /// The parser's reason.
        reason: String,
    },
    /// A tensor the model needs is absent, or has another type or shape.
    #[error("tensor {name}: {reason}")]
    Tensor {
        /// The tensor's name in the file.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The vocabulary lacks a token the model cannot work without.
    #[error("the vocabulary has no {0} token")]
    Vocabulary(&'static str),
}
