//! Prometheus by Debian's package, and Alertmanager from its Go module – Debian's reads a file of the system –, for whoever tries rules and
//! alerts.

use std::path::PathBuf;

use super::InstallError;
use super::go::GoProgram;
use super::steps::which;
use super::unpacked::Unpacked;
use crate::{DataDir, Progress};

const PROGRAM: Unpacked = Unpacked {
    what: "Prometheus",
    name: "prometheus",
    packages: &["prometheus"],
    program: "usr/bin/prometheus",
    names_its_place: None,
    otherwise: "put prometheus, promtool and alertmanager on the PATH",
};
/// The version of `docker-compose.yml`.
const ALERTMANAGER: GoProgram = GoProgram {
    what: "Alertmanager",
    name: "alertmanager-0.28.1",
    files: &[
        ("go.mod", include_str!("alertmanager/go.mod")),
        ("go.sum", include_str!("alertmanager/go.sum")),
    ],
    package: "github.com/prometheus/alertmanager/cmd/alertmanager",
    otherwise: PROGRAM.otherwise,
};

/// The programs of Prometheus.
#[derive(Clone, Debug)]
pub struct PrometheusBinaries {
    /// The server.
    pub prometheus: PathBuf,
    /// What checks and tries rules.
    pub promtool: PathBuf,
    /// What sends alerts to people.
    pub alertmanager: PathBuf,
}

/// Finds the programs on the PATH, or else unpacks and builds them.
pub async fn ensure_prometheus(
    dir: &DataDir,
    progress: &Progress,
) -> Result<PrometheusBinaries, InstallError> {
    let on_path = ["prometheus", "promtool", "alertmanager"].map(|name| which(name, &[]));
    if let [Some(prometheus), Some(promtool), Some(alertmanager)] = on_path {
        return Ok(PrometheusBinaries {
            prometheus,
            promtool,
            alertmanager,
        });
    }
    let prometheus = PROGRAM.ensure(dir, progress).await?;
    let alertmanager = ALERTMANAGER.ensure(dir, progress).await?;
    Ok(PrometheusBinaries {
        promtool: prometheus.with_file_name("promtool"),
        alertmanager,
        prometheus,
    })
}
