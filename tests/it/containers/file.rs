//! The file as it stands, and the secrets that belong to it.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use boon::{Compiler, Schemas};
use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::root;

/// What may be started.
pub(super) const PROFILES: [&str; 2] = ["minimal", "full"];

/// A file of this tree.
pub(super) fn text(path: &str) -> Result<String> {
    let path = root().join(path);
    std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))
}

/// All of `docker-compose.yml`.
pub(super) fn file() -> Result<Value> {
    serde_saphyr::from_str(&text("docker-compose.yml")?).context("docker-compose.yml")
}

pub(super) fn services(file: &Value) -> Result<&Map<String, Value>> {
    file["services"].as_object().context("services")
}

pub(super) fn service<'a>(file: &'a Value, name: &str) -> Result<&'a Value> {
    services(file)?
        .get(name)
        .with_context(|| format!("no service {name}"))
}

/// The items of a list; none where there is no list.
pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(super) fn share_a_network(one: &Value, other: &Value) -> bool {
    list(&one["networks"]).any(|network| list(&other["networks"]).any(|another| network == another))
}

/// Every `host:port` of a value, without what a URL has around it.
pub(super) fn addresses(value: &str) -> impl Iterator<Item = (String, u16)> {
    value.split(',').filter_map(|part| {
        let authority = part.split_once("://").map_or(part, |(_, rest)| rest);
        let authority = authority.split('/').next()?;
        let authority = authority.rsplit('@').next()?;
        let (host, port) = authority.rsplit_once(':')?;
        Some((host.to_owned(), port.parse().ok()?))
    })
}

/// What `deploy/secrets.sh` makes, somewhere else.
pub(super) struct Secrets(TempDir);

impl Secrets {
    pub(super) fn make() -> Result<Self> {
        let secrets = Self(tempfile::tempdir()?);
        secrets.make_again()?;
        Ok(secrets)
    }

    pub(super) fn make_again(&self) -> Result<()> {
        let made = Command::new(root().join("deploy/secrets.sh"))
            .arg(self.path())
            .status()?;
        ensure!(made.success(), "deploy/secrets.sh: {made}");
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// A value whose secret is where it is here.
    pub(super) fn here(&self, value: &str) -> String {
        match value.strip_prefix("/run/secrets/") {
            Some(name) => self.file(name).display().to_string(),
            None => value.to_owned(),
        }
    }

    /// A value, or that of the secret it names.
    pub(super) fn content(&self, value: &str) -> Result<String> {
        match value.strip_prefix("/run/secrets/") {
            Some(name) => self.read(name),
            None => Ok(value.to_owned()),
        }
    }

    pub(super) fn read(&self, name: &str) -> Result<String> {
        std::fs::read_to_string(self.file(name)).with_context(|| format!("the secret {name}"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

/// The official schema, of `schema/compose-spec.json` in compose-go v2.16.2 (Apache-2.0).
#[test]
fn the_file_is_one_by_the_schema_of_compose() -> Result<()> {
    let schema: Value = serde_json::from_str(include_str!("compose-spec.json"))?;
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    let broken = |error: &dyn Display| anyhow!("{error:#}");
    compiler
        .add_resource("compose-spec.json", schema)
        .map_err(|error| broken(&error))?;
    let schema = compiler
        .compile("compose-spec.json", &mut schemas)
        .map_err(|error| broken(&error))?;
    let mut file = file()?;
    schemas.validate(&file, schema).map_err(|error| broken(&error))?;
    file["services"]["gateway"]["helthcheck"] = Value::Null;
    ensure!(
        schemas.validate(&file, schema).is_err(),
        "a slip of the pen passes"
    );
    Ok(())
}

/// What is named within the file is in it, and what is mounted of this tree is there.
#[test]
fn networks_volumes_and_those_waited_for_are_there() -> Result<()> {
    let file = file()?;
    let mut mounted = Vec::new();
    for (name, service) in services(&file)? {
        for network in list(&service["networks"]).filter_map(Value::as_str) {
            ensure!(
                file["networks"].get(network).is_some(),
                "{name}: no network {network}"
            );
        }
        for volume in list(&service["volumes"]).filter_map(Value::as_str) {
            let (source, _) = volume.split_once(':').context("a volume")?;
            if source.starts_with('.') {
                ensure!(root().join(source).exists(), "{name}: there is no {source}");
            } else {
                ensure!(
                    file["volumes"].get(source).is_some(),
                    "{name}: no volume {source}"
                );
                mounted.push(source.to_owned());
            }
        }
        for (other, dependency) in service["depends_on"].as_object().into_iter().flatten() {
            let other_service = self::service(&file, other)?;
            let checked = other_service["healthcheck"]["test"].is_array();
            match dependency["condition"].as_str() {
                Some("service_healthy") => {
                    ensure!(checked, "{name} waits for {other}, which nobody looks at")
                }
                Some("service_completed_successfully") => {
                    ensure!(
                        other_service["restart"] == "no",
                        "{name} waits for the end of {other}"
                    );
                }
                _ => anyhow::bail!("{name} does not wait for {other}: {dependency}"),
            }
            // One of another profile may be missing.
            let always =
                other_service["profiles"].is_null() || other_service["profiles"] == service["profiles"];
            ensure!(
                always || dependency["required"] == false,
                "{name} needs {other}, which is not always there"
            );
        }
    }
    for volume in file["volumes"].as_object().context("volumes")?.keys() {
        ensure!(mounted.contains(volume), "nobody has the volume {volume}");
    }
    Ok(())
}

/// Each container has bounds, and gains no rights; those of SmartCourse have none to begin with.
#[test]
fn containers_have_bounds() -> Result<()> {
    let file = file()?;
    for (name, service) in services(&file)? {
        for bound in ["mem_limit", "cpus", "pids_limit", "logging", "restart"] {
            ensure!(!service[bound].is_null(), "{name} has no {bound}");
        }
        ensure!(
            list(&service["security_opt"]).any(|option| option == "no-new-privileges:true"),
            "{name} may gain privileges"
        );
        ensure!(service["privileged"].is_null(), "{name} is privileged");
        ensure!(service["container_name"].is_null(), "{name} cannot be scaled");
        if service["image"]
            .as_str()
            .is_some_and(|image| image.starts_with("smartcourse"))
        {
            ensure!(service["user"] == "65532:65532", "{name} runs as root");
            ensure!(service["read_only"] == true, "{name} writes its image");
            ensure!(
                service["cap_drop"] == serde_json::json!(["ALL"]),
                "{name} has capabilities"
            );
        }
    }
    Ok(())
}
