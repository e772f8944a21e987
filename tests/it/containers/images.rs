//! The images: of which version they are, where what is in them listens, and what they are asked whether they are well.

use std::{collections::BTreeSet, process::Command};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::file::{file, list, services, text};
use crate::{compose::Container, executable};

/// Where the servers listen, by image.
const PORTS: [(&str, &[u16]); 15] = [
    ("apache/kafka", &[9092]),
    ("axllent/mailpit", &[1025, 8025]),
    ("grafana/grafana", &[3000]),
    ("jaegertracing/jaeger", &[4317, 4318, 16686]),
    ("minio/minio", &[9000, 9001]),
    ("mongo", &[27017]),
    ("opensearchproject/opensearch", &[9200]),
    ("postgres", &[5432]),
    ("prom/alertmanager", &[9093]),
    ("prom/prometheus", &[9090]),
    ("qdrant/qdrant", &[6333, 6334]),
    ("rabbitmq", &[5672, 15672]),
    ("redis", &[6379]),
    ("temporalio/auto-setup", &[7233, 9090]),
    ("temporalio/ui", &[8080]),
];

/// Where a container listens: one of ours where it is told to.
pub(super) fn ports(container: &Container) -> Result<BTreeSet<u16>> {
    if !container.is_ours() {
        let known = PORTS.into_iter().find(|(image, _)| *image == container.image);
        let (_, ports) = known.with_context(|| format!("the ports of {}", container.image))?;
        return Ok(ports.iter().copied().collect());
    }
    let everywhere = container.environment.values();
    everywhere
        .filter_map(|value| value.strip_prefix("0.0.0.0:"))
        .map(|port| port.parse().context("a port"))
        .collect()
}

/// Whether a tag says one release: numbers with dots, or the moment it was made at. A digest could only be invented here.
fn is_exact(image: &str) -> bool {
    let Some((_, tag)) = image.rsplit_once(':') else {
        return false;
    };
    let version = tag.trim_start_matches('v').split('-').next().unwrap_or_default();
    let numbers: Vec<&str> = version.split('.').collect();
    let is_version = numbers.len() >= 2 && numbers.iter().all(|part| part.parse::<u32>().is_ok());
    !image.contains('@') && (is_version || tag.starts_with("RELEASE.20"))
}

#[test]
fn images_are_of_one_version_each() -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let dockerfile = text("deploy/Dockerfile")?;
    for (name, service) in services(&file()?)? {
        let image = service["image"].as_str().context("an image")?;
        ensure!(is_exact(image), "{name}: {image} may be another tomorrow");
        if let Some(target) = service["build"]["target"].as_str() {
            ensure!(
                image == format!("{target}:{version}"),
                "{name}: {image} is not {version}"
            );
            ensure!(
                dockerfile.contains(&format!(" AS {target}\n")),
                "deploy/Dockerfile does not make {target}"
            );
        }
    }
    let stages: Vec<&str> = dockerfile
        .lines()
        .filter_map(|line| line.split(" AS ").nth(1))
        .collect();
    for line in dockerfile.lines() {
        if let Some(from) = line.strip_prefix("FROM ") {
            let from = from.split_whitespace().next().unwrap_or_default();
            ensure!(
                from == "scratch" || stages.contains(&from) || is_exact(from),
                "{line}: may be another tomorrow"
            );
        }
    }
    assert!(!is_exact("postgres:17") && !is_exact("postgres:latest") && !is_exact("postgres"));
    Ok(())
}

/// Whoever reads the model or the fonts has them: content and progress, and `migrate`, which makes a place for vectors of the model.
#[test]
fn those_who_read_the_model_and_the_fonts_have_them() -> Result<()> {
    let file = file()?;
    for (name, service) in services(&file)? {
        let has_them = service["build"]["target"] == "smartcourse-models";
        ensure!(
            has_them == ["content", "migrate", "progress"].contains(&name.as_str()),
            "{name}: {}",
            service["image"]
        );
    }
    Ok(())
}

/// Our image has no shell: it has the executable, which knows the command.
#[test]
fn what_containers_of_ours_are_asked_is_in_their_image() -> Result<()> {
    let dockerfile = text("deploy/Dockerfile")?;
    ensure!(
        dockerfile.contains("\nENTRYPOINT [\"smartcourse\"]\n"),
        "another entry point"
    );
    let mut asked = 0;
    for (name, service) in services(&file()?)? {
        if service["build"].is_null() || service["healthcheck"]["disable"] == true {
            continue;
        }
        asked += 1;
        ensure!(
            service["healthcheck"]["test"] == json!(["CMD", "smartcourse", "health"]),
            "{name}: {}",
            service["healthcheck"]
        );
        ensure!(
            service["entrypoint"].is_null(),
            "{name} has an entry point of its own"
        );
    }
    ensure!(asked == 13, "{asked} containers are looked at");
    let known = Command::new(executable()).args(["health", "--help"]).output()?;
    ensure!(known.status.success(), "{known:?}");
    Ok(())
}

/// The others are asked by programs, too, and where they need a shell it is theirs.
#[test]
fn every_container_that_is_waited_for_is_looked_at() -> Result<()> {
    for (name, service) in services(&file()?)? {
        let test: Vec<&str> = list(&service["healthcheck"]["test"])
            .filter_map(Value::as_str)
            .collect();
        if let [kind, ..] = test[..] {
            ensure!(
                ["CMD", "CMD-SHELL"].contains(&kind) && test.len() > 1,
                "{name}: {test:?}"
            );
            for part in ["interval", "timeout", "retries", "start_period"] {
                ensure!(!service["healthcheck"][part].is_null(), "{name}: no {part}");
            }
        }
    }
    Ok(())
}
