//! Finding what the machine already has, and installing what it lacks.
//!
//! Every installation follows one pattern ([`wheel`]): take the lock of the tool (another process may be at it), look
//! again, fetch and unpack in a temporary directory next to the destination, and rename. Whatever interrupts it leaves
//! rubbish that the next installation removes, never half a tool. Nothing is unpacked whose hash is not known here.

mod fonts;
mod model;
mod postgres;
mod steps;
mod temporal;
mod wheel;

use std::path::PathBuf;
use std::process::ExitStatus;

use crate::{DataDir, Progress};

pub use fonts::{ensure_fonts, find_fonts};
pub use model::{ensure_model, find_model};
pub use postgres::{PostgresBinaries, ensure_postgres, find_postgres};
pub use temporal::{ensure_temporal, find_temporal};

/// Why something could not be found or installed. Every text says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The package of something missing has no build for this kind of machine.
    #[error(
        "{what} is missing and there is no package of it for this machine ({machine}). To run here, {otherwise}"
    )]
    NoWheel {
        /// The thing to be installed.
        what: &'static str,
        /// Operating system and processor.
        machine: String,
        /// What to do.
        otherwise: &'static str,
    },
    /// Python's `pip` is missing, which brings packages from PyPI.
    #[error(
        "{what} is missing and Python 3 with pip, which would fetch it, was not found. Install python3-pip with the \
         system's package manager, or {otherwise}"
    )]
    NoPip {
        /// The thing to be installed.
        what: &'static str,
        /// What else can be done.
        otherwise: &'static str,
    },
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
    /// An environment variable names something that cannot be used.
    #[error("{variable} names {}, which cannot be used: {reason}. Correct or unset it", path.display())]
    BadOverride {
        /// The variable.
        variable: &'static str,
        /// Its value.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A command of the installation failed.
    #[error(
        "{doing} failed ({status}): {tail}. Check the network and the disk space and start again, or {otherwise}"
    )]
    Command {
        /// What the command was for.
        doing: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote to standard error.
        tail: String,
        /// What else can be done.
        otherwise: &'static str,
    },
    /// What was installed does not work here.
    #[error("{what} was fetched but cannot be used: {problem}. If it stays so, {otherwise}")]
    Unusable {
        /// The thing that was installed.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
        /// What else can be done.
        otherwise: &'static str,
    },
    /// A file or a program could not be used.
    #[error("{doing}: {source}; check the disk space and the permissions of the data directory")]
    Io {
        /// What was being done.
        doing: String,
        /// What went wrong.
        source: std::io::Error,
    },
    /// This machine cannot run the tool at all.
    #[error("{0}")]
    Machine(String),
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
