//! Files that say which process does something: the kernel keeps the claim for as long as that process lives.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::process;
use crate::wait::{Check, wait_until};

/// How long a process may take to be gone after SIGKILL.
const KILLED: Duration = Duration::from_secs(10);

/// A file that is ours until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Claim {
    // It is close-on-exec, so an engine that survives us does not keep the claim.
    _file: File,
}

/// Who else has the file: its process id, but for the moment before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder(pub Option<u32>);

impl Claim {
    /// Claims a file, which is made when it is missing, unless another process has it. Fails when it cannot be used.
    pub fn take(path: &Path) -> io::Result<Result<Self, Holder>> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            // Whoever may read it could lock it as well.
            .mode(0o600)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder)?;
                return Ok(Err(Holder(holder.trim().parse().ok())));
            }
            Err(TryLockError::Error(source)) => return Err(source),
        }
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Ok(Self { _file: file }))
    }

    /// Waits until nobody has the file. Whoever still has it after `patience` is frozen, and killed.
    pub async fn end_holder(path: &Path, name: &str, patience: Duration) -> anyhow::Result<()> {
        let free = || async {
            let taken = Self::take(path).with_context(|| format!("looking for an earlier {name}"))?;
            Ok(match taken {
                Ok(_) => Check::Ready(()),
                Err(Holder(pid)) => Check::NotYet(format!("process {} has it", pid.unwrap_or_default())),
            })
        };
        let what = format!("the end of a {name} of an earlier run");
        if wait_until(&what, patience, free).await.is_ok() {
            return Ok(());
        }
        // It holds the claim at this moment, so the id is no other's.
        if let Err(Holder(Some(pid))) = Self::take(path)? {
            eprintln!("smartcourse: {name} of an earlier run (process {pid}) does not end; killing it");
            process::stop_left_over(name, pid, name, &[]).await?;
        }
        wait_until(&what, KILLED, free).await
    }
}
