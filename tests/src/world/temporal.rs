//! The Temporal server of a world.

use std::path::Path;

use anyhow::{Context as _, Result};
use smartcourse_launcher::{Signal, TemporalOptions, TemporalServer};

use crate::world::World;

impl World {
    /// Starts the Temporal server, on its old data and ports when there was one.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub async fn start_temporal(&mut self) -> Result<()> {
        let options = TemporalOptions {
            ports: Some(self.temporal_ports),
            ..TemporalOptions::default()
        };
        self.temporal = Some(TemporalServer::start(&self.temporal_bin, &self.data_dir()?, options).await?);
        Ok(())
    }

    /// Makes a namespace of this world's own in a Temporal server that others have too.
    pub(super) fn join_temporal(&self) -> Result<()> {
        self.temporal_cli(&["operator", "namespace", "create"]).map(drop)
    }

    /// Stops the Temporal server.
    ///
    /// # Errors
    /// When it does not end, or is not this world's own.
    pub async fn stop_temporal(&mut self) -> Result<()> {
        let temporal = self
            .temporal
            .take()
            .context("no Temporal server of this world's own runs")?;
        temporal.process.stop().await
    }

    /// Sends the Temporal server a signal, such as one that freezes it.
    pub fn signal_temporal(&self, signal: Signal) {
        if let Some(temporal) = &self.temporal {
            temporal.process.signal(signal);
        }
    }

    /// Removes everything the stopped Temporal server knew.
    ///
    /// # Errors
    /// When the files cannot be removed.
    pub fn lose_temporal_data(&self) -> Result<()> {
        std::fs::remove_dir_all(self.data_dir()?.root().join("temporal")).context("no Temporal data to lose")
    }

    /// Starts the workflow of an enrollment as any other service would.
    ///
    /// # Errors
    /// When the command fails.
    pub fn start_enrollment(&self, course: i64, user: i64) -> Result<String> {
        self.temporal_cli(&[
            "workflow",
            "start",
            "--type",
            "Enrollment",
            "--task-queue",
            "smartcourse",
            "-w",
            &format!("enroll-{course}-{user}"),
            "-i",
            &format!("{{\"course_id\":{course},\"user_id\":{user}}}"),
        ])
    }

    /// Runs the `temporal` command against this world's server.
    ///
    /// # Errors
    /// When the command fails.
    pub fn temporal_cli(&self, args: &[&str]) -> Result<String> {
        command_line(
            &self.temporal_bin,
            &self.temporal_address,
            self.temporal_namespace(),
            args,
        )
    }

    /// The namespace of this world's workflows.
    pub fn temporal_namespace(&self) -> &str {
        &self.variables["TEMPORAL_NAMESPACE"]
    }

    /// `host:port` of the Temporal frontend.
    pub fn temporal_address(&self) -> String {
        self.temporal_address.clone()
    }
}

/// Runs the `temporal` command against a namespace of a server; answers what it printed.
pub(super) fn command_line(program: &Path, address: &str, namespace: &str, args: &[&str]) -> Result<String> {
    let output = std::process::Command::new(program)
        .args(args)
        .args(["--address", address])
        .args(["--namespace", namespace])
        .output()?;
    anyhow::ensure!(
        output.status.success(),
        "temporal {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
