//! A receiver of traces: it keeps every span it is sent.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    trace::v1::Span,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

/// A span, by what tests ask of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its trace, in hexadecimal digits.
    pub trace: String,
    /// Its own id.
    pub id: String,
    /// That of its parent; empty at the beginning of a trace.
    pub parent: String,
    /// What it is called.
    pub name: String,
    /// The role that sent it.
    pub role: String,
    /// The keys of its attributes.
    pub attributes: Vec<String>,
}

/// A receiver over OTLP's gRPC. Dropping it ends it.
pub struct Collector {
    spans: Spans,
    address: SocketAddr,
    server: JoinHandle<()>,
}

#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Seen>>>);

impl Collector {
    /// Listens on a port of its own.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let spans = Spans::default();
        let service = TraceServiceServer::new(spans.clone());
        let server = tokio::spawn(async move {
            let served = Server::builder().add_service(service);
            // It ends with the test that drops it.
            drop(served.serve_with_incoming(TcpIncoming::from(listener)).await);
        });
        Ok(Self {
            spans,
            address,
            server,
        })
    }

    /// Where it is, as `telemetry.otlp_endpoint` has it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans of a trace that have come so far.
    pub fn trace(&self, id: &str) -> Vec<Seen> {
        let spans = self.spans.0.lock().unwrap_or_else(PoisonError::into_inner);
        spans.iter().filter(|span| span.trace == id).cloned().collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[tonic::async_trait]
impl TraceService for Spans {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for sent in request.into_inner().resource_spans {
            let attributes = sent.resource.unwrap_or_default().attributes;
            let name = attributes
                .into_iter()
                .find(|attribute| attribute.key == "service.name");
            let role = name.and_then(|name| name.value).map(|value| format!("{value:?}"));
            let spans = sent.scope_spans.into_iter().flat_map(|scope| scope.spans);
            known.extend(spans.map(|span| seen(span, role.clone().unwrap_or_default())));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn seen(span: Span, role: String) -> Seen {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Seen {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name,
        role,
        attributes: span.attributes.into_iter().map(|one| one.key).collect(),
    }
}
