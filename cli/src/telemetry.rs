//! Logs: one line per event, readable on a terminal and JSON elsewhere, on standard error.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use smartcourse_platform::config::{LogFormat, Telemetry};

/// Installs the subscriber of the process.
pub(crate) fn init(config: &Telemetry) {
    let filter = EnvFilter::try_new(&config.log).unwrap_or_else(|_| EnvFilter::new("info"));
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let registry = tracing_subscriber::registry().with(filter);
    let json = match config.log_format {
        LogFormat::Auto => !terminal,
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    let lines = fmt::layer().with_writer(std::io::stderr);
    let installed = if json {
        let lines = lines.json().flatten_event(true).with_current_span(true);
        registry.with(lines).try_init()
    } else {
        registry
            .with(lines.with_target(false).with_ansi(terminal))
            .try_init()
    };
    if installed.is_err() {
        tracing::debug!("a subscriber is already installed");
    }
}
