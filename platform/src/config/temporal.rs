//! The section of the workflow server: where it is, how the connection is protected, what a worker does at once.

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, de::Error as _};

use super::{Problems, Section, require_address};

/// `[temporal]`
#[derive(Debug, Clone, Deserialize)]
pub struct Temporal {
    /// `host:port` of the frontend.
    pub address: String,
    /// Namespace.
    pub namespace: String,
    /// What lets us in, or empty.
    pub api_key: SecretString,
    /// Whether the connection is encrypted; `None` leaves it to the settings that need it.
    #[serde(deserialize_with = "switch")]
    tls: Option<bool>,
    /// File of the certificate we show, or empty.
    pub tls_client_cert_path: String,
    /// File of its key, or empty.
    pub tls_client_key_path: String,
    /// File of the authority that signed the server's certificate, or empty for those of the machine.
    pub tls_server_ca_cert_path: String,
    /// The name in the server's certificate, or empty for the host of the address.
    pub tls_server_name: String,
    /// Base address of the web UI, or empty.
    pub ui_url: String,
    /// Seconds before a lost worker's workflows move to another.
    pub sticky_timeout_seconds: u64,
    /// Activities one worker runs at once.
    pub max_activities: usize,
}

impl Section for Temporal {
    const NAME: &'static str = "temporal";

    fn check(&self, problems: &mut Problems) {
        require_address(problems, "temporal.address", &self.address);
        problems.require(
            !self.namespace.is_empty(),
            "temporal.namespace: must not be empty",
        );
        problems.require(
            self.tls_client_cert_path.is_empty() == self.tls_client_key_path.is_empty(),
            "temporal.tls_client_cert_path, temporal.tls_client_key_path: a certificate and its key are set together",
        );
        // It is sent as a header.
        problems.require(
            self.api_key
                .expose_secret()
                .bytes()
                .all(|byte| byte.is_ascii_graphic()),
            "temporal.api_key: must be printable ASCII without spaces",
        );
    }
}

/// A switch as Temporal's own tools read it: `true`, `false`, `1`, `0`, or nothing.
fn switch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Switch(bool),
        Number(u64),
        Text(String),
    }
    let text = match Given::deserialize(deserializer)? {
        Given::Switch(on) => return Ok(Some(on)),
        Given::Number(number) => number.to_string(),
        Given::Text(text) => text.to_lowercase(),
    };
    match text.as_str() {
        "" => Ok(None),
        "true" | "1" => Ok(Some(true)),
        "false" | "0" => Ok(Some(false)),
        _ => Err(D::Error::custom("must be true, false or \"\"")),
    }
}

impl Temporal {
    /// Whether the connection is encrypted: as it is said, else whenever a key or a certificate is named.
    pub fn is_encrypted(&self) -> bool {
        self.tls.unwrap_or_else(|| {
            let named = [
                self.api_key.expose_secret(),
                self.tls_client_cert_path.as_str(),
                &self.tls_server_ca_cert_path,
                &self.tls_server_name,
            ];
            named.iter().any(|setting| !setting.is_empty())
        })
    }

    /// Link to a workflow in the web UI; empty when no UI is configured.
    pub fn workflow_link(&self, workflow_id: &str, run_id: Option<&str>) -> String {
        if self.ui_url.is_empty() {
            return String::new();
        }
        let (ui, namespace) = (self.ui_url.trim_end_matches('/'), &self.namespace);
        let base = format!("{ui}/namespaces/{namespace}/workflows/{workflow_id}");
        match run_id {
            Some(run) if !run.is_empty() => format!("{base}/{run}/history"),
            _ => base,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn load(variables: &[(&str, &str)]) -> Result<super::Temporal, Vec<String>> {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let loaded = Config::load(&[], None, &variables);
        loaded.map(|config| config.temporal).map_err(|error| error.0)
    }

    #[test]
    fn a_key_or_a_certificate_means_encryption_unless_it_is_switched_off() {
        let encrypted = |variables: &[_]| load(variables).expect("valid").is_encrypted();
        assert!(!encrypted(&[]));
        for on in ["true", "True", "1"] {
            assert!(encrypted(&[("TEMPORAL_TLS", on)]), "{on}");
        }
        assert!(encrypted(&[("TEMPORAL_API_KEY", "k3y")]));
        assert!(encrypted(&[("TEMPORAL_TLS_SERVER_NAME", "temporal")]));
        for off in ["false", "0"] {
            assert!(
                !encrypted(&[("TEMPORAL_API_KEY", "k3y"), ("TEMPORAL_TLS", off)]),
                "{off}"
            );
        }
    }

    #[test]
    fn what_cannot_be_meant_is_said_by_the_name_of_the_setting() {
        let wrong = [
            ("TEMPORAL_TLS", "perhaps", "temporal.tls: must be true"),
            (
                "TEMPORAL_TLS_CLIENT_CERT_PATH",
                "/c.pem",
                "temporal.tls_client_cert_path,",
            ),
            ("TEMPORAL_API_KEY", "two words", "temporal.api_key:"),
            ("TEMPORAL_NAMESPACE", "", "temporal.namespace:"),
        ];
        for (variable, value, problem) in wrong {
            let problems = load(&[(variable, value)]).expect_err(variable);
            assert!(
                problems.iter().any(|said| said.starts_with(problem)),
                "{variable}: {problems:?}"
            );
        }
    }
}
