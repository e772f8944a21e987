//! The rules of the services: how long their tests take, in the profile they are written in.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use smartcourse_tests::measure::table::{Table, median, millis, seconds};

use crate::note;

const SERVICES: &str = "assistant content course enrollment notification user";
/// Runs of each that count, after one that warms it up.
const RUNS: usize = 3;

/// Runs the test binaries of all services one after the other.
///
/// # Errors
/// When one does not build or a test fails.
pub(crate) fn measure() -> Result<String> {
    let mut table = Table::new(&["", "tests", "all of them", "ms per test"]);
    for (service, binary) in build()? {
        note(&format!("the rules of {service}"));
        let (tests, _) = run(&binary)?;
        let times = (0..RUNS).map(|_| Ok(run(&binary)?.1));
        let time = median(&times.collect::<Result<Vec<_>>>()?);
        table.row([service, tests.to_string(), seconds(time), millis(time / tests)]);
    }
    Ok(format!(
        "## Rules\n\nThe tests of each service's rules, dev profile: a process that starts a PostgreSQL of its own, and a \
         database for each test. Median of {RUNS} runs of the built binary.\n\n{}",
        table.finish()
    ))
}

/// Builds the tests; answers the binary of each service.
fn build() -> Result<BTreeMap<String, PathBuf>> {
    let packages = SERVICES
        .split(' ')
        .map(|service| format!("--package=smartcourse-{service}"));
    let output = Command::new("cargo")
        .args(["test", "--no-run", "--test=rules", "--message-format=json"])
        .args(packages)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the tests do not build");
    let mut binaries = BTreeMap::new();
    for line in output.stdout.split(|byte| *byte == b'\n') {
        let message: Value = serde_json::from_slice(line).unwrap_or_default();
        let (Some(binary), Some(manifest)) =
            (message["executable"].as_str(), message["manifest_path"].as_str())
        else {
            continue;
        };
        let service = Path::new(manifest).parent().and_then(Path::file_name);
        let service = service.context("a package has a directory")?;
        binaries.insert(service.to_string_lossy().into_owned(), binary.into());
    }
    Ok(binaries)
}

/// Runs the tests of a binary; answers how many there are and how long they took.
fn run(binary: &Path) -> Result<(u32, Duration)> {
    let begun = Instant::now();
    let output = Command::new(binary).output()?;
    let took = begun.elapsed();
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{said}");
    let passed = said.split("test result: ok. ").nth(1);
    let tests = passed.and_then(|rest| rest.split(' ').next()?.parse().ok());
    Ok((tests.context("no test ran")?, took))
}
