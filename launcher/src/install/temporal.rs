//! The Temporal server: the `temporal` command-line program carries a complete one.

use std::path::PathBuf;

use tokio::process::Command;

use super::InstallError;
use super::steps::{self, is_executable, path_variable, which};
use crate::{DataDir, Progress};

/// The newest release whose module Go can install; later ones carry a `replace`, which `go install` refuses.
const VERSION: &str = "1.5.1";
const OVERRIDE: &str = "SMARTCOURSE_TEMPORAL_BIN";
const REMEDY: &str = "Check that Go can reach its module proxy (`go env GOPROXY`), or install the Temporal CLI yourself \
                      (https://docs.temporal.io/cli) and start again";

/// The `temporal` binary this machine already has: `$SMARTCOURSE_TEMPORAL_BIN`, on the PATH, or installed earlier.
pub fn find_temporal(dir: &DataDir) -> Result<Option<PathBuf>, InstallError> {
    if let Some(path) = path_variable(OVERRIDE) {
        if is_executable(&path) {
            return Ok(Some(path));
        }
        let reason = "it is not an executable file".to_owned();
        return Err(InstallError::BadOverride {
            variable: OVERRIDE,
            path,
            reason,
        });
    }
    let homebrew = ["/opt/homebrew/bin", "/usr/local/bin"];
    let installed = || {
        dir.search_roots()
            .into_iter()
            .map(|root| root.join("tools/bin/temporal"))
    };
    Ok(which("temporal", &homebrew).or_else(|| installed().find(|file| is_executable(file))))
}

/// Finds the `temporal` binary or builds it with Go, which takes some minutes once.
pub async fn ensure_temporal(dir: &DataDir, progress: &Progress) -> Result<PathBuf, InstallError> {
    if let Some(found) = find_temporal(dir)? {
        return Ok(found);
    }
    let go = which(
        "go",
        &["/usr/local/go/bin", "/opt/homebrew/bin", "/usr/lib/go/bin"],
    )
    .ok_or(InstallError::NoGo)?;
    let tools = dir.root().join("tools");
    let _lock = steps::exclusive(&tools, "temporal", progress).await?;
    // Whoever held the lock may have installed it.
    if let Some(found) = find_temporal(dir)? {
        return Ok(found);
    }
    let work = steps::workspace(&tools, "temporal")?;
    let step = progress.step(format!(
        "installing Temporal {VERSION} with go install (about 4 minutes)"
    ));
    let mut build = Command::new(go);
    build
        .arg("install")
        .arg(format!("github.com/temporalio/cli/cmd/temporal@v{VERSION}"));
    build.env("GOBIN", work.path()).current_dir(work.path());
    steps::run(&mut build, "building the Temporal server with go install", REMEDY).await?;
    let built = work.path().join("temporal");
    let mut probe = Command::new(&built);
    steps::run(
        probe.arg("--version"),
        "the freshly built temporal program",
        REMEDY,
    )
    .await?;
    let target = tools.join("bin/temporal");
    steps::put_in_place(&built, &target, &work)?;
    step.done();
    Ok(target)
}
