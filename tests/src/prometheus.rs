//! Prometheus and Alertmanager of a test.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use smartcourse_launcher::{
    Check, Plan, Process, Progress, PrometheusBinaries, Signal, Tie, ensure_prometheus, free_port,
};
use tempfile::TempDir;

use crate::{PATIENCE, database::tools};

/// The programs of Prometheus, unpacked when they are missing.
///
/// # Errors
/// When they cannot be had.
pub async fn prometheus_binaries() -> Result<PrometheusBinaries> {
    Ok(ensure_prometheus(&tools().await?, &Progress::plain()).await?)
}

/// A Prometheus with its Alertmanager. Dropping it ends both.
pub struct Prometheus {
    base: String,
    http: reqwest::Client,
    _processes: [Process; 2],
    _dir: TempDir,
}

impl Prometheus {
    /// Starts both. `config` is told where the rules and the Alertmanager are, `alerting` is the configuration of that.
    ///
    /// # Errors
    /// When one cannot be had or does not start.
    pub async fn start(
        rules: &str,
        config: impl FnOnce(&str, &str) -> String,
        alerting: &str,
    ) -> Result<Self> {
        let programs = prometheus_binaries().await?;
        let dir = TempDir::with_prefix("smartcourse-test-prometheus-")?;
        let file = |name: &str| dir.path().join(name).display().to_string();
        let [port, alerts_port] = [free_port()?, free_port()?];
        let [address, alerts] = [port, alerts_port].map(|port| format!("127.0.0.1:{port}"));
        std::fs::write(file("rules.yml"), rules)?;
        std::fs::write(file("prometheus.yml"), config(&file("rules.yml"), &alerts))?;
        std::fs::write(file("alertmanager.yml"), alerting)?;

        let mut alertmanager = Command::new(&programs.alertmanager);
        alertmanager
            .arg(format!("--config.file={}", file("alertmanager.yml")))
            .arg(format!("--storage.path={}", file("alerts")))
            .arg(format!("--web.listen-address={alerts}"))
            .arg("--cluster.listen-address=");
        let alertmanager = start(
            alertmanager,
            "Alertmanager",
            file("alertmanager.log").into(),
            alerts.clone(),
        )?;
        let mut prometheus = Command::new(&programs.prometheus);
        prometheus
            .arg(format!("--config.file={}", file("prometheus.yml")))
            .arg(format!("--storage.tsdb.path={}", file("series")))
            .arg(format!("--web.listen-address={address}"))
            // It says again what still fires, for as long as this is not over.
            .arg("--rules.alert.resend-delay=1s");
        let prometheus = start(
            prometheus,
            "Prometheus",
            file("prometheus.log").into(),
            address.clone(),
        )?;
        let this = Self {
            base: format!("http://{address}"),
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(10))
                .build()?,
            _processes: [prometheus, alertmanager],
            _dir: dir,
        };
        for (process, address) in this
            ._processes
            .iter()
            .zip([&this.base, &format!("http://{alerts}")])
        {
            let look = || async {
                let answer = this.http.get(format!("{address}/-/ready")).send().await;
                Ok(match answer.is_ok_and(|answer| answer.status().is_success()) {
                    true => Check::Ready(()),
                    false => Check::NotYet("it does not answer".to_owned()),
                })
            };
            process.ready("it to be ready", PATIENCE, look).await?;
        }
        Ok(this)
    }

    /// The series an expression has now: their labels, with the value of each.
    ///
    /// # Errors
    /// When Prometheus refuses it.
    pub async fn query(&self, expr: &str) -> Result<Vec<(Value, f64)>> {
        let url = format!("{}/api/v1/query", self.base);
        let url = reqwest::Url::parse_with_params(&url, [("query", expr)])?;
        let answer = self.http.get(url).send().await?;
        let answer: Value = answer.json().await?;
        ensure!(answer["status"] == "success", "{expr}: {answer}");
        let series = answer["data"]["result"].as_array().context("series")?;
        let value = |one: &Value| one["value"][1].as_str().and_then(|value| value.parse().ok());
        Ok(series
            .iter()
            .map(|one| (one["metric"].clone(), value(one).unwrap_or(f64::NAN)))
            .collect())
    }
}

fn start(command: Command, name: &'static str, log: PathBuf, marker: String) -> Result<Process> {
    let plan = Plan {
        name,
        log,
        tie: Tie::Watchdog(marker),
        stop: &[(Signal::TERM, PATIENCE)],
        drop: Duration::ZERO,
        restart: None,
    };
    Process::start(command, plan)
}
