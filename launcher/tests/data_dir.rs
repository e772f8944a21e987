//! One process at a time uses a data directory.

use std::os::unix::fs::PermissionsExt;

use smartcourse_launcher::{DataDir, LockError, free_port, port_is_free};

#[test]
fn a_second_lock_is_refused_and_names_the_holder() {
    let temp = tempfile::tempdir().unwrap();
    let dir = DataDir::open(temp.path().join("new/data")).unwrap();
    let held = dir.lock().unwrap();

    let error = dir.lock().unwrap_err();
    let text = error.to_string();
    let LockError::AlreadyRunning(running) = error else {
        panic!("{text}")
    };
    assert_eq!(running.pid, Some(std::process::id()));
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    assert!(text.contains(&dir.root().display().to_string()), "{text}");

    drop(held);
    dir.lock().unwrap();
}

#[test]
fn a_data_directory_that_is_a_file_is_an_error_with_its_path() {
    let temp = tempfile::NamedTempFile::new().unwrap();
    let text = DataDir::open(temp.path()).unwrap_err().to_string();
    assert!(text.contains(&temp.path().display().to_string()), "{text}");
}

#[test]
fn a_port_in_use_is_not_free() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(!port_is_free(listener.local_addr().unwrap().port()));
    assert!(port_is_free(free_port().unwrap()));
}

#[test]
fn others_may_read_nothing_that_names_people_nor_hold_the_lock() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::create_dir(temp.path().join("logs")).unwrap();
    std::fs::set_permissions(temp.path().join("logs"), PermissionsExt::from_mode(0o755)).unwrap();
    let dir = DataDir::open(temp.path()).unwrap();
    let _held = dir.lock().unwrap();
    for part in ["logs", "temporal", "files", "mail", "lock"] {
        let mode = std::fs::metadata(dir.root().join(part))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{part} has mode {mode:o}");
    }
}
