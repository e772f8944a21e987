//! Programs of Debian packages that would start a service if they were installed: they are unpacked into a directory of ours, which
//! changes nothing of the system and takes no rights. apt verifies what it fetches by the distribution's signature.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::InstallError;
use super::apt::SIGNED;
use super::steps::{self, io, is_executable, which};
use crate::account::is_root;
use crate::{DataDir, Progress};

/// Packages, and the program they are wanted for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unpacked {
    /// What a person calls it.
    pub(crate) what: &'static str,
    /// The name of the directory.
    pub(crate) name: &'static str,
    /// The packages: the program's own, and of those it needs which no system has anyway.
    pub(crate) packages: &'static [&'static str],
    /// The program in the directory.
    pub(crate) program: &'static str,
    /// A script that names a place of the system, and that place: it is to name its own.
    pub(crate) names_its_place: Option<(&'static str, &'static str)>,
    /// How to do without; ends sentences like "…, or …".
    pub(crate) otherwise: &'static str,
}

impl Unpacked {
    /// The program, unpacked when it is missing.
    pub(crate) async fn ensure(&self, dir: &DataDir, progress: &Progress) -> Result<PathBuf, InstallError> {
        let place = |root: &Path| root.join("tools").join(self.name);
        let roots = dir.search_roots();
        let mut programs = roots.iter().map(|root| place(root).join(self.program));
        if let Some(found) = programs.find(|path| is_executable(path)) {
            return Ok(found);
        }
        let (what, otherwise) = (self.what, self.otherwise);
        if which("apt-get", &[]).is_none() {
            return Err(InstallError::Other(format!(
                "{what} is missing, and its packages are those of Debian: {otherwise}"
            )));
        }
        let (tools, to) = (dir.root().join("tools"), place(dir.root()));
        let _lock = steps::exclusive(&tools, self.name, progress).await?;
        if is_executable(&to.join(self.program)) {
            return Ok(to.join(self.program));
        }
        let step = progress.step(format!("unpacking {what}"));
        let work = steps::workspace(&tools, self.name)?;
        let (fetched, root) = (work.path().join("fetched"), work.path().join("root"));
        std::fs::create_dir(&fetched).map_err(io(format!("creating {}", fetched.display())))?;
        if let Err(first) = self.fetch(&fetched).await {
            if !is_root() {
                return Err(first);
            }
            tracing::debug!(%first, "the list of packages may be old");
            let mut update = Command::new("apt-get");
            update.arg("update");
            steps::run(update, "reading the list of packages".to_owned(), otherwise).await?;
            self.fetch(&fetched).await?;
        }
        let reading = || format!("reading {}", fetched.display());
        for package in std::fs::read_dir(&fetched).map_err(io(reading()))? {
            let mut unpack = Command::new("dpkg-deb");
            unpack
                .arg("--extract")
                .arg(package.map_err(io(reading()))?.path());
            unpack.arg(&root);
            steps::run(unpack, format!("unpacking {what}"), otherwise).await?;
        }
        if let Some((script, named)) = self.names_its_place {
            let path = root.join(script);
            let text = std::fs::read_to_string(&path).map_err(io(format!("reading {}", path.display())))?;
            let own = format!("{}{named}", to.display());
            std::fs::write(&path, text.replace(named, &own))
                .map_err(io(format!("writing {}", path.display())))?;
        }
        steps::put_in_place(&root, &to, &work)?;
        step.done();
        Ok(to.join(self.program))
    }

    async fn fetch(&self, into: &Path) -> Result<(), InstallError> {
        let mut download = Command::new("apt-get");
        download.args(SIGNED).arg("download");
        download.args(self.packages).current_dir(into);
        steps::run(download, format!("fetching {}", self.what), self.otherwise).await
    }
}
