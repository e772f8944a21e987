//! What the installations share: locks, temporary directories, commands.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::InstallError;
use crate::{Progress, process};

/// Turns an I/O error into an [`InstallError`] that says what was being done.
pub(super) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> InstallError {
    let doing = doing.into();
    move |source| {
        InstallError::Other(format!(
            "{doing}: {source}; check the disk space and the permissions of the data directory"
        ))
    }
}

/// The lock of one tool in one directory, waiting for another installation of the same tool to end.
pub(super) async fn exclusive(parent: &Path, tool: &str, progress: &Progress) -> Result<File, InstallError> {
    let path = parent.join(format!(".{tool}.lock"));
    let doing = || format!("locking {}", path.display());
    std::fs::create_dir_all(parent).map_err(io(doing()))?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(io(doing()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(source)) => Err(io(doing())(source)),
        Err(TryLockError::WouldBlock) => {
            let step = progress.step(format!("waiting for another process that is installing {tool}"));
            let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
            let file = locked
                .map_err(std::io::Error::other)
                .and_then(|file| file)
                .map_err(io(doing()))?;
            step.done();
            Ok(file)
        }
    }
}

/// A temporary directory next to the destination (the rename must not cross file systems), removed when dropped. The caller
/// holds the lock of the tool, so any other such directory belongs to an installation that was killed.
pub(super) fn workspace(parent: &Path, tool: &str) -> Result<TempDir, InstallError> {
    let prefix = format!(".{tool}-");
    remove_abandoned(parent, &prefix);
    let doing = format!("creating a temporary directory in {}", parent.display());
    tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(parent)
        .map_err(io(doing))
}

/// Removes what killed installations left behind. Failing to is no reason not to install.
fn remove_abandoned(parent: &Path, prefix: &str) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}

/// Renames `from` to `to`, putting what is in the way into the workspace, which is about to be removed.
pub(super) fn put_in_place(from: &Path, to: &Path, workspace: &TempDir) -> Result<(), InstallError> {
    let doing = || format!("moving {} into place", to.display());
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(io(doing()))?;
    }
    if to.exists() {
        std::fs::rename(to, workspace.path().join("replaced")).map_err(io(doing()))?;
    }
    std::fs::rename(from, to).map_err(io(doing()))
}

/// Runs a command of an installation to its end; `otherwise` says how to do without what is being installed.
pub(super) async fn run(
    command: Command,
    doing: String,
    otherwise: &'static str,
) -> Result<(), InstallError> {
    let output = process::run(command, "").await.map_err(io(doing.clone()))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = lines[lines.len().saturating_sub(8)..].join(" / ");
    let status = output.status;
    Err(InstallError::Other(format!(
        "{doing} failed ({status}): {tail}. Check the network and the disk space and start again, or {otherwise}"
    )))
}

/// The first executable file called `name` on the PATH or in one of the `extra` directories.
pub(super) fn which(name: &str, extra: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(extra.iter().map(PathBuf::from));
    dirs.map(|dir| dir.join(name)).find(|file| is_executable(file))
}

/// Whether `path` is a file somebody may execute.
pub(super) fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The value of an environment variable that names a path, if it is set to something.
pub(super) fn path_variable(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
