//! What Helm makes of the chart, read as the compose file is.

use std::{collections::BTreeMap, process::Command};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use smartcourse_launcher::{ChartTools, DataDir, Progress, default_data_dir, ensure_chart_tools};

use super::{Container, file::list};
use crate::root;

/// What stands for the versions a cluster may have: the oldest.
const KUBERNETES: &str = "1.30.0";

/// What everybody has to name.
pub(super) fn values() -> Value {
    let secret = |key: &str| json!({ "name": "smartcourse", "key": key });
    json!({
        "settings": {
            "TEMPORAL_ADDRESS": "temporal.servers:7233",
            "S3_BUCKET": "smartcourse",
            "S3_ENDPOINT": "http://minio.servers:9000",
            "S3_ACCESS_KEY_ID": "smartcourse",
            "SMARTCOURSE_MAIL__SMTP_URL": "smtp://mail.servers:25",
        },
        "secrets": {
            "DATABASE_URL": secret("database_url"),
            "SMARTCOURSE_GRPC__SERVICE_TOKEN": secret("service_token"),
            "S3_SECRET_ACCESS_KEY": secret("s3_secret_access_key"),
        },
    })
}

/// Everything there is to turn on.
pub(super) fn everything() -> Value {
    let mut values = values();
    values["files"] = json!({ "existingClaim": "files" });
    values["keda"] = json!({ "enabled": true });
    values["podMonitor"] = json!({ "enabled": true, "labels": { "release": "prometheus" } });
    values["networkPolicy"] = json!({ "egress": [{ "to": [{ "namespaceSelector": {} }] }] });
    values["volumes"] = json!([{ "name": "ca", "secret": { "secretName": "ca" } }]);
    values["volumeMounts"] = json!([{ "name": "ca", "mountPath": "/etc/ca" }]);
    values["service"] = json!({ "type": "LoadBalancer", "annotations": { "a": "b" } });
    values["podAnnotations"] = json!({ "a": "b" });
    values["nodeSelector"] = json!({ "a": "b" });
    values["tolerations"] = json!([{ "key": "a", "operator": "Exists" }]);
    values["image"] = json!({ "pullSecrets": [{ "name": "registry" }] });
    // In place of the service token.
    values["grpc"] = json!({ "certificates": "smartcourse-grpc" });
    values["secrets"]["SMARTCOURSE_GRPC__SERVICE_TOKEN"].take();
    if let Some(secrets) = values["secrets"].as_object_mut() {
        secrets.retain(|_, secret| !secret.is_null());
    }
    values
}

pub(super) async fn tools() -> Result<ChartTools> {
    let dir = DataDir::open(default_data_dir())?;
    Ok(ensure_chart_tools(&dir, &Progress::plain()).await?)
}

/// What Helm says to a command about the chart with these values.
pub(super) fn helm(tools: &ChartTools, command: &[&str], values: &Value) -> Result<String> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("values.json");
    std::fs::write(&file, values.to_string())?;
    let output = Command::new(&tools.helm)
        .args(command)
        .arg(root().join("deploy/helm/smartcourse"))
        .args(["--kube-version", KUBERNETES, "--values"])
        .arg(&file)
        .output()?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(said)
}

pub(super) fn rendered(tools: &ChartTools, values: &Value) -> Result<Vec<Value>> {
    let made = helm(tools, &["template", "smartcourse"], values)?;
    let documents = made.split("\n---\n").map(serde_saphyr::from_str::<Value>);
    let documents: Vec<Value> = documents.collect::<Result<_, _>>()?;
    Ok(documents
        .into_iter()
        .filter(|document| !document.is_null())
        .collect())
}

/// Of one kind, by their names without that of the release.
pub(super) fn of_kind<'a>(documents: &'a [Value], kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let these = documents.iter().filter(|document| document["kind"] == kind);
    these
        .filter_map(|document| {
            Some((
                document["metadata"]["name"]
                    .as_str()?
                    .strip_prefix("smartcourse-")?,
                document,
            ))
        })
        .collect()
}

/// What runs, by role, as a container of `docker-compose.yml` is read.
pub(super) fn pods(documents: &[Value]) -> Result<BTreeMap<&str, (&Value, Container)>> {
    let roles = of_kind(documents, "Deployment")
        .into_iter()
        .chain(of_kind(documents, "Job"));
    roles
        .map(|(role, document)| {
            let pod = &document["spec"]["template"]["spec"];
            let told = &pod["containers"][0];
            let text = |value: &Value| {
                value
                    .as_str()
                    .map(str::to_owned)
                    .with_context(|| format!("{role}: {value}"))
            };
            let image = text(&told["image"])?;
            let container = Container {
                image: image.rsplit_once(':').context("a tag")?.0.to_owned(),
                command: list(&told["args"]).map(text).collect::<Result<_>>()?,
                environment: list(&told["env"])
                    .map(|variable| Ok((text(&variable["name"])?, text(&variable["value"])?)))
                    .collect::<Result<_>>()?,
            };
            ensure!(
                list(&told["env"]).count() == container.environment.len(),
                "{role} is told something twice"
            );
            Ok((role, (pod, container)))
        })
        .collect()
}
