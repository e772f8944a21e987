//! Java programs from Maven's repository: their jars, each of which has to have the hash that is written down. What fetches them is
//! Maven's own plugin of one version, which Maven holds against the checksums of the repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::InstallError;
use super::steps::{self, io, which};
use crate::{DataDir, Progress};

/// What fetches them.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.9.0:copy-dependencies";

/// A program and the jars it is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JavaProgram {
    /// What a person calls it.
    pub(crate) what: &'static str,
    /// The name of its directory, with the version.
    pub(crate) name: &'static str,
    /// The project whose dependencies are wanted.
    pub(crate) pom: &'static str,
    /// Lines of a SHA-256 and the name of a jar: these and no others.
    pub(crate) sums: &'static str,
    /// How to do without; ends sentences like "Install Java, or …".
    pub(crate) otherwise: &'static str,
}

/// The command that runs Java programs.
pub(crate) fn java() -> Option<PathBuf> {
    which("java", &["/usr/lib/jvm/default-java/bin"])
}

impl JavaProgram {
    /// The directory of the jars, fetched when they are missing.
    pub(crate) async fn ensure(&self, dir: &DataDir, progress: &Progress) -> Result<PathBuf, InstallError> {
        let Self {
            what,
            name,
            otherwise,
            ..
        } = *self;
        let missing = |tool: &str| {
            InstallError::Other(format!(
                "{what} is missing and {tool} was not found. Install it, or {otherwise}"
            ))
        };
        // Without it the jars are of no use.
        java().ok_or_else(|| missing("Java, which would run it,"))?;
        let roots = dir.search_roots();
        let places = roots.iter().map(|root| root.join("tools").join(name));
        if let Some(found) = places.into_iter().find(|place| place.is_dir()) {
            return Ok(found);
        }
        let maven = which("mvn", &[]).ok_or_else(|| missing("Maven, which would fetch it,"))?;
        let tools = dir.root().join("tools");
        let place = tools.join(name);
        let _lock = steps::exclusive(&tools, name, progress).await?;
        if place.is_dir() {
            return Ok(place);
        }
        let work = steps::workspace(&tools, name)?;
        let step = progress.step(format!("fetching {what} with Maven"));
        std::fs::write(work.path().join("pom.xml"), self.pom).map_err(io("writing pom.xml"))?;
        let jars = work.path().join("jars");
        let mut fetch = Command::new(maven);
        fetch.args(["--quiet", "--batch-mode", "--strict-checksums", COPY]);
        fetch.args(["-DincludeScope=runtime", "-DoutputDirectory=jars"]);
        fetch.current_dir(work.path());
        steps::run(fetch, format!("fetching {what}"), otherwise).await?;
        self.verify(&jars)?;
        steps::put_in_place(&jars, &place, &work)?;
        step.done();
        Ok(place)
    }

    /// Fails unless the directory has just the files that are written down.
    fn verify(&self, jars: &Path) -> Result<(), InstallError> {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(jars).map_err(io("reading the jars"))? {
            let path = entry.map_err(io("reading the jars"))?.path();
            let bytes = std::fs::read(&path).map_err(io(format!("reading {}", path.display())))?;
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            found.insert(name, HEXLOWER.encode(&Sha256::digest(bytes)));
        }
        let lines = self.sums.lines().filter_map(|line| line.split_once("  "));
        let expected: BTreeMap<String, String> = lines
            .map(|(sum, name)| (name.to_owned(), sum.to_owned()))
            .collect();
        if found == expected {
            return Ok(());
        }
        let differs = |(name, sum): &(&String, &String)| expected.get(*name) != Some(*sum);
        let other = found
            .iter()
            .find(differs)
            .or_else(|| expected.iter().find(|(name, _)| !found.contains_key(*name)));
        Err(InstallError::Other(format!(
            "fetching {}: {} is not the file it was when this version of SmartCourse was made; nothing was installed. \
             To do without, {}",
            self.what,
            other.map_or("a jar", |(name, _)| name),
            self.otherwise
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  hello.jar";

    /// What is said of a directory with these files, where `hello.jar` with the text `hello` is written down.
    fn said_of(jars: &[(&str, &str)]) -> String {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in jars {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let program = JavaProgram {
            what: "the test",
            name: "test",
            pom: "",
            sums: KNOWN,
            otherwise: "do without",
        };
        match program.verify(dir.path()) {
            Ok(()) => "all is well".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn jars_are_those_that_are_written_down_and_no_others() {
        assert_eq!(said_of(&[("hello.jar", "hello")]), "all is well");
        for (jars, named) in [
            (&[("hello.jar", "hello!")][..], "hello.jar"),
            (&[("hello.jar", "hello"), ("more.jar", "")], "more.jar"),
            (&[], "hello.jar"),
        ] {
            let said = said_of(jars);
            assert!(said.contains(named) && said.contains("do without"), "{said}");
        }
    }
}
