//! Finding and installing, in the default data directory so that a fresh machine installs once.

use smartcourse_launcher::{DataDir, Progress, Wants, default_data_dir, ensure_all, find_model};

#[tokio::test]
async fn everything_is_there_after_ensure_all() {
    let dir = DataDir::open(default_data_dir()).unwrap();
    let progress = Progress::plain();
    let (one, two) = tokio::join!(
        ensure_all(&dir, &progress, Wants::ALL),
        ensure_all(&dir, &progress, Wants::ALL),
    );
    let postgres = one.postgres.unwrap().unwrap();
    assert_eq!(postgres, two.postgres.unwrap().unwrap());
    assert!(postgres.program("initdb").exists());
    assert!(one.temporal.unwrap().unwrap().exists());
    // The model may stay away (it is fetched from the network), but then nobody claims to have found it.
    assert_eq!(one.model, find_model(&dir).await);
    if let Some(model) = one.model {
        assert!(model.join("model.safetensors").exists() && model.join("vocab.txt").exists());
    }
}
