//! Finding what the machine already has, and installing what it lacks.
//!
//! Every installation follows one pattern: take the lock of the tool (another process may be at it), look again, work
//! in a temporary directory next to the destination, and rename. Whatever interrupts it leaves rubbish that the next
//! installation removes, never half a tool.

mod model;
mod postgres;
mod steps;
mod temporal;

use std::path::PathBuf;
use std::process::ExitStatus;

use crate::{DataDir, Progress};

pub use model::{ensure_model, find_model};
pub use postgres::{PostgresBinaries, ensure_postgres, find_postgres};
pub use temporal::{ensure_temporal, find_temporal};

/// Why something could not be found or installed. Every text says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A Temporal server is missing and there is no Go tool chain to build it with.
    #[error(
        "no Temporal server was found and Go, which would build one, is not installed. Either install the Temporal \
         CLI (https://docs.temporal.io/cli) so that `temporal` is on the PATH, or name its binary in \
         SMARTCOURSE_TEMPORAL_BIN, or install Go 1.25 or newer (https://go.dev/dl) and start again"
    )]
    NoGo,
    /// Python's `pip` is missing, which brings packages from PyPI.
    #[error("{what} is missing and Python 3 with pip, which would install it, was not found. {remedy}")]
    NoPip {
        /// The thing to be installed.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
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
    #[error("{what} failed ({status}): {tail}. {remedy}")]
    Command {
        /// What the command was for.
        what: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote to standard error.
        tail: String,
        /// What to do.
        remedy: &'static str,
    },
    /// What was installed is not what was asked for.
    #[error("{what} was fetched but {problem}. {remedy}")]
    Unusable {
        /// The thing that was installed.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: &'static str,
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

/// Which parts [`ensure_all`] shall see to.
#[derive(Clone, Copy, Debug)]
pub struct Wants {
    /// PostgreSQL's server programs.
    pub postgres: bool,
    /// The Temporal server.
    pub temporal: bool,
    /// The embedding model's weights.
    pub model: bool,
}

impl Wants {
    /// All three.
    pub const ALL: Self = Self {
        postgres: true,
        temporal: true,
        model: true,
    };
}

/// What [`ensure_all`] has found or installed; a part that was not wanted is `None`.
#[derive(Debug)]
pub struct Installed {
    /// PostgreSQL's server programs.
    pub postgres: Option<Result<PostgresBinaries, InstallError>>,
    /// The `temporal` binary. Callers may answer [`InstallError::NoGo`] with a server from elsewhere.
    pub temporal: Option<Result<PathBuf, InstallError>>,
    /// The directory of the model; also `None` when it could not be fetched, which has then been shown as a warning.
    pub model: Option<PathBuf>,
}

/// Finds or installs all that is wanted, installing side by side: the longest one decides how long it takes.
pub async fn ensure_all(dir: &DataDir, progress: &Progress, wants: Wants) -> Installed {
    let postgres = async {
        if wants.postgres {
            Some(ensure_postgres(dir, progress).await)
        } else {
            None
        }
    };
    let temporal = async {
        if wants.temporal {
            Some(ensure_temporal(dir, progress).await)
        } else {
            None
        }
    };
    let model = async {
        if wants.model {
            ensure_model(dir, progress).await
        } else {
            None
        }
    };
    let (postgres, temporal, model) = tokio::join!(postgres, temporal, model);
    Installed {
        postgres,
        temporal,
        model,
    }
}
