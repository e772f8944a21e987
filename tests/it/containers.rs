//! What a container engine would find in `docker-compose.yml` and `deploy/Dockerfile`, and a cluster in the chart, where none runs: the
//! file is one, images and variables are known, and who calls whom is there and listens.

mod chart;
mod file;
mod helm;
mod images;
mod like;

use std::{collections::BTreeMap, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use smartcourse_platform::{
    config::{self, Grpc},
    grpc::ServiceName,
};

use crate::{compose::Container, executable, root};
use file::{PROFILES, Secrets, file, list, service, services, text};

/// The containers of SmartCourse under a profile.
fn ours(profile: &str) -> Result<BTreeMap<String, Container>> {
    let containers = crate::compose::read(&root().join("docker-compose.yml"), profile)?;
    Ok(containers
        .into_iter()
        .filter(|(_, container)| container.is_ours())
        .collect())
}

/// A command as a container has it: with its variables and no others, and its secrets where they are here.
fn contained(container: &Container, secrets: &Secrets, args: &[&str]) -> Command {
    let mut command = Command::new(executable());
    command.args(args).env_clear();
    for (name, value) in &container.environment {
        command.env(name, secrets.here(value));
    }
    command
}

fn succeeds(mut command: Command, what: &str) -> Result<()> {
    let output = command.output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{what}: {told}");
    Ok(())
}

#[test]
fn every_role_has_a_container() -> Result<()> {
    let mut wanted: Vec<String> = ServiceName::ALL
        .iter()
        .map(|service| format!("serve --only {}", service.as_str()))
        .collect();
    wanted.extend(["serve --only gateway", "migrate", "relay", "tasks", "worker"].map(str::to_owned));
    wanted.sort();
    for profile in PROFILES {
        let containers = ours(profile)?;
        let mut commands: Vec<String> = containers
            .values()
            .map(|container| container.command.join(" "))
            .collect();
        commands.sort();
        ensure!(commands == wanted, "{profile}: {commands:?}");
        for (name, container) in &containers {
            // An argument that is not known is told before the help is.
            let mut command = Command::new(executable());
            command.args(&container.command).arg("--help");
            succeeds(command, name)?;
        }
    }
    Ok(())
}

/// Every variable that is set is one the code reads, and has a value it takes; every one it needs is set.
#[test]
fn containers_are_told_what_they_read_and_all_they_need() -> Result<()> {
    let declared = crate::config::declared();
    let secrets = Secrets::make()?;
    for profile in PROFILES {
        for (name, container) in ours(profile)? {
            let what = format!("{name} of {profile}");
            for variable in container.environment.keys() {
                let plain = variable.strip_suffix("_FILE").unwrap_or(variable);
                ensure!(
                    config::variable(&declared, plain).is_some(),
                    "{what}: nobody reads {variable}"
                );
            }
            succeeds(
                contained(&container, &secrets, &["config", "check"]),
                &format!("{what}: config check"),
            )?;
            let mut needed: Vec<String> = ServiceName::ALL
                .iter()
                .map(|service| format!("SMARTCOURSE_{}", Grpc::variable(*service)))
                .collect();
            needed.extend(
                [
                    "DATABASE_URL_FILE",
                    "SMARTCOURSE_CONTENT__FILES_DIR",
                    "SMARTCOURSE_GRPC__SERVICE_TOKEN_FILE",
                    "SMARTCOURSE_TELEMETRY__METRICS_LISTEN",
                    "TEMPORAL_ADDRESS",
                ]
                .map(str::to_owned),
            );
            for variable in needed {
                ensure!(
                    container.environment.contains_key(&variable),
                    "{what} lacks {variable}"
                );
            }
            // A default is an address of the machine one is on.
            for (variable, value) in &container.environment {
                ensure!(
                    !value.contains("127.0.0.1"),
                    "{what}: {variable} names the container itself"
                );
            }
        }
    }
    Ok(())
}

/// A file of a secret that is named is one the container is given.
#[test]
fn secrets_are_made_and_given_to_those_who_read_them() -> Result<()> {
    let (file, secrets) = (file()?, Secrets::make()?);
    let mut used = Vec::new();
    for (name, service) in services(&file)? {
        let given: Vec<&str> = list(&service["secrets"])
            .map(|secret| secret.as_str().or(secret["source"].as_str()).unwrap_or_default())
            .collect();
        let mut told = service.to_string();
        for env_file in list(&service["env_file"]).filter_map(Value::as_str) {
            for profile in PROFILES {
                let path = env_file.replace("${COMPOSE_PROFILES:?is full or minimal}", profile);
                told += &text(&path)?;
            }
        }
        for named in told.split("/run/secrets/").skip(1) {
            let end = named.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            let named = &named[..end.unwrap_or(named.len())];
            ensure!(
                given.contains(&named),
                "{name} reads the secret {named} and has it not"
            );
        }
        used.extend(given.into_iter().map(str::to_owned));
    }
    for (name, secret) in file["secrets"].as_object().context("secrets")? {
        ensure!(used.contains(name), "nobody has the secret {name}");
        ensure!(secret["file"] == format!("./secrets/{name}"), "{name}: {secret}");
        ensure!(
            !secrets.read(name)?.is_empty(),
            "deploy/secrets.sh does not make {name}"
        );
    }
    Ok(())
}

#[test]
fn secrets_are_by_chance_kept_and_nobody_elses() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let (one, other) = (Secrets::make()?, Secrets::make()?);
    let token = one.read("service_token")?;
    ensure!(
        token.len() == 48 && token != other.read("service_token")?,
        "{token}"
    );
    one.make_again()?;
    ensure!(token == one.read("service_token")?, "a secret was made anew");
    let mode = std::fs::metadata(one.path())?.permissions().mode();
    ensure!(mode.trailing_zeros() >= 6, "others may look: {mode:o}");
    // None has a value that stands in the tree.
    for name in ["docker-compose.yml", "deploy/compose/full.env"] {
        for word in ["PASSWORD:", "PASSWORD=", "TOKEN=", "SECRET_ACCESS_KEY="] {
            ensure!(!text(name)?.contains(word), "{name} has a {word}");
        }
    }
    Ok(())
}

/// Every `host:port` is that of a container on a network with the caller, which listens there.
#[test]
fn hosts_and_ports_are_those_of_containers() -> Result<()> {
    let (file, secrets) = (file()?, Secrets::make()?);
    for profile in PROFILES {
        let containers = crate::compose::read(&root().join("docker-compose.yml"), profile)?;
        for (name, container) in &containers {
            let mut addresses = Vec::new();
            for (variable, value) in &container.environment {
                let value = secrets.content(value)?;
                // What people reach is on their machine.
                let is_for_people = value.contains("//localhost:");
                if !is_for_people && !variable.contains("LISTENER") && !variable.contains("QUORUM") {
                    addresses.extend(file::addresses(&value).map(|at| (variable.clone(), at)));
                }
            }
            for (variable, (host, port)) in addresses {
                let host = if host == "0.0.0.0" { name.clone() } else { host };
                let what = format!("{name} of {profile}: {variable} names {host}:{port}");
                let called = containers
                    .get(&host)
                    .with_context(|| format!("{what}, no container"))?;
                ensure!(
                    images::ports(called)?.contains(&port),
                    "{what}, where nobody listens"
                );
                ensure!(
                    file::share_a_network(service(&file, name)?, service(&file, &host)?),
                    "{what}, on another network"
                );
            }
        }
    }
    Ok(())
}

/// Ports of this machine are for this machine alone, and lead to where somebody listens.
#[test]
fn published_ports_are_of_this_machine_and_lead_somewhere() -> Result<()> {
    let file = file()?;
    let containers = crate::compose::read(&root().join("docker-compose.yml"), "full")?;
    let mut taken = Vec::new();
    for (name, service) in services(&file)? {
        let Some(container) = containers.get(name) else {
            continue;
        };
        for port in list(&service["ports"]).filter_map(Value::as_str) {
            let parts: Vec<&str> = port.split(':').collect();
            let [address, outside, inside] = parts[..] else {
                anyhow::bail!("{name}: {port} is not address:port:port");
            };
            ensure!(address == "127.0.0.1", "{name}: others reach {port}");
            ensure!(
                !taken.contains(&outside.to_owned()),
                "{name}: {port} is another's"
            );
            taken.push(outside.to_owned());
            ensure!(
                images::ports(container)?.contains(&inside.parse()?),
                "{name}: nobody listens behind {port}"
            );
            ensure!(
                list(&service["networks"]).any(|network| network == "edge"),
                "{name}: its network has no way out for {port}"
            );
        }
    }
    ensure!(taken.len() > 5, "{taken:?}");
    Ok(())
}

/// Prometheus reads each process of SmartCourse, and nobody who is not there.
#[test]
fn prometheus_reads_every_process() -> Result<()> {
    let prometheus: Value = serde_saphyr::from_str(&text("deploy/prometheus/prometheus.yml")?)?;
    let containers = crate::compose::read(&root().join("docker-compose.yml"), "full")?;
    let mut read = Vec::new();
    let scraped = list(&prometheus["scrape_configs"]).flat_map(|job| list(&job["static_configs"]));
    let alerting =
        list(&prometheus["alerting"]["alertmanagers"]).flat_map(|one| list(&one["static_configs"]));
    for target in scraped
        .chain(alerting)
        .flat_map(|config| list(&config["targets"]))
    {
        let target = target.as_str().context("a target")?;
        let (host, port) = target.split_once(':').context("host:port")?;
        let called = containers
            .get(host)
            .with_context(|| format!("there is no container {host}"))?;
        ensure!(
            images::ports(called)?.contains(&port.parse()?),
            "nobody listens at {target}"
        );
        read.push(host.to_owned());
    }
    for (name, container) in ours("full")? {
        ensure!(
            container.command == ["migrate"] || read.contains(&name),
            "{name} is not read"
        );
    }
    for path in list(&prometheus["rule_files"]).filter_map(Value::as_str) {
        let here = path.replace("/etc/prometheus/", "deploy/prometheus/");
        ensure!(
            here.contains('*') || Path::new(&root()).join(&here).is_file(),
            "there is no {path}"
        );
    }
    Ok(())
}
