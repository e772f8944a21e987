//! The Temporal server in a temporary directory: start, stop, left-overs.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic like tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use smartcourse_launcher::{
    DataDir, Progress, TemporalOptions, TemporalServer, default_data_dir, ensure_temporal,
};

async fn setup() -> (tempfile::TempDir, DataDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let dir = DataDir::open(temp.path()).unwrap();
    let shared = DataDir::open(default_data_dir()).unwrap();
    let bin = ensure_temporal(&shared, &Progress::plain()).await.unwrap();
    (temp, dir, bin)
}

fn temporal(bin: &Path, server: &TemporalServer, arguments: &[&str]) -> String {
    let output = Command::new(bin)
        .args(arguments)
        .args(["--address", &server.address])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

const START: [&str; 9] = [
    "workflow",
    "start",
    "--task-queue",
    "none",
    "--type",
    "Kept",
    "--workflow-id",
    "kept",
    "--search-attribute",
];

#[tokio::test]
async fn workflows_survive_a_stop_and_the_address_stays() {
    let (_temp, dir, bin) = setup().await;
    let first = TemporalServer::start(&bin, &dir, TemporalOptions::default())
        .await
        .unwrap();
    assert_eq!(first.namespace, "default");
    let attributes = temporal(&bin, &first, &["operator", "search-attribute", "list"]);
    assert!(
        attributes.contains("CourseId") && attributes.contains("InstructorId"),
        "{attributes}"
    );
    temporal(&bin, &first, &[&START[..], &["CourseId=7"]].concat());
    let (address, pid) = (first.address.clone(), first.process.pid());
    first.process.stop().await.unwrap();

    let second = TemporalServer::start(&bin, &dir, TemporalOptions::default())
        .await
        .unwrap();
    assert_eq!(second.address, address);
    assert_ne!(second.process.pid(), pid);
    let described = temporal(&bin, &second, &["workflow", "describe", "--workflow-id", "kept"]);
    assert!(described.contains("CourseId"), "{described}");
    second.process.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_left_over_from_a_killed_owner_is_stopped_first() {
    let (_temp, dir, bin) = setup().await;
    let options = TemporalOptions {
        in_memory: true,
        dynamic_config: vec![("limit.maxIDLength".to_owned(), "300".to_owned())],
        ..TemporalOptions::default()
    };
    let first = TemporalServer::start(&bin, &dir, options.clone()).await.unwrap();
    let (pid, address) = (first.process.pid(), first.address.clone());
    std::mem::forget(first);

    let second = TemporalServer::start(&bin, &dir, options).await.unwrap();
    assert_ne!(second.process.pid(), pid);
    assert_eq!(second.address, address);
    assert!(second.process.exit_status().is_none());
}

#[tokio::test]
async fn the_file_of_an_earlier_server_is_left_alone() {
    let (_temp, dir, bin) = setup().await;
    let earlier = dir.root().join("temporal/temporal.db");
    std::fs::write(&earlier, "tables this server does not know").unwrap();
    let server = TemporalServer::start(&bin, &dir, TemporalOptions::default())
        .await
        .unwrap();
    temporal(&bin, &server, &["schedule", "list"]);
    server.process.stop().await.unwrap();
    assert_eq!(
        std::fs::read_to_string(&earlier).unwrap(),
        "tables this server does not know"
    );
}
