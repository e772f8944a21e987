//! `docker-compose.yml`, as far as it says what runs under a profile, with which command and environment.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// What the profile is called within the file.
const PROFILE: &str = "${COMPOSE_PROFILES";

#[derive(Deserialize)]
struct File {
    services: BTreeMap<String, Service>,
}

/// Schema and consistency are the suite's to check, so what is not needed here is passed over.
#[derive(Deserialize)]
struct Service {
    image: String,
    #[serde(default)]
    profiles: Vec<String>,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    env_file: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
}

/// A container.
#[derive(Debug)]
pub(crate) struct Container {
    /// Its image without the tag.
    pub(crate) image: String,
    /// What it is started with.
    pub(crate) command: Vec<String>,
    /// All it is told, also by files.
    pub(crate) environment: BTreeMap<String, String>,
}

impl Container {
    /// Whether it is one of SmartCourse.
    pub(crate) fn is_ours(&self) -> bool {
        self.image.starts_with("smartcourse")
    }
}

/// The containers of a file under a profile, by their names, which are those of their hosts.
pub(crate) fn read(file: &Path, profile: &str) -> Result<BTreeMap<String, Container>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let read: File = serde_saphyr::from_str(&text).with_context(|| format!("{}", file.display()))?;
    let root = file.parent().unwrap_or(Path::new("."));
    let here = read.services.into_iter().filter(|(_, service)| {
        service.profiles.is_empty() || service.profiles.iter().any(|one| one == profile)
    });
    here.map(|(name, service)| {
        let mut environment = BTreeMap::new();
        for file in &service.env_file {
            environment.extend(variables(&root.join(of_profile(file, profile)?))?);
        }
        environment.extend(service.environment);
        let (image, _) = service.image.rsplit_once(':').context("an image has a tag")?;
        let container = Container {
            image: image.to_owned(),
            command: service.command,
            environment,
        };
        Ok((name, container))
    })
    .collect()
}

/// A path with the profile in its place.
fn of_profile(path: &str, profile: &str) -> Result<String> {
    let Some((before, rest)) = path.split_once(PROFILE) else {
        return Ok(path.to_owned());
    };
    let Some((_, after)) = rest.split_once('}') else {
        bail!("{path} has a brace that is not closed");
    };
    Ok(format!("{before}{profile}{after}"))
}

/// The variables of a file of them.
fn variables(file: &Path) -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line
                .split_once('=')
                .with_context(|| format!("{}: {line} has no =", file.display()))?;
            Ok((name.to_owned(), value.to_owned()))
        })
        .collect()
}
