//! The trials: what the how-to pages tell, kept as patches. Each still applies and touches few files, and all of them
//! together compile.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

/// A change a how-to page tells, and how many files it may touch: tests, documentation and what is recorded included.
struct Trial {
    patch: &'static str,
    page: &'static str,
    files: usize,
}

const TRIALS: [Trial; 4] = [
    Trial {
        patch: "activity.patch",
        page: "add-a-workflow-step.md",
        files: 8,
    },
    Trial {
        patch: "endpoint.patch",
        page: "add-an-endpoint.md",
        files: 5,
    },
    // Four, and one for its consumer.
    Trial {
        patch: "event.patch",
        page: "add-an-event.md",
        files: 5,
    },
    Trial {
        patch: "adapter.patch",
        page: "add-an-adapter.md",
        files: 3,
    },
];

impl Trial {
    fn path(&self) -> PathBuf {
        crate::root().join("docs/trials").join(self.patch)
    }

    /// The files it touches.
    fn touches(&self) -> Result<BTreeSet<String>> {
        let patch = std::fs::read_to_string(self.path())?;
        let files = patch
            .lines()
            .filter_map(|line| line.strip_prefix("diff --git a/"));
        let after = files.map(|line| Some(line.split_once(" b/")?.1.to_owned()));
        after.collect::<Option<_>>().context("a patch of git")
    }
}

/// What a build makes, and what git keeps.
fn is_source(name: &OsStr) -> bool {
    !["target", ".git", ".smartcourse"]
        .iter()
        .any(|other| name == *other)
}

/// The files of a directory, by their paths in it.
fn files(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let (mut found, mut open) = (BTreeSet::new(), vec![PathBuf::new()]);
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(root.join(&directory))? {
            let entry = entry?;
            let path = directory.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                if is_source(&entry.file_name()) {
                    open.push(path);
                }
            } else {
                found.insert(path);
            }
        }
    }
    Ok(found)
}

/// Makes `to` what `from` is. What is the same already is left alone, so that cargo does not build it again.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let wanted = files(from)?;
    for path in &wanted {
        let (source, target) = (std::fs::read(from.join(path))?, to.join(path));
        if std::fs::read(&target).is_ok_and(|there| there == source) {
            continue;
        }
        std::fs::create_dir_all(target.parent().context("a file has a directory")?)?;
        std::fs::write(target, source)?;
    }
    for path in files(to)?.difference(&wanted) {
        std::fs::remove_file(to.join(path))?;
    }
    Ok(())
}

/// Applies a patch to a tree that is no repository, as little as one line around a change must be as it was.
fn apply(tree: &Path, trial: &Trial, more: &[&str]) -> Result<()> {
    let applied = Command::new("git")
        .args(["apply", "-C1"])
        .args(more)
        .arg(trial.path())
        .current_dir(tree)
        .env("GIT_CEILING_DIRECTORIES", tree.parent().context("a parent")?)
        .output()
        .context("git is not there")?;
    ensure!(
        applied.status.success(),
        "docs/trials/{} no longer applies; docs/{} says what to do:\n{}",
        trial.patch,
        trial.page,
        String::from_utf8_lossy(&applied.stderr)
    );
    Ok(())
}

#[test]
fn each_trial_touches_few_files_and_is_told() -> Result<()> {
    for trial in &TRIALS {
        let touched = trial.touches()?;
        ensure!(
            !touched.is_empty() && touched.len() <= trial.files,
            "{} may touch {} files and touches {}: {touched:?}",
            trial.patch,
            trial.files,
            touched.len()
        );
        let page = std::fs::read_to_string(crate::root().join("docs").join(trial.page))?;
        ensure!(
            page.contains(&format!("](trials/{})", trial.patch)),
            "docs/{} does not lead to {}",
            trial.page,
            trial.patch
        );
        for path in &touched {
            ensure!(
                page.contains(&format!("`{path}`")),
                "docs/{} does not tell of {path}",
                trial.page
            );
        }
    }
    Ok(())
}

/// One compilation for all of them: most of it is what stands on the schema, whichever of its files has changed.
#[test]
fn each_trial_applies_and_together_they_compile() -> Result<()> {
    let made = tempfile::tempdir()?;
    let tree = made.path().join("tree");
    std::fs::create_dir(&tree)?;
    copy(&crate::root(), &tree)?;
    for trial in &TRIALS {
        apply(&tree, trial, &["--check"])?;
    }
    for trial in &TRIALS {
        apply(&tree, trial, &[])?;
    }
    compile(&tree)
}

/// Checks the tree beside the workspace's own artefacts, which is cheap: the dependencies are checked already, by whatever
/// checked the workspace (`.ci/run` does so before the tests).
fn compile(tree: &Path) -> Result<()> {
    // Cargo tells apart the crates of two workspaces by their versions, not by where they are.
    let manifest = tree.join("Cargo.toml");
    let ours = concat!("version = \"", env!("CARGO_PKG_VERSION"), "\"");
    let text = std::fs::read_to_string(&manifest)?;
    ensure!(text.contains(ours), "the version of the workspace");
    std::fs::write(&manifest, text.replacen(ours, "version = \"0.0.0-trial\"", 1))?;

    let target = crate::executable()
        .ancestors()
        .nth(2)
        .context("a target directory")?;
    let kept = target.join("trials");
    copy(tree, &kept)?;
    let mut check = Command::new(env!("CARGO"));
    check
        .args(["check", "--offline", "--quiet", "--workspace", "--all-targets"])
        .current_dir(&kept)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_INCREMENTAL", "0");
    // What cargo says to a test of ours would make some dependencies look changed.
    for (name, _) in std::env::vars_os() {
        let told = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "OUT_DIR"];
        if told.iter().any(|told| name.to_string_lossy().starts_with(told)) {
            check.env_remove(name);
        }
    }
    let checked = check.output()?;
    let errors = String::from_utf8_lossy(&checked.stderr);
    ensure!(checked.status.success(), "with the trials applied:\n{errors}");
    Ok(())
}
