//! The whole configuration: every section somebody declares.

use std::path::Path;

use smartcourse_platform::config::{Config, ConfigError, Declared};

/// What is declared besides the platform's own.
pub(crate) fn declared() -> Vec<Declared> {
    let mut declared = vec![
        smartcourse_gateway::config::CONFIG,
        smartcourse_user::config::CONFIG,
        smartcourse_content::config::CONFIG,
        smartcourse_assistant::config::CONFIG,
        smartcourse_enrollment::config::CONFIG,
        smartcourse_course::config::CONFIG,
        smartcourse_progress::config::CONFIG,
        smartcourse_notification::config::CONFIG,
    ];
    declared.extend_from_slice(smartcourse_engines::CONFIG);
    declared
}

/// Loads it; `variables` win over the environment's.
pub(crate) fn load(file: Option<&Path>, variables: &[(String, String)]) -> Result<Config, ConfigError> {
    Config::load(&declared(), file, variables)
}
