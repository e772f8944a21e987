//! Tells the executable its version and which commit it is made from: what git says, or `SMARTCOURSE_COMMIT` where there is no
//! repository.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=SMARTCOURSE_COMMIT");
    // It grows with every commit and checkout.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    let given = std::env::var("SMARTCOURSE_COMMIT").ok();
    let commit = given.filter(|commit| !commit.is_empty()).or_else(head);
    let release = env!("CARGO_PKG_VERSION");
    let version = match &commit {
        Some(commit) => format!("{release} ({commit})"),
        None => format!("{release} (made without its repository)"),
    };
    println!("cargo::rustc-env=SMARTCOURSE_VERSION={version}");
    let commit = commit.unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=SMARTCOURSE_COMMIT={commit}");
}

/// The commit of the repository this tree is, and not of one that has it somewhere below.
fn head() -> Option<String> {
    let is_ours = git(&["rev-parse", "--show-prefix"])? == "cli/";
    is_ours
        .then(|| git(&["rev-parse", "--short=12", "HEAD"]))
        .flatten()
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned())
}
