//! PostgreSQL in a temporary directory: start, stop, crash, left-overs.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic like tests")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use smartcourse_launcher::{
    Check, DataDir, Postgres, PostgresBinaries, Progress, default_data_dir, ensure_postgres, wait_until,
};

/// A private data directory, and the machine's PostgreSQL (installed once in the default place when it is missing).
async fn setup() -> (tempfile::TempDir, DataDir, PostgresBinaries) {
    let temp = tempfile::tempdir().unwrap();
    let dir = DataDir::open(temp.path()).unwrap();
    let shared = DataDir::open(default_data_dir()).unwrap();
    let bins = ensure_postgres(&shared, &Progress::plain()).await.unwrap();
    (temp, dir, bins)
}

/// Runs one statement with psql, wherever the machine has it.
fn sql(bins: &PostgresBinaries, url: &str, statement: &str) -> String {
    let bundled = bins.program("psql");
    let psql = if bundled.exists() {
        bundled.as_path()
    } else {
        Path::new("psql")
    };
    let output = Command::new(psql)
        .args(["-X", "-qtA", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement])
        .output();
    let output = output.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn kill(signal: &str, pid: u32) {
    assert!(
        Command::new("kill")
            .args([signal, &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

#[tokio::test]
async fn data_survives_a_stop_and_the_port_stays() {
    let (_temp, dir, bins) = setup().await;
    let first = Postgres::start(&bins, &dir, None).await.unwrap();
    sql(&bins, &first.url, "CREATE TABLE kept AS SELECT 42 AS answer");
    assert_eq!(sql(&bins, &first.url, "SHOW fsync"), "on");
    assert_eq!(sql(&bins, &first.url, "SHOW server_encoding"), "UTF8");
    assert_eq!(sql(&bins, &first.url, "SHOW listen_addresses"), "127.0.0.1");
    let (port, url) = (first.port, first.url.clone());
    first.process.stop().await.unwrap();
    assert!(smartcourse_launcher::port_is_free(port));

    let second = Postgres::start(&bins, &dir, None).await.unwrap();
    assert_eq!(second.url, url);
    assert_eq!(sql(&bins, &url, "SELECT answer FROM kept"), "42");
    assert!(second.process.exit_status().is_none());
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let (_temp, dir, bins) = setup().await;
    let server = Postgres::start(&bins, &dir, None).await.unwrap();
    let password = server.url.split([':', '@']).nth(2).unwrap();
    let wrong = server.url.replace(password, "guess");
    let bundled = bins.program("psql");
    let psql = if bundled.exists() {
        bundled.as_path()
    } else {
        Path::new("psql")
    };
    assert!(
        !Command::new(psql)
            .args(["-X", "-d", &wrong, "-c", "SELECT 1"])
            .output()
            .unwrap()
            .status
            .success()
    );
}

#[tokio::test]
async fn a_killed_server_starts_again_with_its_data() {
    let (_temp, dir, bins) = setup().await;
    let first = Postgres::start(&bins, &dir, None).await.unwrap();
    sql(&bins, &first.url, "CREATE TABLE kept AS SELECT 42 AS answer");
    kill("-KILL", first.process.pid());
    tokio::time::timeout(Duration::from_secs(10), first.process.exited())
        .await
        .unwrap();
    assert!(first.process.exit_status().is_some());

    let second = Postgres::start(&bins, &dir, None).await.unwrap();
    assert_eq!(sql(&bins, &second.url, "SELECT answer FROM kept"), "42");
}

#[tokio::test]
async fn a_server_left_over_from_a_killed_owner_is_stopped_first() {
    let (_temp, dir, bins) = setup().await;
    let first = Postgres::start(&bins, &dir, None).await.unwrap();
    let pid = first.process.pid();
    // Neither stopped nor watched any more: what a SIGKILL of owner and watchdog together leaves behind.
    std::mem::forget(first);

    let second = Postgres::start(&bins, &dir, None).await.unwrap();
    assert_ne!(second.process.pid(), pid);
    assert_eq!(sql(&bins, &second.url, "SELECT 1"), "1");
}

#[tokio::test]
async fn a_data_directory_the_service_user_cannot_reach_works_as_root() {
    let (temp, _, bins) = setup().await;
    // The directory above, which is not ours to open in earnest, stays closed (0700).
    let dir = DataDir::open(temp.path().join("home/data")).unwrap();
    std::fs::set_permissions(temp.path().join("home"), std::fs::Permissions::from_mode(0o700)).unwrap();
    let first = Postgres::start(&bins, &dir, None).await.unwrap();
    sql(&bins, &first.url, "CREATE TABLE kept AS SELECT 42 AS answer");
    first.process.stop().await.unwrap();
    let second = Postgres::start(&bins, &dir, None).await.unwrap();
    assert_eq!(sql(&bins, &second.url, "SELECT answer FROM kept"), "42");
    second.process.stop().await.unwrap();
    if let Ok(elsewhere) = std::fs::read_link(dir.root().join("postgres")) {
        std::fs::remove_dir_all(elsewhere).unwrap();
    }
}

#[tokio::test]
async fn a_port_in_use_is_said() {
    let (_temp, dir, bins) = setup().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = Postgres::start(&bins, &dir, Some(port))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&port.to_string()) && error.contains("in use"),
        "{error}"
    );
}

/// Not a test of its own: what [`engines_die_with_their_owner`] runs in another process and kills.
#[tokio::test]
#[ignore = "helper of engines_die_with_their_owner"]
async fn owner() {
    let dir = DataDir::open(std::env::var("LAUNCHER_TEST_DIR").unwrap()).unwrap();
    let shared = DataDir::open(default_data_dir()).unwrap();
    let bins = ensure_postgres(&shared, &Progress::silent()).await.unwrap();
    let server = Postgres::start(&bins, &dir, None).await.unwrap();
    std::fs::write(dir.root().join("ready"), server.process.pid().to_string()).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn engines_die_with_their_owner() {
    let (temp, dir, _bins) = setup().await;
    let mut owner = Command::new(std::env::current_exe().unwrap());
    owner
        .args(["--exact", "owner", "--ignored"])
        .env("LAUNCHER_TEST_DIR", temp.path());
    let mut owner = owner.stdout(std::process::Stdio::null()).spawn().unwrap();
    let ready = dir.root().join("ready");
    wait_until(
        "the other process to start PostgreSQL",
        Duration::from_secs(60),
        || async {
            Ok(if ready.exists() {
                Check::Ready(())
            } else {
                Check::NotYet("no note yet".to_owned())
            })
        },
    )
    .await
    .unwrap();
    owner.kill().unwrap();
    owner.wait().unwrap();

    // A fast shutdown removes the lock file last.
    let lock = dir.root().join("postgres/data/postmaster.pid");
    wait_until("the end of PostgreSQL", Duration::from_secs(20), || async {
        Ok(if lock.exists() {
            Check::NotYet("it runs".to_owned())
        } else {
            Check::Ready(())
        })
    })
    .await
    .unwrap();
}
