//! Programs built from Go modules, each from a module of ours whose `go.sum` has the hash of all that is fetched.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::InstallError;
use super::steps::{self, io, is_executable, which};
use crate::{DataDir, Progress};

/// Where the official packages put Go.
const BESIDE: &[&str] = &["/usr/local/go/bin"];

/// A program and the module it is built from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GoProgram {
    /// What a person calls it.
    pub(crate) what: &'static str,
    /// The name of the program and its directory, with the version.
    pub(crate) name: &'static str,
    /// The files of the module.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// The package in it that is built.
    pub(crate) package: &'static str,
    /// How to do without; ends sentences like "Install Go, or …".
    pub(crate) otherwise: &'static str,
}

impl GoProgram {
    /// The program, built when it is missing.
    pub(crate) async fn ensure(&self, dir: &DataDir, progress: &Progress) -> Result<PathBuf, InstallError> {
        let Self {
            what,
            name,
            otherwise,
            ..
        } = *self;
        let place = |root: &Path| root.join("tools").join(name).join(name);
        let roots = dir.search_roots();
        if let Some(found) = roots
            .iter()
            .map(|root| place(root))
            .find(|path| is_executable(path))
        {
            return Ok(found);
        }
        let go = which("go", BESIDE).ok_or_else(|| {
            InstallError::Other(format!(
                "{what} is missing and Go, which would build it, was not found. Install Go, or {otherwise}"
            ))
        })?;
        let tools = dir.root().join("tools");
        let program = place(dir.root());
        let _lock = steps::exclusive(&tools, name, progress).await?;
        if is_executable(&program) {
            return Ok(program);
        }
        let work = steps::workspace(&tools, name)?;
        let step = progress.step(format!("building {what} with Go (some minutes)"));
        let module = work.path().join("module");
        let built = work.path().join("built");
        for dir in [&module, &built] {
            std::fs::create_dir(dir).map_err(io(format!("creating {}", dir.display())))?;
        }
        for (file, text) in self.files {
            std::fs::write(module.join(file), text).map_err(io(format!("writing {file}")))?;
        }
        let mut build = Command::new(go);
        build.args(["build", "-trimpath", "-ldflags=-s -w", "-o"]);
        build.arg(built.join(name)).arg(self.package);
        // Our hashes count, whatever workspace is around us and whatever this user has set.
        build
            .env("GOWORK", "off")
            .env("GOFLAGS", "-mod=readonly")
            .current_dir(&module);
        steps::run(build, format!("building {what}"), otherwise).await?;
        steps::put_in_place(&built, &tools.join(name), &work)?;
        step.done();
        Ok(program)
    }
}
