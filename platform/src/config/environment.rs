//! What the environment says: which setting a variable is, and values that are in files.

use std::{collections::BTreeMap, convert::Infallible};

use figment::{Figment, value::Value};

use super::{Declared, Problems, all};

/// What is appended to the name of a variable when it names the file that has the value, as Docker and Kubernetes hand out
/// secrets.
const IN_A_FILE: &str = "_FILE";

/// The variable of the environment that is read for a setting, which is named like `gateway.listen` or by a variable that is
/// understood, and the setting.
pub fn variable(declared: &[Declared], name: &str) -> Option<(String, String)> {
    let key = setting(declared, name).or_else(|| name.contains('.').then(|| name.to_owned()))?;
    let mut others = all(declared).flat_map(|declared| declared.variables);
    let variable = match others.find(|(_, other)| *other == key) {
        Some((variable, _)) => (*variable).to_owned(),
        None => format!("SMARTCOURSE_{}", key.replacen('.', "__", 1).to_uppercase()),
    };
    Some((variable, key))
}

/// The name of the variable that names a file with the value of this one.
pub fn in_a_file(variable: &str) -> String {
    format!("{variable}{IN_A_FILE}")
}

/// Whether the environment has this variable, or a file for it.
pub fn is_given(variable: &str) -> bool {
    std::env::var_os(variable).is_some() || std::env::var_os(in_a_file(variable)).is_some()
}

/// The settings that the environment names, as it is once these variables are set in it; later ones win.
pub(super) fn settings(
    declared: &[Declared],
    defaults: &Figment,
    variables: &[(String, String)],
    problems: &mut Problems,
) -> Vec<(String, Value)> {
    let mut environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    for (name, value) in variables {
        environment.remove(&in_a_file(name));
        environment.insert(name.clone(), value.clone());
    }
    let mut settings = Vec::new();
    // Names of their own win over those of settings.
    let (ours, others): (Vec<_>, Vec<_>) = environment
        .iter()
        .partition(|(name, _)| name.starts_with("SMARTCOURSE_"));
    for (name, value) in ours.into_iter().chain(others) {
        if let Some((variable, key, default)) = of_a_file(declared, defaults, name) {
            problems.require(
                !environment.contains_key(variable),
                format!("{variable}, {name}: both are set, unset one of them"),
            );
            match std::fs::read_to_string(value) {
                Ok(text) => settings.push((key, read(content(&text), Some(&default)))),
                Err(error) => problems.require(false, format!("{name}: {value} cannot be read: {error}")),
            }
        } else if let Some(key) = setting(declared, name) {
            let default = defaults.find_value(&key).ok();
            settings.push((key, read(value, default.as_ref())));
        }
    }
    settings
}

/// The setting an environment variable names, such as `gateway.listen` for `SMARTCOURSE_GATEWAY__LISTEN`.
fn setting(declared: &[Declared], variable: &str) -> Option<String> {
    let mut others = all(declared).flat_map(|declared| declared.variables);
    if let Some((_, key)) = others.find(|(name, _)| *name == variable) {
        return Some((*key).to_owned());
    }
    let (section, key) = variable.strip_prefix("SMARTCOURSE_")?.split_once("__")?;
    Some(format!("{}.{}", section.to_lowercase(), key.to_lowercase()))
}

/// The variable whose value is in the file that a variable of this name names, its setting and the default of that.
fn of_a_file<'a>(
    declared: &[Declared],
    defaults: &Figment,
    name: &'a str,
) -> Option<(&'a str, String, Value)> {
    let default = |name| {
        let key = setting(declared, name)?;
        let default = defaults.find_value(&key).ok()?;
        Some((key, default))
    };
    let variable = name.strip_suffix(IN_A_FILE)?;
    // A setting may be called so.
    if default(name).is_some() {
        return None;
    }
    default(variable).map(|(key, default)| (variable, key, default))
}

/// What a file has, without the line end that editors put there.
fn content(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// A value is text where the setting is: a secret may look like a number. Elsewhere numbers and booleans are read as such.
fn read(value: &str, default: Option<&Value>) -> Value {
    match default {
        Some(Value::String(..)) => Value::from(value),
        _ => value.parse().unwrap_or_else(|never: Infallible| match never {}),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use crate::config::Config;

    fn load(variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Config::load(&[], None, &variables).map_err(|error| error.0)
    }

    fn file(content: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn a_value_may_be_in_a_file() {
        let (url, token, seconds) = (file("postgres://db/x\n"), file("1234567890123456"), file("7\r\n"));
        let config = load(&[
            ("DATABASE_URL_FILE", url.path().to_str().unwrap()),
            (
                "SMARTCOURSE_GRPC__SERVICE_TOKEN_FILE",
                token.path().to_str().unwrap(),
            ),
            (
                "SMARTCOURSE_RELAY__POLL_SECONDS_FILE",
                seconds.path().to_str().unwrap(),
            ),
        ])
        .expect("valid");
        assert_eq!(config.postgres.url.expose_secret(), "postgres://db/x");
        assert_eq!(config.grpc.service_token.expose_secret(), "1234567890123456");
        assert_eq!(config.relay.poll_seconds, 7);
    }

    #[test]
    fn a_secret_may_look_like_a_number() {
        for token in ["1234567890123456", "true", "[]", "1e9", "\"quoted\""] {
            let config = load(&[("SMARTCOURSE_GRPC__SERVICE_TOKEN", token)]).expect("valid");
            assert_eq!(config.grpc.service_token.expose_secret(), token);
        }
        let config = load(&[("TEMPORAL_TLS", "true"), ("SMARTCOURSE_RELAY__POLL_SECONDS", "7")]);
        assert_eq!(config.expect("valid").relay.poll_seconds, 7);
    }

    #[test]
    fn a_value_and_a_file_with_it_are_one_too_many() {
        let url = file("postgres://db/x");
        let problems = load(&[
            ("DATABASE_URL", "postgres://db/y"),
            ("DATABASE_URL_FILE", url.path().to_str().unwrap()),
        ]);
        let problems = problems.err().expect("is refused");
        assert_eq!(
            problems,
            ["DATABASE_URL, DATABASE_URL_FILE: both are set, unset one of them"]
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let problems = load(&[("TEMPORAL_API_KEY_FILE", "/nowhere/key")]);
        let problems = problems.err().expect("is refused");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].starts_with("TEMPORAL_API_KEY_FILE: /nowhere/key cannot be read: "),
            "{problems:?}"
        );
    }
}
