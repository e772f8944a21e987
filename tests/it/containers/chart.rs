//! The chart for Kubernetes: Helm makes of it what a cluster takes, with the roles of `docker-compose.yml`, each told what the code reads.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, anyhow, ensure};
use boon::{Compiler, Schemas};
use serde_json::{Value, json};
use smartcourse_platform::{config, grpc::ServiceName};
use smartcourse_workflows::activities::{GENERATING, ONBOARDING, PUBLISHING, UPKEEP};

use crate::callers;

use super::{
    contained,
    file::{Secrets, addresses, list, text},
    helm::{everything, helm, of_kind, pods, rendered, tools, values},
    ours, succeeds,
};

/// Kinds that are not Kubernetes' own: of KEDA and of Prometheus' operator.
const OTHERS: [&str; 2] = ["PodMonitor", "ScaledObject"];
/// Where the chart mounts secrets, as `docker-compose.yml` does.
const SECRETS: &str = "/run/secrets/";

#[test]
fn the_chart_is_of_the_version_of_the_code() -> Result<()> {
    let chart: Value = serde_saphyr::from_str(&text("deploy/helm/smartcourse/Chart.yaml")?)?;
    for version in ["version", "appVersion"] {
        ensure!(
            chart[version] == env!("CARGO_PKG_VERSION"),
            "{version}: {}",
            chart[version]
        );
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs Helm"]
async fn kubernetes_takes_what_helm_makes() -> Result<()> {
    let tools = tools().await?;
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    let broken = |error: &dyn std::fmt::Display| anyhow!("{error:#}");
    let address = |file: &str| format!("https://kubernetes.io/api/{file}");
    let mut known = BTreeSet::new();
    let mut add = |file: &str, compiler: &mut Compiler| -> Result<()> {
        if known.insert(file.to_owned()) {
            let schema =
                std::fs::read_to_string(tools.schemas.join(file)).with_context(|| file.to_owned())?;
            compiler
                .add_resource(&address(file), serde_json::from_str(&schema)?)
                .map_err(|error| broken(&error))?;
        }
        Ok(())
    };
    add("_definitions.json", &mut compiler)?;
    for values in [values(), everything()] {
        helm(&tools, &["lint", "--strict"], &values)?;
        let documents = rendered(&tools, &values)?;
        let is_foreign = |document: &&Value| OTHERS.iter().any(|kind| document["kind"] == *kind);
        for document in documents.iter().filter(|document| !is_foreign(document)) {
            let kind = document["kind"].as_str().context("a kind")?.to_lowercase();
            let version = document["apiVersion"].as_str().context("a version")?;
            let version = match version.split_once('/') {
                Some((group, version)) => {
                    format!("{}-{version}", group.split('.').next().unwrap_or_default())
                }
                None => version.to_owned(),
            };
            let file = format!("{kind}-{version}.json");
            add(&file, &mut compiler)?;
            let schema = compiler
                .compile(&address(&file), &mut schemas)
                .map_err(|error| broken(&error))?;
            let name = &document["metadata"]["name"];
            schemas
                .validate(document, schema)
                .map_err(|error| broken(&error))
                .with_context(|| format!("{kind} {name}"))?;
            if kind == "deployment" {
                let mut slip = document.clone();
                slip["spec"]["template"]["spec"]["containerz"] = Value::Null;
                ensure!(
                    schemas.validate(&slip, schema).is_err(),
                    "a slip of the pen passes"
                );
            }
        }
    }
    ensure!(known.len() > 6, "{known:?}");
    Ok(())
}

/// The same roles, started alike, from the same images, where the same ports are open.
#[tokio::test]
#[ignore = "needs Helm"]
async fn the_roles_are_those_of_the_compose_file() -> Result<()> {
    let documents = rendered(&tools().await?, &values())?;
    let (pods, composed) = (pods(&documents)?, ours("full")?);
    let names: Vec<&str> = composed.keys().map(String::as_str).collect();
    ensure!(pods.keys().copied().eq(names), "{:?}", pods.keys());
    let services = of_kind(&documents, "Service");
    for (role, (pod, container)) in &pods {
        let other = &composed[*role];
        ensure!(
            container.command == other.command,
            "{role}: {:?}",
            container.command
        );
        ensure!(container.image == other.image, "{role}: {}", container.image);
        if *role == "migrate" {
            continue;
        }
        let listens = super::images::ports(other)?;
        ensure!(
            super::images::ports(container)? == listens,
            "{role} listens elsewhere"
        );
        let open: BTreeSet<u16> = list(&pod["containers"][0]["ports"])
            .map(|port| Ok(serde_json::from_value(port["containerPort"].clone())?))
            .collect::<Result<_>>()?;
        ensure!(open == listens, "{role}: {open:?}");
        let called = listens.len() > 1;
        ensure!(
            services.contains_key(role) == called,
            "{role} has a service or not"
        );
        for kind in ["PodDisruptionBudget", "NetworkPolicy"] {
            ensure!(
                of_kind(&documents, kind).contains_key(role),
                "{role} has no {kind}"
            );
        }
    }
    Ok(())
}

/// Every variable is one the code reads, with a value it takes, and every address is that of a service.
#[tokio::test]
#[ignore = "needs Helm"]
async fn pods_are_told_what_the_code_reads() -> Result<()> {
    let (tools, secrets) = (tools().await?, Secrets::make()?);
    let declared = crate::config::declared();
    for values in [values(), everything()] {
        let documents = rendered(&tools, &values)?;
        let services = of_kind(&documents, "Service");
        for (role, (pod, mut container)) in pods(&documents)? {
            let mounted: Vec<&Value> = list(&pod["volumes"])
                .flat_map(|volume| list(&volume["projected"]["sources"]))
                .flat_map(|source| list(&source["secret"]["items"]))
                .collect();
            for (variable, value) in &mut container.environment {
                let plain = variable.strip_suffix("_FILE").unwrap_or(variable);
                ensure!(
                    config::variable(&declared, plain).is_some(),
                    "{role}: nobody reads {variable}"
                );
                if let Some(file) = value.strip_prefix(SECRETS) {
                    let item = mounted.iter().find(|item| item["path"] == *file);
                    let key = item.and_then(|item| item["key"].as_str());
                    *value = format!(
                        "{SECRETS}{}",
                        key.with_context(|| format!("{role}: {file} is not mounted"))?
                    );
                }
                for (host, port) in addresses(value).filter(|(host, _)| host.starts_with("smartcourse")) {
                    let service = host
                        .strip_prefix("smartcourse-")
                        .and_then(|name| services.get(name));
                    let service = service.with_context(|| format!("{role}: there is no {host}"))?;
                    ensure!(
                        service["spec"]["ports"][0]["port"] == port,
                        "{role}: {host} is not at {port}"
                    );
                }
            }
            let check = contained(&container, &secrets, &["config", "check"]);
            succeeds(check, &format!("{role}: config check"))?;
        }
    }
    Ok(())
}

/// Everybody who calls a service is let in, to that port alone, and nobody else.
#[tokio::test]
#[ignore = "needs Helm"]
async fn who_calls_whom_is_let_in() -> Result<()> {
    let documents = rendered(&tools().await?, &everything())?;
    let policies = of_kind(&documents, "NetworkPolicy");
    let named = |peer: &Value| peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"].clone();
    let mut ways = BTreeSet::new();
    for (role, policy) in &policies {
        for rule in list(&policy["spec"]["ingress"]).filter(|rule| rule["ports"][0]["port"] == "grpc") {
            ensure!(list(&rule["from"]).count() > 0, "everybody may call {role}");
            let callers = list(&rule["from"]).map(|peer| (named(peer).to_string(), json!(role).to_string()));
            ways.extend(callers);
        }
    }
    let mut calls = BTreeSet::new();
    for (role, policy) in &policies {
        for rule in list(&policy["spec"]["egress"]).filter(|rule| rule["ports"][0]["port"] == "grpc") {
            calls.extend(list(&rule["to"]).map(|peer| (json!(role).to_string(), named(peer).to_string())));
        }
    }
    ensure!(ways == calls, "{ways:?} are let in, {calls:?} call");
    let may: BTreeSet<(String, String)> = ServiceName::ALL
        .into_iter()
        .flat_map(|service| callers::of(service).iter().map(move |caller| (*caller, service)))
        .map(|(caller, service)| (json!(caller).to_string(), json!(service.as_str()).to_string()))
        .collect();
    ensure!(ways == may, "{ways:?} are let in, {may:?} are believed");
    // An activity is named by the service it calls.
    let activities = [ONBOARDING, PUBLISHING, GENERATING, UPKEEP].into_iter();
    let activities = activities.flat_map(|contract| contract.activities.iter().chain(contract.apart));
    let called: BTreeSet<&str> = activities
        .filter_map(|activity| Some(activity.name.split_once('.')?.0))
        .collect();
    for service in ServiceName::ALL {
        let is_called = called.contains(service.as_str());
        ensure!(
            callers::of(service).contains(&"worker") == is_called,
            "{service:?}"
        );
    }
    Ok(())
}

/// A pod has no rights, asks nothing of the cluster, and is asked how it is.
#[tokio::test]
#[ignore = "needs Helm"]
async fn pods_have_no_rights_and_are_asked_how_they_are() -> Result<()> {
    let documents = rendered(&tools().await?, &values())?;
    for (role, (pod, _)) in pods(&documents)? {
        let container = &pod["containers"][0];
        ensure!(
            pod["securityContext"]["runAsNonRoot"] == true,
            "{role} may be root"
        );
        ensure!(
            pod["securityContext"]["runAsUser"] == 65532,
            "{role} is somebody else"
        );
        ensure!(
            pod["automountServiceAccountToken"] == false,
            "{role} may ask the cluster"
        );
        let rights = &container["securityContext"];
        let none = json!({ "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] } });
        ensure!(*rights == none, "{role}: {rights}");
        ensure!(
            container["resources"]["limits"]["memory"].is_string(),
            "{role} has no limit"
        );
        if role != "migrate" {
            let asked = |probe: &str| container[probe]["httpGet"].clone();
            ensure!(
                asked("livenessProbe") == json!({ "path": "/livez", "port": "metrics" }),
                "{role}"
            );
            ensure!(
                asked("readinessProbe") == json!({ "path": "/readyz", "port": "metrics" }),
                "{role}"
            );
        }
    }
    Ok(())
}

/// KEDA asks for a metric there is, by the name of the queue the workers poll.
#[tokio::test]
#[ignore = "needs Helm"]
async fn what_waits_is_asked_for_by_its_name() -> Result<()> {
    let documents = rendered(&tools().await?, &everything())?;
    let scaled = of_kind(&documents, "ScaledObject");
    ensure!(
        scaled.keys().copied().eq(["tasks", "worker"]),
        "{:?}",
        scaled.keys()
    );
    let queue = &scaled["worker"]["spec"]["triggers"][0]["metadata"]["taskQueue"];
    ensure!(*queue == smartcourse_workflows::TASK_QUEUE, "{queue}");
    let query = scaled["tasks"]["spec"]["triggers"][0]["metadata"]["query"].as_str();
    let query = query.context("a query")?;
    ensure!(
        smartcourse_telemetry::catalogue::ALL
            .iter()
            .any(|metric| query.contains(metric.name)),
        "{query}"
    );
    let busy = of_kind(&documents, "HorizontalPodAutoscaler");
    ensure!(
        busy.len() == 10 && !busy.contains_key("worker"),
        "{:?}",
        busy.keys()
    );
    Ok(())
}

#[tokio::test]
#[ignore = "needs Helm"]
async fn what_is_missing_or_unknown_is_said_in_words() -> Result<()> {
    let tools = tools().await?;
    for (path, value, said) in [
        (
            "/secrets/DATABASE_URL",
            None,
            "secrets.DATABASE_URL: name the Secret",
        ),
        (
            "/settings/TEMPORAL_ADDRESS",
            None,
            "settings.TEMPORAL_ADDRESS: name host:port",
        ),
        ("/settings/S3_BUCKET", None, "files would be gone with their pod"),
        (
            "/settings/SMARTCOURSE_MAIL__SMTP_URL",
            None,
            "mails would be gone with their pod",
        ),
        (
            "/settings/SMARTCOURSE_GRPC__USER",
            Some("user:1"),
            "SMARTCOURSE_GRPC__USER",
        ),
        ("/setings", Some("x"), "setings"),
    ] {
        let mut values = values();
        let (parent, key) = path.rsplit_once('/').context("a path")?;
        let parent = values
            .pointer_mut(parent)
            .and_then(Value::as_object_mut)
            .context("its parent")?;
        match value {
            Some(value) => parent.insert(key.to_owned(), json!(value)),
            None => parent.remove(key),
        };
        let Err(error) = rendered(&tools, &values) else {
            anyhow::bail!("{path} passes");
        };
        ensure!(error.to_string().contains(said), "{path}: {error}");
    }
    Ok(())
}
