//! Extraction in a child process that cannot take its parent down.

mod child;
mod limits;

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

pub use child::child_main;
pub use limits::Limits;

use crate::{Document, ExtractError, SourceKind};

/// Bytes of the child's standard error that are kept to tell its ends apart.
const STDERR_BYTES: u64 = 16 << 10;

/// What the child prints, as one JSON object.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// The extracted document.
    Ok(Document),
    /// An [`ExtractError`] by its code.
    Error { code: String, detail: String },
}

/// How to run [`child_main`]: usually this very executable with a hidden subcommand.
#[derive(Clone, Debug)]
pub struct Sandbox {
    /// The executable.
    pub program: PathBuf,
    /// Arguments before [`child_main`]'s own.
    pub args: Vec<OsString>,
    /// What the child may use.
    pub limits: Limits,
}

impl Sandbox {
    /// Extracts `file` as `kind` in a child process with an empty environment, no input, its own process group
    /// and [`Limits`]. The child dies with the returned future.
    ///
    /// # Errors
    /// What [`extract`](crate::extract) reports, and the ways a child can die: [`ExtractError::Crashed`],
    /// [`ExtractError::TimedOut`], [`ExtractError::Limit`]. [`ExtractError::Io`] when the child cannot be run or
    /// cannot read the file.
    pub async fn extract(&self, kind: SourceKind, file: &Path) -> Result<Document, ExtractError> {
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .args(self.limits.to_args())
            .arg(kind.as_str())
            .arg(file)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let finished = async {
            // One byte more than allowed tells a full answer from one that was cut.
            let cap = self.limits.output_bytes + 1;
            let output = tokio::try_join!(
                read_capped(stdout, cap, true),
                read_capped(stderr, STDERR_BYTES, false)
            )?;
            if output.0.len() as u64 == cap {
                return Err(ExtractError::Limit);
            }
            Ok((child.wait().await?, output.0, output.1))
        };
        let outcome = tokio::time::timeout(self.limits.wall, finished).await;
        // A child that ran out of time or output is still running; its corpse must not stay behind.
        if !matches!(outcome, Ok(Ok(_))) {
            child.kill().await?;
        }
        let (status, stdout, stderr) = outcome.map_err(|_| ExtractError::TimedOut)??;
        match serde_json::from_slice(&stdout) {
            Ok(Answer::Ok(document)) if status.success() => Ok(document),
            Ok(Answer::Error { code, detail }) if status.success() => {
                Err(ExtractError::from_code(&code, &detail).unwrap_or(ExtractError::Crashed))
            }
            _ => Err(death(status, &stderr)),
        }
    }
}

/// Reads `stream` up to `cap` bytes. If it should `stop` there the rest stays unread; otherwise it is thrown
/// away, so that the writer is not blocked.
async fn read_capped(
    stream: Option<impl AsyncRead + Unpin>,
    cap: u64,
    stop: bool,
) -> Result<Vec<u8>, ExtractError> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        (&mut stream).take(cap).read_to_end(&mut bytes).await?;
        if !stop {
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
        }
    }
    Ok(bytes)
}

/// Why a child that gave no answer ended.
fn death(status: ExitStatus, stderr: &[u8]) -> ExtractError {
    let is = |signal: Signal| status.signal() == Some(signal.as_raw());
    // The standard library's message; it aborts like a crash does.
    let out_of_memory = String::from_utf8_lossy(stderr).contains("memory allocation of");
    if is(Signal::XCPU) || is(Signal::KILL) {
        // The kernel sends the first at the soft limit of processor time and the second at the hard one.
        ExtractError::TimedOut
    } else if out_of_memory || is(Signal::XFSZ) {
        ExtractError::Limit
    } else if status.signal().is_some() {
        ExtractError::Crashed
    } else {
        // No answer and no signal: whatever ran was not `child_main`.
        ExtractError::Io(format!(
            "the extraction process ended with {status} and no answer"
        ))
    }
}
