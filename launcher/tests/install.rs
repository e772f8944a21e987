//! Finding and installing: in the default data directory, so that a fresh machine installs once, and what wins.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic like tests")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use smartcourse_launcher::{
    DataDir, Progress, default_data_dir, ensure_all, ensure_temporal, find_fonts, find_model,
};

#[tokio::test]
async fn everything_is_there_after_ensure_all() {
    let dir = DataDir::open(default_data_dir()).unwrap();
    let progress = Progress::plain();
    let (one, two) = tokio::join!(ensure_all(&dir, &progress), ensure_all(&dir, &progress),);
    let postgres = one.postgres.unwrap();
    assert_eq!(postgres, two.postgres.unwrap());
    assert!(postgres.program("initdb").exists());
    assert!(one.temporal.unwrap().exists());
    // Model and fonts may stay away (they are fetched from the network), but then nobody claims to have found them.
    assert_eq!(one.model, find_model(&dir).await);
    assert_eq!(one.fonts, find_fonts(&dir));
    if let Some(model) = one.model {
        assert!(model.join("model.safetensors").exists() && model.join("vocab.txt").exists());
    }
}

/// Not a test of its own: what [`found`] runs in another process, which has the environment a test needs.
#[tokio::test]
#[ignore = "helper of the tests below"]
async fn finder() {
    let dir = DataDir::open(std::env::var("LAUNCHER_TEST_DIR").unwrap()).unwrap();
    let answer = match ensure_temporal(&dir, &Progress::silent()).await {
        Ok(path) => path.display().to_string(),
        Err(error) => format!("error: {error}"),
    };
    std::fs::write(dir.root().join("answer"), answer).unwrap();
}

/// What [`ensure_temporal`] answers in a process with `path` before its PATH and `binary` in the variable.
fn found(path: &Path, binary: &str) -> String {
    let temp = tempfile::tempdir().unwrap();
    let inherited = std::env::var("PATH").unwrap_or_default();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "finder", "--ignored"])
        .env("LAUNCHER_TEST_DIR", temp.path())
        .env("PATH", format!("{}:{inherited}", path.display()))
        .env("SMARTCOURSE_TEMPORAL_BIN", binary)
        .stdout(std::process::Stdio::null())
        .status();
    assert!(status.unwrap().success());
    std::fs::read_to_string(temp.path().join("answer")).unwrap()
}

/// An executable file called `temporal` in a directory of its own.
fn somebodys_own() -> (tempfile::TempDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("temporal");
    std::fs::write(&file, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    (temp, file)
}

#[test]
fn the_path_wins_over_what_is_fetched_and_the_variable_over_the_path() {
    let (on_path, first) = somebodys_own();
    let (_named, second) = somebodys_own();
    assert_eq!(found(on_path.path(), ""), first.display().to_string());
    assert_eq!(
        found(on_path.path(), &second.display().to_string()),
        second.display().to_string()
    );
}

#[test]
fn a_variable_that_names_no_program_is_an_error_and_not_passed_over() {
    let (on_path, _) = somebodys_own();
    let answer = found(on_path.path(), "/nowhere/temporal");
    assert!(
        answer.starts_with("error: SMARTCOURSE_TEMPORAL_BIN names /nowhere/temporal"),
        "{answer}"
    );
}
