//! Traces: spans of `tracing`, sent by OTLP, and carried over every hop as the
//! [`traceparent`](https://www.w3.org/TR/trace-context/#traceparent-header) of W3C.
//!
//! A trace begins with a request at the gateway, or with a workflow that another client started; its id is that of the request
//! ([`crate::request`]) where that can be one. What nobody asked for, such as polls and probes, is in no trace.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use opentelemetry::{
    Context, KeyValue, global,
    propagation::TextMapPropagator as _,
    trace::{Link, SpanContext, SpanId, SpanKind, TraceContextExt as _, TraceId},
};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    trace::{
        IdGenerator, RandomIdGenerator, Sampler, SamplingDecision, SamplingResult, SdkTracerProvider,
        ShouldSample, SpanData, SpanExporter as Export,
    },
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::{catalogue::TRACE_EXPORTS, request::request_id};

/// The header, and the key of outbox rows and messages, that carries a trace on.
pub const TRACEPARENT: &str = "traceparent";
/// The span of a request at the gateway.
pub const ENTRY: &str = "http";
/// Begin of the span of a run, in the words of Temporal's SDK.
const RUN: &str = "RunWorkflow:";

/// The id of the trace this task works in; where none is made, that of the request.
pub fn id() -> String {
    let context = Context::current();
    let span = context.span();
    if span.span_context().is_valid() {
        span.span_context().trace_id().to_string()
    } else {
        request_id()
    }
}

/// What carries the trace of this task to somebody else; `None` outside of one.
pub fn traceparent() -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&Context::current(), &mut carrier);
    carrier.remove(TRACEPARENT)
}

/// Makes a span that is part of the trace which was carried here, and says in its field `trace_id` in which trace it is. One that is no
/// trace is none.
pub fn join(traceparent: Option<&str>, span: impl FnOnce() -> Span) -> Span {
    let parent = traceparent.map(|traceparent| {
        let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
        TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
    });
    let span = {
        // Whether there is to be a span depends on it.
        let _attached = parent.clone().map(Context::attach);
        span()
    };
    if let Some(parent) = parent {
        // Fails where no traces are made.
        drop(span.set_parent(parent));
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    if context.is_valid() {
        span.record("trace_id", tracing::field::display(context.trace_id()));
    }
    span
}

/// Whether a span of ours is part of a trace that is sent. Others are not made, so that they cost nothing: of requests only that share
/// is followed, whoever calls from outside.
pub(crate) fn is_sent(name: &str, ratio: f64) -> bool {
    Context::map_current(|context| {
        let span = context.span();
        let parent = span.span_context();
        if name != ENTRY {
            return parent.is_sampled();
        }
        let id = if parent.is_valid() {
            parent.trace_id()
        } else {
            of_request().unwrap_or_else(|| RandomIdGenerator::default().new_trace_id())
        };
        let drawn =
            Sampler::TraceIdRatioBased(ratio).should_sample(None, id, name, &SpanKind::Server, &[], &[]);
        drawn.decision == SamplingDecision::RecordAndSample
    })
}

/// The id of a trace that begins with this request, where the request's can be one.
fn of_request() -> Option<TraceId> {
    let id = request_id();
    let id = (id.len() == 32).then(|| TraceId::from_hex(&id).ok()).flatten();
    id.filter(|id| *id != TraceId::INVALID)
}

/// Gives the span of this task a name that was not known when it began.
pub fn rename(name: String) {
    Context::current().span().update_name(name);
}

/// Where traces are sent, and how many of them.
#[derive(Debug, Clone)]
pub struct Traces<'a> {
    /// Address of an OTLP receiver, over gRPC.
    pub endpoint: &'a str,
    /// The share of requests whose traces are sent, from 0 to 1.
    pub ratio: f64,
    /// The role of this process.
    pub role: &'static str,
}

/// Makes traces from here on, with the given ids of spans. Must be called within a runtime. Fails when the address is none.
pub(crate) fn provider(
    traces: &Traces<'_>,
    ids: impl IdGenerator + 'static,
) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(traces.endpoint)
        .build()?;
    let resource = Resource::builder().with_service_name(format!("smartcourse-{}", traces.role));
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(Watched {
            exporter,
            failing: AtomicBool::default(),
        })
        .with_sampler(Begun(Sampler::TraceIdRatioBased(traces.ratio)))
        .with_id_generator(Ids(ids))
        .with_resource(resource.build())
        .build();
    global::set_tracer_provider(provider.clone());
    Ok(provider)
}

/// The id of a trace is that of its request.
#[derive(Debug)]
struct Ids<I>(I);

impl<I: IdGenerator> IdGenerator for Ids<I> {
    fn new_trace_id(&self) -> TraceId {
        of_request().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}

/// Decides of runs that another client of Temporal's started; requests have been drawn ([`is_sent`]), and all other spans follow theirs.
#[derive(Debug, Clone)]
struct Begun(Sampler);

impl ShouldSample for Begun {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let parent_span = parent.map(|parent| parent.span().span_context().clone());
        let parent_span = parent_span.filter(|span| span.is_valid());
        let sampler = match &parent_span {
            None if name.starts_with(RUN) => &self.0,
            parent if name == ENTRY || parent.as_ref().is_some_and(SpanContext::is_sampled) => {
                &Sampler::AlwaysOn
            }
            _ => &Sampler::AlwaysOff,
        };
        let mut drawn = sampler.should_sample(None, trace_id, name, kind, attributes, links);
        if let Some(parent) = parent_span {
            drawn.trace_state = parent.trace_state().clone();
        }
        drawn
    }
}

/// Counts what is sent; whoever waits for spans waits for nobody: a queue that is full loses them.
#[derive(Debug)]
struct Watched {
    exporter: SpanExporter,
    failing: AtomicBool,
}

impl Export for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let outcome = self.exporter.export(batch).await;
        let failed = outcome.is_err();
        let label = if failed { "error" } else { "ok" };
        TRACE_EXPORTS.add(1, [label]);
        match (&outcome, self.failing.swap(failed, Ordering::Relaxed)) {
            (Err(error), false) => {
                tracing::warn!(%error, "traces are not taken; they are lost until they are")
            }
            (Ok(()), true) => tracing::info!("traces are taken again"),
            _ => {}
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: std::time::Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use opentelemetry::trace::TracerProvider as _;
    use tracing::field::Empty;
    use tracing_subscriber::{fmt, layer::SubscriberExt as _};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("whole").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_request_is_drawn_and_what_follows_it_goes_with_it() {
        assert!(is_sent(ENTRY, 1.0) && !is_sent(ENTRY, 0.0));
        assert!(!is_sent("grpc", 1.0), "it is in no trace");
        for (flags, sent) in [("01", true), ("00", false)] {
            let traceparent = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
            let _span = join(Some(&traceparent), || {
                assert_eq!(is_sent("grpc", 0.0), sent, "{flags}");
                Span::none()
            });
        }
    }

    #[test]
    fn log_lines_say_in_which_trace_they_are() {
        let provider = SdkTracerProvider::builder()
            .with_id_generator(Ids(RandomIdGenerator::default()))
            .build();
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::registry()
            .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("test")))
            .with(fmt::layer().json().with_writer(move || writer.clone()));
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let traceparent = format!("00-{trace}-b7ad6b7169203331-01");
        tracing::subscriber::with_default(subscriber, || {
            let span = join(Some(&traceparent), || {
                tracing::info_span!("grpc", trace_id = Empty)
            });
            span.in_scope(|| {
                tracing::info!("said");
                assert_eq!(id(), trace);
            });
        });
        let lines = String::from_utf8(lines.0.lock().expect("whole").clone()).expect("text");
        assert!(lines.contains(&format!("\"trace_id\":\"{trace}\"")), "{lines}");
    }
}
