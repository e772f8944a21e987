//! Programs of Debian packages, such as start nothing by themselves. apt verifies what it fetches by the distribution's signature.

use std::path::PathBuf;
use std::process::Command;

use super::InstallError;
use super::steps::{self, which};
use crate::account::is_root;
use crate::{DataDir, Progress};

/// What the distribution has not signed is refused, whatever this machine is set to.
pub(super) const SIGNED: [&str; 2] = ["-o", "APT::Get::AllowUnauthenticated=false"];

/// Where daemons are that are on nobody's PATH.
const SBIN: &[&str] = &["/usr/sbin", "/sbin"];

/// A package, and the program it is wanted for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Package {
    /// What a person calls it.
    pub(crate) what: &'static str,
    /// The name of the package.
    pub(crate) name: &'static str,
    /// The program.
    pub(crate) program: &'static str,
    /// How to do without; ends sentences like "Install it, or …".
    pub(crate) otherwise: &'static str,
}

impl Package {
    fn find(&self) -> Option<PathBuf> {
        which(self.program, SBIN)
    }

    /// The program this machine has, or has from now on.
    pub(crate) async fn ensure(&self, dir: &DataDir, progress: &Progress) -> Result<PathBuf, InstallError> {
        if let Some(found) = self.find() {
            return Ok(found);
        }
        let Self {
            what,
            name,
            otherwise,
            ..
        } = *self;
        if !is_root() || which("apt-get", &[]).is_none() {
            return Err(InstallError::Other(format!(
                "{what} is missing: install it with the system's package manager (Debian's package is {name}), or {otherwise}"
            )));
        }
        // One at a time, whatever is installed: apt has one lock.
        let _lock = steps::exclusive(&dir.root().join("tools"), "apt", progress).await?;
        if let Some(found) = self.find() {
            return Ok(found);
        }
        let step = progress.step(format!("installing {what} with apt"));
        if let Err(first) = self.install().await {
            tracing::debug!(%first, "the list of packages may be old");
            let mut update = Command::new("apt-get");
            update.arg("update");
            steps::run(update, "reading the list of packages".to_owned(), otherwise).await?;
            self.install().await?;
        }
        let found = self.find().ok_or_else(|| {
            let program = self.program;
            InstallError::Other(format!(
                "the package {name} was installed and has no {program}; {otherwise}"
            ))
        })?;
        step.done();
        Ok(found)
    }

    async fn install(&self) -> Result<(), InstallError> {
        let mut install = Command::new("apt-get");
        // Whoever else installs something on this machine is waited for.
        install.args(SIGNED).args(["-o", "DPkg::Lock::Timeout=120"]);
        install.args(["install", "--yes", "--no-install-recommends", self.name]);
        install.env("DEBIAN_FRONTEND", "noninteractive");
        steps::run(
            install,
            format!("installing {} with apt", self.what),
            self.otherwise,
        )
        .await
    }
}
