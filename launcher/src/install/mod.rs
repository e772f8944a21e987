//! Finding what the machine already has, and installing what it lacks.
//!
//! Every installation follows one pattern ([`wheel`]): take the lock of the tool (another process may be at it), look
//! again, fetch and unpack in a temporary directory next to the destination, and rename. Whatever interrupts it leaves
//! rubbish that the next installation removes, never half a tool. Nothing is unpacked whose hash is not known here or that the
//! distribution has not signed.

pub(crate) mod apt;
mod chart;
mod fonts;
pub(crate) mod go;
pub(crate) mod maven;
mod model;
mod postgres;
mod prometheus;
mod steps;
mod temporal;
pub(crate) mod unpacked;
mod wheel;

use std::path::{Path, PathBuf};

use crate::{DataDir, Progress};

pub use chart::{ChartTools, ensure_chart_tools};
pub use fonts::{ensure_fonts, find_fonts};
pub use model::{ensure_model, find_model, install_multilingual_model, multilingual_model};
pub use postgres::{PostgresBinaries, ensure_postgres, find_postgres};
pub use prometheus::{PrometheusBinaries, ensure_prometheus};
pub use temporal::{ensure_temporal, find_temporal};

/// Why something could not be found or installed. Every text says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// What was fetched is not the file whose hash is written down in this crate.
    #[error(
        "{what} was fetched but has another SHA-256 than it must have, and was thrown away. Empty pip's cache \
         (python3 -m pip cache purge) and start again; if it stays so, do not trust the package index this machine \
         uses, and {otherwise}"
    )]
    WrongHash {
        /// The thing that was fetched.
        what: &'static str,
        /// What else can be done.
        otherwise: &'static str,
    },
    /// Everything else.
    #[error("{0}")]
    Other(String),
}

/// An environment variable names something that cannot be used.
fn bad_override(variable: &str, path: &Path, reason: &str) -> InstallError {
    let path = path.display();
    InstallError::Other(format!(
        "{variable} names {path}, which cannot be used: {reason}. Correct or unset it"
    ))
}

/// What [`ensure_all`] has found or installed.
#[derive(Debug)]
pub struct Installed {
    /// PostgreSQL's server programs.
    pub postgres: Result<PostgresBinaries, InstallError>,
    /// The `temporal` binary.
    pub temporal: Result<PathBuf, InstallError>,
    /// The directory of the model; `None` when it could not be fetched, which has then been shown as a warning.
    pub model: Option<PathBuf>,
    /// The directory of the fonts, likewise.
    pub fonts: Option<PathBuf>,
}

/// Finds or installs everything, side by side: the longest one decides how long it takes.
pub async fn ensure_all(dir: &DataDir, progress: &Progress) -> Installed {
    let (postgres, temporal, model, fonts) = tokio::join!(
        ensure_postgres(dir, progress),
        ensure_temporal(dir, progress),
        ensure_model(dir, progress),
        ensure_fonts(dir, progress)
    );
    Installed {
        postgres,
        temporal,
        model,
        fonts,
    }
}

/// What SmartCourse can do without, or `None` after a warning that says how it does and why.
fn nicety(installed: Result<PathBuf, InstallError>, without: &str, progress: &Progress) -> Option<PathBuf> {
    installed
        .inspect_err(|error| {
            tracing::warn!(%error, "{without}");
            progress.note(&format!("warning: {without}: {error}"));
        })
        .ok()
}
