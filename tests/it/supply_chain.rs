//! What is shipped and what is fetched for it are known: the executable says what it is made from, builds take the versions of
//! `Cargo.lock`, and nothing comes in that is not held against a hash or a signature.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::{executable, root};

/// Commands that take other versions than those of `Cargo.lock` unless they are told not to.
const CARGO: [&str; 8] = [
    "bench", "build", "check", "clippy", "doc", "install", "run", "test",
];

/// What fetches, where, and what holds it to what is known. It stands nowhere else.
const FETCHERS: [(&str, &str, &str); 9] = [
    ("\"apt-get\"", "launcher/src/install/apt.rs", "args(SIGNED)"),
    ("\"apt-get\"", "launcher/src/install/unpacked.rs", "args(SIGNED)"),
    ("apt-get ", "deploy/build.sh", "apt-get install -y"),
    ("debootstrap ", "tests/image.sh", "--force-check-gpg"),
    ("\"go\"", "launcher/src/install/go.rs", "-mod=readonly"),
    ("\"mvn\"", "launcher/src/install/maven.rs", "self.verify(&jars)?"),
    ("\"pip\"", "launcher/src/install/wheel.rs", "\"--require-hashes\""),
    ("cargo install ", "deploy/build.sh", "cargo install --locked"),
    (
        "cargo install ",
        "tests/supply-chain.sh",
        "cargo install --locked",
    ),
];

/// What has no hashes of ours, or executes what it fetches.
const NEVER: [&str; 8] = [
    "curl ",
    "\"curl\"",
    "wget ",
    "\"wget\"",
    "git clone",
    "go get ",
    "npm ",
    "pip install",
];

/// Files of this tree that run programs, by their paths in it.
fn programs() -> Result<Vec<(String, String)>> {
    let listed = Command::new("git")
        .args(["ls-files", ".ci", "cli/src", "deploy", "launcher/src", "tests"])
        .current_dir(root())
        .output()?;
    ensure!(listed.status.success(), "git ls-files: {listed:?}");
    let paths = String::from_utf8(listed.stdout)?;
    let runs = |path: &&str| {
        let is_test = path.starts_with("tests/") && !path.ends_with(".sh");
        !is_test
            && (path.ends_with(".rs")
                || path.ends_with(".sh")
                || path.ends_with("run")
                || path.ends_with("Dockerfile"))
    };
    paths
        .lines()
        .filter(runs)
        .map(|path| {
            let text = std::fs::read_to_string(root().join(path)).with_context(|| path.to_owned())?;
            let code: Vec<&str> = text
                .lines()
                .filter(|line| {
                    !["#", "//"]
                        .iter()
                        .any(|comment| line.trim_start().starts_with(comment))
                })
                .collect();
            Ok((path.to_owned(), code.join("\n") + "\n"))
        })
        .collect()
}

#[test]
fn the_version_names_the_commit_it_is_made_from() -> Result<()> {
    let output = Command::new(executable()).arg("--version").output()?;
    let said = String::from_utf8(output.stdout)?;
    let start = format!("smartcourse {} (", env!("CARGO_PKG_VERSION"));
    let from = said
        .trim_end()
        .strip_prefix(&start)
        .and_then(|rest| rest.strip_suffix(')'));
    let from = from.with_context(|| said.clone())?;
    let is_commit = from.len() == 12 && from.bytes().all(|digit| digit.is_ascii_hexdigit());
    ensure!(is_commit || from == "made without its repository", "{said}");
    Ok(())
}

#[test]
fn scripts_build_with_the_versions_of_the_lock_file() -> Result<()> {
    let mut seen = 0;
    for (path, code) in programs()? {
        let lines = code.lines().filter(|_| !path.ends_with(".rs"));
        for line in lines {
            for (_, rest) in line
                .match_indices("cargo ")
                .map(|(at, found)| line.split_at(at + found.len()))
            {
                let command = rest.split_whitespace().next().unwrap_or_default();
                seen += usize::from(CARGO.contains(&command));
                ensure!(
                    !CARGO.contains(&command) || rest.contains("--locked"),
                    "{path}: {} without --locked",
                    line.trim()
                );
            }
        }
    }
    ensure!(seen > 10, "{seen} commands were found");
    Ok(())
}

#[test]
fn nothing_is_fetched_that_is_not_held_against_a_hash_or_a_signature() -> Result<()> {
    let programs = programs()?;
    for (path, code) in &programs {
        for word in NEVER {
            ensure!(!code.contains(word), "{path} has {word}");
        }
        for (word, _, _) in FETCHERS {
            let known = FETCHERS
                .iter()
                .find(|(other, place, _)| *other == word && place == path);
            ensure!(
                !code.contains(word) || known.is_some_and(|(_, _, held)| code.contains(held)),
                "{path} fetches by {word} and holds it against nothing"
            );
        }
    }
    for (word, path, _) in FETCHERS {
        let there = programs
            .iter()
            .any(|(other, code)| other == path && code.contains(word));
        ensure!(there, "{path} does not run {word} any more");
    }
    Ok(())
}

/// A path of the machine that builds would make other bytes on another one, and lead nowhere there.
#[test]
fn what_is_built_does_not_say_where_it_was_built() -> Result<()> {
    let found = Command::new("git")
        .args([
            "grep",
            "--name-only",
            "--fixed-strings",
            "env!(\"CARGO_MANIFEST_DIR\")",
        ])
        .args(["--", "*/src/*", ":!tests", ":!bench"])
        .current_dir(root())
        .output()?;
    // It finds nothing.
    ensure!(found.status.code() == Some(1), "{found:?}");
    Ok(())
}

/// Every package has hashes, every module sums, every jar a line.
#[test]
fn what_is_fetched_is_of_one_version_with_its_hashes() -> Result<()> {
    let mut packages = 0;
    for path in below("launcher/src/install")? {
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        let hashes = text
            .split('"')
            .filter(|part| part.len() == 64 && part.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .count();
        for (_, rest) in text
            .match_indices("requirement: \"")
            .map(|(at, found)| text.split_at(at + found.len()))
        {
            let requirement = rest.split('"').next().unwrap_or_default();
            ensure!(
                requirement.contains("==") && hashes > 0,
                "{}: {requirement}",
                path.display()
            );
            packages += 1;
        }
    }
    ensure!(packages >= 6, "{packages} packages were found");
    let mut modules = 0;
    for dir in [below("launcher/src/servers")?, below("launcher/src/install")?].concat() {
        for (names, sums) in [("go.mod", "go.sum"), ("pom.xml", "sha256sums")] {
            if dir.join(names).is_file() {
                modules += 1;
                ensure!(
                    !std::fs::read_to_string(dir.join(sums))?.is_empty(),
                    "{}",
                    dir.display()
                );
            }
        }
        if let Ok(pom) = std::fs::read_to_string(dir.join("pom.xml")) {
            for (_, rest) in pom
                .match_indices("<version>")
                .map(|(at, found)| pom.split_at(at + found.len()))
            {
                let version = rest.split('<').next().unwrap_or_default();
                ensure!(is_one_version(version), "{}: {version} is many", dir.display());
            }
        }
    }
    ensure!(modules >= 6, "{modules} modules were found");
    Ok(())
}

fn below(dir: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(root().join(dir))?;
    Ok(entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?)
}

fn is_one_version(version: &str) -> bool {
    version.starts_with(|first: char| first.is_ascii_digit()) && !version.contains("SNAPSHOT")
}

/// Each dependency comes from crates.io, with the hash of what it was.
#[test]
fn the_lock_file_has_a_hash_for_each_crate() -> Result<()> {
    let lock = std::fs::read_to_string(root().join("Cargo.lock"))?;
    let mut crates = 0;
    for package in lock.split("[[package]]").skip(1) {
        let ours = !package.contains("source = ");
        let known = package.contains("source = \"registry+https://github.com/rust-lang/crates.io-index\"")
            && package.contains("checksum = ");
        ensure!(ours || known, "{package}");
        crates += usize::from(known);
    }
    ensure!(crates > 100, "{crates} crates were found");
    Ok(())
}
