//! The directory that holds everything a SmartCourse machine keeps: tools, the model, both databases, logs.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::{
    account,
    claim::{Claim, Holder},
};

/// Where root keeps SmartCourse. Not below `/root`, which the service user PostgreSQL runs as cannot traverse.
const SYSTEM_DIR: &str = "/var/lib/smartcourse";

/// `$SMARTCOURSE_DATA_DIR`; else `/var/lib/smartcourse` for root; else `smartcourse` below `$XDG_DATA_HOME` or
/// `~/.local/share`.
pub fn default_data_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("SMARTCOURSE_DATA_DIR").filter(|dir| !dir.is_empty()) {
        return PathBuf::from(dir);
    }
    if account::is_root() {
        return PathBuf::from(SYSTEM_DIR);
    }
    let data_home = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|dir| dir.is_absolute());
    let data_home = data_home.or_else(|| std::env::home_dir().map(|home| home.join(".local/share")));
    data_home.unwrap_or_else(std::env::temp_dir).join("smartcourse")
}

/// What names people, or holds what they wrote: closed to all others, also in a directory an earlier version made.
const PRIVATE: [&str; 4] = ["logs", "temporal", "files", "mail"];

/// A data directory that exists and is ours to write.
#[derive(Clone, Debug)]
pub struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// Opens the directory, creating it first when it is missing. For root it is made traversable (0711), because
    /// PostgreSQL refuses to run as root and works inside as a service user; for everyone else it is private (0700).
    /// Logs, workflows, files and mails are private always.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let described = |error: io::Error| {
            let path = path.display();
            let text = format!("cannot use {path} as data directory: {error}; choose another one");
            io::Error::new(error.kind(), text)
        };
        // Those above it, too: the umask must not close them to the user PostgreSQL runs as.
        let is_missing = |above: &&Path| !above.as_os_str().is_empty() && !above.exists();
        let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
        std::fs::create_dir_all(path).map_err(described)?;
        let mode = if account::is_root() { 0o711 } else { 0o700 };
        for made in missing {
            std::fs::set_permissions(made, PermissionsExt::from_mode(mode)).map_err(described)?;
        }
        // Absolute, since engines start with a working directory of their own.
        let root = path.canonicalize().map_err(described)?;
        for part in ["tools", "models"] {
            std::fs::create_dir_all(root.join(part)).map_err(described)?;
        }
        for part in PRIVATE {
            account::private_dir(&root.join(part)).map_err(described)?;
        }
        Ok(Self { root })
    }

    /// The directory itself, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directories whose `tools` and `models` are looked through: this one, then the machine's shared ones.
    pub(crate) fn search_roots(&self) -> Vec<PathBuf> {
        let mut roots = vec![self.root.clone()];
        let shared = account::is_root().then(|| PathBuf::from(SYSTEM_DIR));
        for root in [Some(default_data_dir()), shared].into_iter().flatten() {
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
        roots
    }

    /// The log of a process.
    pub fn log(&self, process: &str) -> PathBuf {
        self.root.join(format!("logs/{}.log", process.to_lowercase()))
    }

    /// What a role of a supervisor claims while it lives.
    pub fn role_lock(&self, role: &str) -> PathBuf {
        self.root.join(format!("{role}.lock"))
    }

    /// Claims the directory for this process until the claim is dropped or the process ends, however it ends.
    pub fn lock(&self) -> Result<Claim, LockError> {
        let path = self.root.join("lock");
        match Claim::take(&path) {
            Ok(Ok(claim)) => Ok(claim),
            Ok(Err(Holder(pid))) => {
                let dir = self.root.clone();
                Err(AlreadyRunning { dir, pid }.into())
            }
            Err(source) => Err(LockError::Io { path, source }),
        }
    }
}

/// Another process works in the data directory.
#[derive(Debug, thiserror::Error)]
#[error(
    "SmartCourse is already running in {} ({}); stop it first, or choose another directory with SMARTCOURSE_DATA_DIR",
    dir.display(),
    pid.map_or("its process has not said its id yet".to_owned(), |pid| format!("process {pid}"))
)]
pub struct AlreadyRunning {
    /// The directory in use.
    pub dir: PathBuf,
    /// The process that holds it; `None` in the moment before it has written its id.
    pub pid: Option<u32>,
}

/// Why a data directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it.
    #[error(transparent)]
    AlreadyRunning(#[from] AlreadyRunning),
    /// The lock file could not be used.
    #[error("cannot lock {}: {source}; check the owner and the permissions of the directory", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}
