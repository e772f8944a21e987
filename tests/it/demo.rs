//! The README's first command, in a data directory of its own.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::Value;
use smartcourse_launcher::{DataDir, Progress, ensure_all, ensure_model};
use smartcourse_minilm::{MiniLm, Precision, reference::check_reference};

use smartcourse_tests::wait_for;

use crate::executable;

/// Installs the tools once per machine, where every data directory finds them: each test would fetch its own.
async fn tools() -> Result<()> {
    let machine = DataDir::open(smartcourse_launcher::default_data_dir())?;
    let installed = ensure_all(&machine, &Progress::plain()).await;
    installed.postgres?;
    installed.temporal?;
    Ok(())
}

fn demo(data_dir: &Path) -> Result<Output> {
    let output = Command::new(executable())
        .args(["demo", "--exit", "--port", "0", "--data-dir"])
        .arg(data_dir)
        .env_remove("DATABASE_URL")
        .output()?;
    ensure!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_tells_its_whole_story_twice_and_loses_nothing() -> Result<()> {
    tools().await?;
    let dir = tempfile::tempdir()?;
    for (run, version) in [
        ("first", "Published version 1"),
        ("second", "Published version 2"),
    ] {
        let output = String::from_utf8(tokio::task::block_in_place(|| demo(dir.path()))?.stdout)?;
        let steps: Vec<&str> = output.lines().filter(|line| line.starts_with("Step ")).collect();
        ensure!(
            steps
                == [
                    "Step 1/7: Validating…",
                    "Step 2/7: Saving content…",
                    "Step 3/7: Uploading files…",
                    "Step 4/7: Extracting text…",
                    "Step 5/7: Generating embeddings…",
                    "Step 6/7: Updating search index…",
                    "Step 7/7: Publishing…",
                ],
            "{run}: {steps:?}"
        );
        ensure!(output.contains(version), "{run}: {output}");
        ensure!(
            output.matches("\nQ  ").count() == 3 && output.contains("[1] "),
            "{run}: {output}"
        );
        for told in [
            "(prerequisite_missing)",
            "(course_full)",
            "100.00 %",
            "Sam holds certificate SC-",
            "API docs    http://127.0.0.1:",
            "Workflow    http://127.0.0.1:",
            "Enrollment  http://127.0.0.1:",
        ] {
            ensure!(output.contains(told), "{run}: no {told}: {output}");
        }
    }
    let mut open = Vec::new();
    for part in ["files", "mail", "logs", "temporal", "demo.json", "service-token"] {
        open_to_others(&dir.path().join(part), &mut open)?;
    }
    ensure!(open.is_empty(), "others may read {open:?}");
    for (part, kind) in [("files", ""), ("mail", "eml"), ("logs", "log")] {
        ensure!(
            has_file(&dir.path().join(part), kind)?,
            "nothing in {part} to look at"
        );
    }
    Ok(())
}

/// Whatever other users of the machine may read, write or enter, from this path on.
fn open_to_others(path: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let meta = std::fs::symlink_metadata(path).with_context(|| path.display().to_string())?;
    if meta.permissions().mode() & 0o077 != 0 {
        found.push(path.to_owned());
    }
    if meta.is_dir() {
        for entry in std::fs::read_dir(path)? {
            open_to_others(&entry?.path(), found)?;
        }
    }
    Ok(())
}

fn has_file(dir: &Path, kind: &str) -> Result<bool> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let is_one = if path.is_dir() {
            has_file(&path, kind)?
        } else {
            path.to_string_lossy().ends_with(kind)
        };
        if is_one {
            return Ok(true);
        }
    }
    Ok(false)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_up_on_one_data_directory_says_so_and_stops() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let data = DataDir::open(dir.path())?;
    let _held = data.lock()?;
    let output = Command::new(executable())
        .args(["up", "--data-dir"])
        .arg(dir.path())
        .output()?;
    let told = String::from_utf8(output.stderr)?;
    ensure!(
        !output.status.success() && told.contains(&std::process::id().to_string()),
        "{told}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn up_says_where_everything_is_and_stops_when_told() -> Result<()> {
    tools().await?;
    let dir = tempfile::tempdir()?;
    let mut up = Command::new(executable())
        .args(["up", "--port", "0", "--data-dir"])
        .arg(dir.path())
        .env_remove("DATABASE_URL")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut line = String::new();
    tokio::task::block_in_place(|| {
        BufReader::new(up.stdout.take().context("stdout")?)
            .read_line(&mut line)
            .map_err(anyhow::Error::from)
    })?;
    let address = line.trim().strip_prefix("ready ").context("a ready line")?;
    let endpoints: Value = serde_json::from_slice(&std::fs::read(dir.path().join("endpoints.json"))?)?;
    ensure!(endpoints["gateway"] == address, "{endpoints}");
    let mut open = Vec::new();
    open_to_others(&dir.path().join("endpoints.json"), &mut open)?;
    ensure!(open.is_empty(), "others may read {open:?}");
    for name in [
        "temporal_address",
        "temporal_namespace",
        "temporal_ui",
        "temporal_cli",
        "postgres_url",
    ] {
        ensure!(
            endpoints[name].as_str().is_some_and(|value| !value.is_empty()),
            "{name}: {endpoints}"
        );
    }
    for role in crate::ROLES {
        let metrics = reqwest::get(endpoints["metrics"][role].as_str().context("metrics")?).await?;
        ensure!(metrics.status() == 200);
    }

    // A role that dies comes back by itself.
    let worker = endpoints["pids"]["worker"].as_i64().context("a worker")?;
    ensure!(
        Command::new("kill")
            .args(["-9", &worker.to_string()])
            .status()?
            .success()
    );
    let pool = sqlx::PgPool::connect(endpoints["postgres_url"].as_str().context("a database")?).await?;
    let old = format!("{worker}-%");
    wait_for("another worker", async || {
        let query = sqlx::query_scalar("select count(*) from course.workers where identity not like $1");
        let others: i64 = query.bind(&old).fetch_one(&pool).await?;
        Ok(if others == 1 {
            Ok(())
        } else {
            Err(format!("{others} other workers"))
        })
    })
    .await?;
    pool.close().await;
    let begun = Instant::now();
    ensure!(
        Command::new("kill")
            .args(["-TERM", &up.id().to_string()])
            .status()?
            .success()
    );
    let status = tokio::task::block_in_place(|| up.wait())?;
    ensure!(status.success(), "{status}");
    ensure!(
        begun.elapsed() < Duration::from_secs(15),
        "stopping took {:?}",
        begun.elapsed()
    );
    ensure!(!dir.path().join("endpoints.json").exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedding_model_is_the_model_its_name_says() -> Result<()> {
    let data = DataDir::open(smartcourse_launcher::default_data_dir())?;
    let weights = ensure_model(&data, &Progress::plain())
        .await
        .context("the model could not be fetched: cargo run -- doctor --fix")?;
    for precision in [Precision::Full, Precision::Eight] {
        let model = MiniLm::load_as(&weights, precision)?;
        check_reference(&model).map_err(|error| anyhow!("{precision:?}: {error}"))?;
    }
    Ok(())
}

#[test]
fn a_wrong_configuration_is_told_as_a_whole() -> Result<()> {
    let output = Command::new(executable())
        .args(["config", "check"])
        .env("SMARTCOURSE_GATEWAY__LISTEN", "nowhere")
        .env("SMARTCOURSE_PUBLISH__LANES", "0")
        .output()?;
    let told = String::from_utf8(output.stderr)?;
    ensure!(
        !output.status.success() && told.contains("gateway.listen") && told.contains("publish.lanes"),
        "{told}"
    );
    Ok(())
}
