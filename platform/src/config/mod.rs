//! Configuration: every [`Section`] is declared by what reads it; defaults, an optional file and the environment are merged
//! here, and checked as a whole.

mod environment;
mod sections;
mod temporal;

use std::{fmt, path::Path, time::Duration};

use figment::{
    Figment,
    providers::{Format, Toml},
    value::{Dict, Value},
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::error::{Error, Result};
pub use environment::{in_a_file, is_given, variable};
pub use sections::{Grpc, Postgres, Relay, Tasks, Telemetry, Upkeep};
pub use temporal::Temporal;

/// What the defaults begin with when they are printed.
const PREAMBLE: &str = "\
# SmartCourse: every setting with its default.
#
# Settings are read from here, then from the file named by --config (or SMARTCOURSE_CONFIG), then from the environment:
# SMARTCOURSE_<SECTION>__<KEY>, such as SMARTCOURSE_GATEWAY__LISTEN=0.0.0.0:8080. Names that stand below beside a setting,
# such as DATABASE_URL, are understood too. With _FILE appended a variable names a file that has the value: DATABASE_URL_FILE.
# `smartcourse config print` shows the result, `smartcourse config check` says everything that is wrong with it at once.
";

/// Settings that belong together, declared by what reads them. Several may share a name: each has keys of its own.
pub trait Section: DeserializeOwned + fmt::Debug {
    /// Its name in the file.
    const NAME: &'static str;

    /// Says what is wrong with the values; nothing, unless a section says otherwise.
    fn check(&self, _problems: &mut Problems) {}
}

/// What is wrong with the values of a configuration.
#[derive(Debug, Default)]
pub struct Problems(Vec<String>);

impl Problems {
    /// Notes the problem unless the condition holds.
    pub fn require(&mut self, holds: bool, problem: impl Into<String>) {
        if !holds {
            self.0.push(problem.into());
        }
    }

    /// Notes a number of days that cannot be meant.
    pub fn days(&mut self, name: &str, Days(days): Days) {
        self.require(
            (1..=36_500).contains(&days),
            format!("{name}: must be 1 to 36500"),
        );
    }
}

/// For how many days something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Days(u64);

impl From<Days> for Duration {
    fn from(Days(days): Days) -> Self {
        Self::from_secs(days * 24 * 3600)
    }
}

/// What one crate declares: the defaults of its settings, and the sections it reads.
#[derive(Debug, Clone, Copy)]
pub struct Declared {
    /// A TOML file; the comments are the documentation. Several may have keys in one section.
    pub defaults: &'static str,
    /// What reads them.
    pub sections: &'static [Reader],
    /// Environment variables of other names that are understood too, and the setting each is.
    pub variables: &'static [(&'static str, &'static str)],
}

impl Declared {
    /// Defaults and what reads them.
    pub const fn of(defaults: &'static str, sections: &'static [Reader]) -> Self {
        Self {
            defaults,
            sections,
            variables: &[],
        }
    }
}

/// A section as those who load the configuration know it.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    check: fn(&Figment, &mut Problems),
    show: fn(&Figment) -> Result<String>,
}

impl Reader {
    /// That of a section.
    pub const fn of<S: Section>() -> Self {
        Self {
            check: |values, problems| match values.focus(S::NAME).extract::<S>() {
                Ok(section) => section.check(problems),
                Err(error) => problems.0.extend(
                    error
                        .into_iter()
                        .map(|wrong| format!("{}.{}: {}", S::NAME, wrong.path.join("."), wrong.kind)),
                ),
            },
            show: |values| Ok(format!("{:#?}\n", section::<S>(values)?)),
        }
    }
}

fn section<S: Section>(values: &Figment) -> Result<S> {
    values
        .extract_inner(S::NAME)
        .map_err(|error| Error::internal(format!("the settings of {} are not there", S::NAME)).because(error))
}

/// What the platform itself declares.
const PLATFORM: Declared = Declared {
    defaults: include_str!("default.toml"),
    sections: &[
        Reader::of::<Telemetry>(),
        Reader::of::<Postgres>(),
        Reader::of::<Temporal>(),
        Reader::of::<Grpc>(),
        Reader::of::<Relay>(),
        Reader::of::<Tasks>(),
        Reader::of::<Upkeep>(),
    ],
    variables: &[
        ("DATABASE_URL", "postgres.url"),
        ("DATABASE_DIRECT_URL", "postgres.direct_url"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.otlp_endpoint"),
        ("TEMPORAL_ADDRESS", "temporal.address"),
        ("TEMPORAL_NAMESPACE", "temporal.namespace"),
        ("TEMPORAL_API_KEY", "temporal.api_key"),
        ("TEMPORAL_TLS", "temporal.tls"),
        ("TEMPORAL_TLS_CLIENT_CERT_PATH", "temporal.tls_client_cert_path"),
        ("TEMPORAL_TLS_CLIENT_KEY_PATH", "temporal.tls_client_key_path"),
        (
            "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
            "temporal.tls_server_ca_cert_path",
        ),
        ("TEMPORAL_TLS_SERVER_NAME", "temporal.tls_server_name"),
    ],
};

/// The configuration: what the platform reads, and by [`section`](Self::section) what others do. It has no `Debug` form: that of
/// its values would show secrets, which [`show`](Self::show) does not.
#[derive(Clone, Deserialize)]
pub struct Config {
    /// Logs and metrics.
    pub telemetry: Telemetry,
    /// The database.
    pub postgres: Postgres,
    /// The workflow server.
    pub temporal: Temporal,
    /// Internal calls.
    pub grpc: Grpc,
    /// The outbox relay.
    pub relay: Relay,
    /// Background tasks.
    pub tasks: Tasks,
    /// How long what is settled is kept.
    pub upkeep: Upkeep,
    #[serde(skip)]
    values: Figment,
}

/// Notes an address that is none.
pub fn require_address(problems: &mut Problems, name: &str, address: &str) {
    let (host, port) = address.rsplit_once(':').unwrap_or_default();
    problems.require(
        !host.is_empty() && port.parse::<u16>().is_ok(),
        format!("{name}: `{address}` is not host:port, such as 127.0.0.1:7101"),
    );
}

/// Everything that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is wrong:\n{}", .0.iter().map(|p| format!("  - {p}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// Reads the defaults of these sections and the platform's, the optional file, and the environment as it is once these variables
    /// are set in it, then checks the result. The error names every problem at once.
    pub fn load(
        declared: &[Declared],
        file: Option<&Path>,
        variables: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let mut defaults = Figment::new();
        for declared in all(declared) {
            defaults = defaults.merge(Toml::string(declared.defaults));
        }
        let mut values = defaults.clone();
        if let Some(path) = file {
            if !path.is_file() {
                return Err(ConfigError(vec![format!("{} is not a file", path.display())]));
            }
            values = values.merge(Toml::file_exact(path));
        }
        let mut problems = Problems::default();
        for (key, value) in environment::settings(declared, &defaults, variables, &mut problems) {
            values = values.merge((key, value));
        }
        problems.0.extend(unknown(&defaults, &values));
        for section in all(declared).flat_map(|declared| declared.sections) {
            (section.check)(&values, &mut problems);
        }
        let config = Self::of(values).map_err(|error| {
            // What cannot be read is among the problems already.
            problems.require(!problems.0.is_empty(), error.chain());
            ConfigError(std::mem::take(&mut problems.0))
        })?;
        let idle = config.postgres.idle_transaction_seconds;
        problems.require(
            idle <= 86_400 && u64::from(idle) > 3 * config.grpc.timeout_seconds,
            "postgres.idle_transaction_seconds: must be more than 3 times grpc.timeout_seconds, 86400 at most",
        );
        match problems.0.is_empty() {
            true => Ok(config),
            false => Err(ConfigError(problems.0)),
        }
    }

    fn of(values: Figment) -> Result<Self> {
        let config: Self = values
            .extract()
            .map_err(|error| Error::internal("the settings of the platform are not there").because(error))?;
        Ok(Self { values, ..config })
    }

    /// A section somebody else than the platform reads; `internal` when it was not declared for [`load`](Self::load).
    pub fn section<S: Section>(&self) -> Result<S> {
        section(&self.values)
    }

    /// One setting, such as `gateway.listen`, for those who do not own its section; `internal` without such a setting.
    pub fn setting<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        self.values
            .extract_inner(key)
            .map_err(|error| Error::internal(format!("the setting {key} is not there")).because(error))
    }

    /// The documented defaults as one file.
    pub fn defaults(declared: &[Declared]) -> String {
        let mut sections: Vec<(&str, String)> = Vec::new();
        let mut current = 0;
        for line in all(declared).flat_map(|declared| declared.defaults.lines()) {
            if let Some(header) = line.strip_prefix('[').filter(|header| header.ends_with(']')) {
                let known = sections.iter().position(|(name, _)| *name == header);
                current = known.unwrap_or(sections.len());
                if known.is_none() {
                    sections.push((header, format!("\n{line}\n")));
                }
            } else if !line.is_empty() {
                sections[current].1 += &format!("{line}\n");
            }
        }
        let sections = sections.into_iter().map(|(_, text)| text);
        std::iter::once(PREAMBLE.to_owned()).chain(sections).collect()
    }

    /// The values in force; secrets are left out. `internal` for a section that was not declared for [`load`](Self::load).
    pub fn show(&self, declared: &[Declared]) -> Result<String> {
        let sections = all(declared).flat_map(|declared| declared.sections);
        sections.map(|section| (section.show)(&self.values)).collect()
    }

    /// The deadline of internal calls.
    pub fn grpc_timeout(&self) -> Duration {
        Duration::from_secs(self.grpc.timeout_seconds)
    }
}

/// What the platform declares and what others do.
fn all(declared: &[Declared]) -> impl Iterator<Item = &Declared> {
    std::iter::once(&PLATFORM).chain(declared)
}

/// The settings that have no default: every setting has one.
fn unknown(defaults: &Figment, values: &Figment) -> Vec<String> {
    let read = |figment: &Figment| figment.extract::<Dict>().unwrap_or_default();
    let (known, given) = (read(defaults), read(values));
    let mut unknown = Vec::new();
    for (section, value) in &given {
        let Some(known) = known.get(section).and_then(Value::as_dict) else {
            unknown.push(format!("there is no section `{section}`"));
            continue;
        };
        let keys = value.as_dict().into_iter().flatten().map(|(key, _)| key);
        unknown.extend(
            keys.filter(|key| !known.contains_key(*key))
                .map(|key| format!("there is no setting `{section}.{key}`")),
        );
    }
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_documented_defaults_are_valid_and_one_file() {
        Config::load(&[], None, &[]).expect("defaults");
        let file = Figment::from(Toml::string(&Config::defaults(&[])));
        assert!(Config::of(file).is_ok());
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let wrong = variables(&[
            ("SMARTCOURSE_GRPC__USER", "nowhere"),
            ("SMARTCOURSE_TASKS__CONCURRENCY", "many"),
            ("SMARTCOURSE_TASKS__SPEED", "1"),
            ("SMARTCOURSE_MAGIC__WORD", "please"),
            ("DATABASE_URL", "mysql://x"),
        ]);
        let problems = Config::load(&[], None, &wrong).err().expect("is refused").0;
        assert_eq!(problems.len(), 5, "{problems:#?}");
        assert!(
            problems
                .iter()
                .any(|problem| problem.starts_with("tasks.concurrency: invalid type"))
        );
    }
}
