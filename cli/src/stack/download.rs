//! A machine without Go: the Temporal SDK downloads a build of the server, which then runs like any other.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use smartcourse_launcher::{DataDir, Progress};
use temporalio_sdk::testing::{
    EphemeralExe, EphemeralExeVersion, LocalWorkflowEnvironmentOptions, WorkflowEnvironment,
};

/// The downloaded server, fetched when it is not there yet.
///
/// # Errors
/// When the SDK cannot download it; the caller adds why a download was needed.
pub(super) async fn temporal(data_dir: &DataDir, progress: &Progress) -> Result<PathBuf> {
    let directory = data_dir.root().join("tools/temporal-sdk");
    std::fs::create_dir_all(&directory)?;
    if let Some(found) = executable_in(&directory)? {
        return Ok(found);
    }
    let step = progress.step("downloading the Temporal server through its SDK (about a minute)");
    let executable = EphemeralExe::CachedDownload {
        version: EphemeralExeVersion::Default,
        dest_dir: Some(directory.display().to_string()),
        ttl: None,
    };
    let options = LocalWorkflowEnvironmentOptions::builder()
        .server_executable(executable)
        .build();
    // The SDK downloads only on its way to a server of its own, which is not the one we run.
    let started = WorkflowEnvironment::start_local(options).await;
    match started {
        Ok(environment) => environment
            .shutdown()
            .await
            .context("the SDK's server did not stop")?,
        Err(error) => {
            step.failed("no download");
            return Err(error).context("the Temporal SDK could not download the server");
        }
    }
    step.done();
    executable_in(&directory)?.context("the Temporal SDK downloaded no executable")
}

/// The first executable file of a directory.
fn executable_in(directory: &Path) -> Result<Option<PathBuf>> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() && metadata.permissions().mode() & 0o100 != 0 {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}
