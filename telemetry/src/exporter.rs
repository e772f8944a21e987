//! The recorder of a process, and the text Prometheus reads.

use std::{sync::atomic::Ordering, time::Duration};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

use crate::{
    catalogue::{self, ALL},
    metric::{Kind, RECORDING},
};

/// How often observations are folded, whether somebody reads them or not.
const UPKEEP: Duration = Duration::from_secs(5);
/// Bounds of the SDK's latencies, in seconds: from a workflow task to a whole run.
const SDK: &[f64] = &[
    0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 10_800.0,
];

/// What was recorded in this process.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    process: Collector,
}

/// Records from here on, as the given version, commit and role. Must be called within a runtime. Fails when the process has a recorder.
pub fn install(
    version: &'static str,
    commit: &'static str,
    role: &'static str,
) -> Result<Metrics, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL {
        if let Kind::Histogram(bounds) = metric.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds)?;
        }
    }
    // Those of Temporal's SDK.
    let builder = builder.set_buckets_for_metric(Matcher::Suffix("_latency_seconds".to_owned()), SDK)?;
    let handle = builder.install_recorder()?;
    RECORDING.store(true, Ordering::Relaxed);
    for metric in ALL {
        metric.describe();
    }
    let process = Collector::default();
    process.describe();
    catalogue::BUILD_INFO.set(1.0, [version, commit, role]);
    let upkeep = handle.clone();
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(UPKEEP);
        loop {
            tick.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(Metrics { handle, process })
}

impl Metrics {
    /// All of them, in Prometheus' text format.
    pub fn render(&self) -> String {
        self.process.collect();
        self.handle.render()
    }
}
