//! What the kill matrices share: the table with a row for each run, and those that failed.

use anyhow::{Context as _, Result, ensure};
use smartcourse_tests::World;
use smartcourse_workflows::contract::{Declaration, Idempotence};

/// How often each point is tried: `SMARTCOURSE_KILL_REPEATS`, else once.
pub(crate) fn repeats() -> usize {
    let repeats = std::env::var("SMARTCOURSE_KILL_REPEATS");
    repeats.ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Around a commit of a service.
pub(crate) const COMMIT: [&str; 2] = ["before_commit", "after_commit"];

/// The points of the worker around an activity.
pub(crate) fn effects(activity: &str) -> [String; 2] {
    ["before_effect", "after_effect"].map(|moment| format!("worker.{activity}.{moment}"))
}

/// The points of the service around the commit of an activity; none for one that only reads.
pub(crate) fn commits(activity: &Declaration) -> Vec<String> {
    if activity.idempotence == Idempotence::Reads {
        return Vec::new();
    }
    let operation = match activity.name {
        // One operation discards each of these parts.
        "content.discard_files"
        | "content.discard_chunks"
        | "content.discard_vectors"
        | "content.discard_index" => "content.discard",
        other => other,
    };
    COMMIT.map(|moment| format!("{operation}.{moment}")).into()
}

/// The table of the runs so far.
pub(crate) struct Matrix {
    roles: &'static [&'static str],
    table: String,
    failures: Vec<String>,
}

impl Matrix {
    /// A table that begins with this text; `roles` are all that a run may have touched.
    pub(crate) fn new(head: String, roles: &'static [&'static str]) -> Self {
        Self {
            roles,
            table: head,
            failures: Vec::new(),
        }
    }

    /// Adds the row of a run: the cells that name it, then what was seen. After a failure the roles start anew, so that the
    /// next run finds sound ones.
    ///
    /// # Errors
    /// When they do not start.
    pub(crate) async fn add(
        &mut self,
        world: &mut World,
        cells: &[&str],
        owner: &str,
        seen: Result<String>,
    ) -> Result<()> {
        let failed = seen.is_err();
        let told = seen.unwrap_or_else(|error| format!("**FAILED**: {error:#}"));
        let name = cells.join(" | ");
        eprintln!("{name:<64} {told}");
        self.table.push_str(&format!("| {name} | {told} |\n"));
        if failed {
            eprintln!("--- {owner}\n{}{}", world.log(owner), threads(world, owner));
            self.failures.push(format!("{name}: {told}"));
            for role in self.roles {
                world.restart(role, &[]).await?;
            }
            world.ready().await?;
        }
        Ok(())
    }

    /// Adds a failure that belongs to no run.
    pub(crate) fn fail(&mut self, told: String) {
        self.failures.push(told);
    }

    /// Writes the table to the file that the variable names, if it does.
    ///
    /// # Errors
    /// When it cannot be written, or anything failed.
    pub(crate) fn finish(self, variable: &str) -> Result<()> {
        if let Ok(path) = std::env::var(variable) {
            std::fs::write(crate::root().join(&path), self.table)
                .with_context(|| format!("cannot write {path}"))?;
        }
        ensure!(
            self.failures.is_empty(),
            "{} runs failed:\n{}",
            self.failures.len(),
            self.failures.join("\n")
        );
        Ok(())
    }
}

/// What the kernel says of a role's threads: name, state and what each waits for. A request that hangs is told from a process
/// that is dead, frozen or waits for a disk.
fn threads(world: &World, role: &str) -> String {
    let Ok(pid) = world.pid(role) else {
        return format!("{role} has no process");
    };
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let read = |task: &std::path::Path, file| std::fs::read_to_string(task.join(file)).unwrap_or_default();
    let mut told = format!("process {pid}:\n");
    for task in tasks {
        let (stat, waits) = (read(&task.path(), "stat"), read(&task.path(), "wchan"));
        let named: String = stat.split_inclusive(' ').take(3).collect();
        told.push_str(&format!("{named}{waits}\n"));
    }
    told
}
