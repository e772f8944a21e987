//! The OpenAPI document is what the platform does: Schemathesis makes requests of it, one by one and in chains. What a schema
//! allows is taken, what it forbids is refused, and every answer is one the document tells of.
//!
//! `SMARTCOURSE_SCHEMATHESIS_EXAMPLES=200` is the long form: so many requests of each kind for each operation.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use smartcourse_tests::{Layout, World};

use super::{
    CALLERS,
    cast::{Cast, cast},
};
use crate::{LONG_TOKENS, executable};

/// Who tries the interface, by their place in [`CALLERS`]: an enrolled student, an instructor, an administrator.
const WHO: [usize; 3] = [2, 3, 5];
/// Requests of each kind for each operation.
const EXAMPLES: &str = "10";
/// Fewer operations than this may refuse most of what their schemas allow: what makes a file one is not in a schema.
const MOSTLY_REFUSING: usize = 5;
const MANY: &str = "{ burst = 100000, per_minute = 100000 }";
/// Nobody waits for a bucket to fill.
const SETTINGS: [(&str, &str); 8] = [
    LONG_TOKENS,
    ("GATEWAY__USER_RATE_PER_SECOND", "100000"),
    ("GATEWAY__USER_BURST", "100000"),
    ("GATEWAY__ADDRESS_RATE_PER_SECOND", "100000"),
    ("GATEWAY__ADDRESS_BURST", "100000"),
    ("USER__WRONG_BY_ACCOUNT", MANY),
    ("USER__WRONG_BY_ADDRESS", MANY),
    ("USER__WRONG_BY_NETWORK", MANY),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; .ci/run has it as a stage of its own"]
async fn the_document_is_what_the_platform_does() -> Result<()> {
    let tool = installed()?;
    let world = World::start_with(executable(), Layout::Together, &SETTINGS).await?;
    let cast = cast(&world).await?;
    let (mut refusing, mut failed) = (BTreeSet::new(), Vec::new());
    for caller in WHO {
        let (report, told) = tried(&tool, &world, &cast, caller)?;
        failed.extend(told);
        let labels = report["warnings"]["validation_mismatch"].as_array();
        refusing.extend(
            labels
                .context("the report has warnings")?
                .iter()
                .map(Value::to_string),
        );
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    ensure!(
        refusing.len() < MOSTLY_REFUSING,
        "{} operations refuse most of what their schemas allow: {refusing:?}",
        refusing.len()
    );
    Ok(())
}

/// Lets a caller try the interface; answers the report, and what is told of it when a check failed.
fn tried(tool: &Path, world: &World, cast: &Cast, caller: usize) -> Result<(Value, Option<String>)> {
    let work = tempfile::tempdir()?;
    let (settings, report) = (
        work.path().join("schemathesis.toml"),
        work.path().join("report.json"),
    );
    std::fs::write(&settings, cast.told(include_str!("schemathesis.toml"), caller)?)?;
    let examples = std::env::var("SMARTCOURSE_SCHEMATHESIS_EXAMPLES");
    let examples = examples.unwrap_or_else(|_| EXAMPLES.to_owned());
    let tries = python(tool)
        .args(["-c", "from schemathesis.cli import schemathesis; schemathesis()"])
        .arg("--config-file")
        .arg(&settings)
        .args([
            "run",
            "--seed",
            "1",
            "--max-examples",
            &examples,
            "--report-json-path",
        ])
        .arg(&report)
        .arg(format!("{}/openapi.json", world.base))
        .current_dir(work.path())
        .output()?;
    let report = std::fs::read(&report).with_context(|| format!("no report: {tries:?}"))?;
    let told = || {
        format!(
            "as {}:\n{}",
            CALLERS[caller],
            String::from_utf8_lossy(&tries.stdout)
        )
    };
    Ok((
        serde_json::from_slice(&report)?,
        (!tries.status.success()).then(told),
    ))
}

fn python(packages: &Path) -> Command {
    let mut python = Command::new("python3");
    python
        .env("PYTHONPATH", packages)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    python
}

/// The directory of Schemathesis and what it needs, each as its hash says; fetched where it is missing.
fn installed() -> Result<PathBuf> {
    let requirements = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/it/routes/schemathesis.txt");
    let version = std::fs::read_to_string(requirements)?;
    let version = version
        .lines()
        .find_map(|line| line.strip_prefix("schemathesis=="));
    let version = version.context("a version of schemathesis")?;
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let packages = parent.join(format!("schemathesis-{}", version.trim_end_matches([' ', '\\'])));
    if !packages.exists() {
        let work = tempfile::tempdir_in(parent)?;
        let fetched = work.path().join("packages");
        let pip = Command::new("python3")
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-input",
                "--no-deps",
            ])
            .args([
                "--only-binary",
                ":all:",
                "--require-hashes",
                "--requirement",
                requirements,
                "--target",
            ])
            .arg(&fetched)
            .output()?;
        ensure!(pip.status.success(), "{}", String::from_utf8_lossy(&pip.stderr));
        std::fs::rename(&fetched, &packages)?;
    }
    Ok(packages)
}
