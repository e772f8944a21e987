//! What the chart for Kubernetes is checked with: Helm, and schemas of what a cluster takes. Only tests ask for them.

use std::path::{Path, PathBuf};

use super::InstallError;
use super::go::GoProgram;
use super::wheel::{ANY, Wheel};
use crate::{DataDir, Progress};

const HELM: GoProgram = GoProgram {
    what: "Helm",
    name: "helm-3.22.0",
    files: &[
        ("go.mod", include_str!("helm/go.mod")),
        ("go.sum", include_str!("helm/go.sum")),
    ],
    package: "helm.sh/helm/v3/cmd/helm",
    otherwise: "leave the tests of the chart out",
};

/// Of the oldest version the chart is for: what is stable in Kubernetes is never taken away.
const SCHEMAS: Wheel = Wheel {
    what: "the schemas of Kubernetes",
    requirement: "kubernetes-validate==1.37.0",
    hashes: &[(
        ANY,
        "85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9",
    )],
    megabytes: 23,
    part: "kubernetes_validate/kubernetes-json-schema/v1.30.0-local-strict",
    programs: None,
    name: "kubernetes-1.30-schemas",
    otherwise: "leave the tests of the chart out",
};

/// What a chart is checked with.
#[derive(Debug)]
pub struct ChartTools {
    /// Helm's program.
    pub helm: PathBuf,
    /// The JSON schemas of Kubernetes 1.30: `deployment-apps-v1.json` and the like, and what they share in `_definitions.json`.
    pub schemas: PathBuf,
}

/// Finds both or installs them. Helm is built with Go, which takes minutes.
///
/// # Errors
///
/// What is missing, and how to do without.
pub async fn ensure_chart_tools(dir: &DataDir, progress: &Progress) -> Result<ChartTools, InstallError> {
    let tools = dir.root().join("tools");
    let look = || std::future::ready(schemas(&tools));
    let schemas = SCHEMAS.install(&tools, progress, look).await?;
    let helm = HELM.ensure(dir, progress).await?;
    Ok(ChartTools { helm, schemas })
}

fn schemas(tools: &Path) -> Result<PathBuf, String> {
    let schemas = tools.join(SCHEMAS.name);
    let there = schemas.join("_definitions.json").is_file();
    there
        .then_some(schemas)
        .ok_or_else(|| "it has no schemas".to_owned())
}
