//! Processes that are held to a share of a core, as a container's limit does.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// Microseconds in which the share is counted: short, so that a process that has used it up does not pause for long.
const PERIOD: u32 = 20_000;

/// A control group of one process. It is removed with the value, once the process has ended.
pub(crate) struct Quota(PathBuf);

impl Quota {
    /// Holds a process, and what it starts from now on, to this share of one core.
    ///
    /// # Errors
    /// When control groups of processors cannot be made, which takes root.
    pub(crate) fn hold(process: u32, share: f64) -> Result<Self> {
        let quota = (f64::from(PERIOD) * share).round();
        let root = Path::new("/sys/fs/cgroup");
        let name = format!("smartcourse-bench-{process}");
        let (dir, settings) = if root.join("cgroup.controllers").exists() {
            fs::write(root.join("cgroup.subtree_control"), "+cpu")
                .context("control groups cannot be used: run this as root")?;
            (root.join(name), vec![("cpu.max", format!("{quota} {PERIOD}"))])
        } else {
            let settings = vec![
                ("cpu.cfs_period_us", PERIOD.to_string()),
                ("cpu.cfs_quota_us", quota.to_string()),
            ];
            (root.join("cpu").join(name), settings)
        };
        fs::create_dir(&dir)
            .with_context(|| format!("no control group {} can be made: run this as root", dir.display()))?;
        let group = Self(dir);
        for (file, value) in settings {
            fs::write(group.0.join(file), value).with_context(|| format!("{file} cannot be set"))?;
        }
        fs::write(group.0.join("cgroup.procs"), process.to_string())?;
        Ok(group)
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        // One that is left behind costs nothing.
        drop(fs::remove_dir(&self.0));
    }
}
