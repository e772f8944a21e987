//! What the installations share: locks, temporary directories, commands.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use super::InstallError;
use crate::Progress;

/// A temporary directory older than this belongs to an installation that was killed.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Turns an I/O error into an [`InstallError`] that says what was being done.
pub(super) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> InstallError {
    let doing = doing.into();
    move |source| InstallError::Io { doing, source }
}

/// The lock of one tool in one directory, waiting for another installation of the same tool to end.
pub(super) async fn exclusive(parent: &Path, tool: &str, progress: &Progress) -> Result<File, InstallError> {
    let path = parent.join(format!(".{tool}.lock"));
    let doing = || format!("locking {}", path.display());
    std::fs::create_dir_all(parent).map_err(io(doing()))?;
    let mut options = OpenOptions::new();
    let file = options
        .create(true)
        .truncate(false)
        .write(true)
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

/// A temporary directory next to the destination (the rename must not cross file systems), removed when dropped.
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
        let old = || {
            let age = entry.metadata().ok()?.modified().ok()?.elapsed().ok()?;
            Some(age > ABANDONED)
        };
        if entry.file_name().to_string_lossy().starts_with(prefix) && old() == Some(true) {
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

/// Runs a command of an installation to its end; it is killed when the future is dropped.
pub(super) async fn run(
    command: &mut Command,
    what: &'static str,
    remedy: &'static str,
) -> Result<(), InstallError> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(io(what))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = lines[lines.len().saturating_sub(8)..].join(" / ");
    Err(InstallError::Command {
        what,
        status: output.status,
        tail,
        remedy,
    })
}

/// `python3 -m pip` ready for a subcommand, or `None` when this machine has no pip.
pub(super) async fn pip() -> Option<Command> {
    let mut probe = Command::new("python3");
    probe.args(["-m", "pip", "--version"]).stdin(Stdio::null());
    let works = probe.output().await.is_ok_and(|output| output.status.success());
    works.then(|| {
        let mut command = Command::new("python3");
        command.args([
            "-m",
            "pip",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
        ]);
        command
    })
}

/// The first executable file called `name` on the PATH or in one of the `extra` directories.
pub(super) fn which(name: &str, extra: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).collect::<Vec<_>>();
    let extra = extra.iter().map(PathBuf::from);
    on_path
        .into_iter()
        .chain(extra)
        .map(|dir| dir.join(name))
        .find(|file| is_executable(file))
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
