//! Logs: one line per event, readable on a terminal and JSON elsewhere, on standard error.

use std::io::IsTerminal as _;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::trace::{IdGenerator, SdkTracerProvider};
use serde::Deserialize;
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::dynamic_filter_fn, fmt, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::{
    statements,
    trace::{self, Traces},
};

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Text.
    Text,
    /// JSON.
    Json,
}

/// Traces on their way. What is left is sent when this is dropped.
#[derive(Debug)]
pub struct Sending(Option<SdkTracerProvider>);

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown()
        {
            tracing::debug!(%error, "the last traces were not sent");
        }
    }
}

/// Installs the subscriber of the process. `filter` is that of [`EnvFilter`]; one that cannot be read is `info`. Fails when the
/// address of the traces is none.
pub fn init(
    filter: &str,
    format: Format,
    traces: Option<&Traces<'_>>,
    ids: impl IdGenerator + 'static,
) -> Result<Sending, ExporterBuildError> {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let terminal = std::io::stderr().is_terminal();
    let json = match format {
        Format::Auto => !terminal,
        Format::Json => true,
        Format::Text => false,
    };
    let ratio = traces.map_or(0.0, |traces| traces.ratio);
    let provider = traces.map(|traces| trace::provider(traces, ids)).transpose()?;
    let spans = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("smartcourse"))
            .with_location(false)
            .with_threads(false)
            .with_filter(dynamic_filter_fn(move |metadata, _| {
                metadata.is_span()
                    && metadata.target().starts_with("smartcourse")
                    && trace::is_sent(metadata.name(), ratio)
            }))
    });
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if json {
        lines.json().flatten_event(true).with_current_span(true).boxed()
    } else {
        lines.with_target(false).with_ansi(terminal).boxed()
    };
    let registry = tracing_subscriber::registry()
        .with(spans)
        .with(statements::layer())
        .with(lines.with_filter(filter));
    if registry.try_init().is_err() {
        tracing::debug!("a subscriber is already installed");
    }
    Ok(Sending(provider))
}
