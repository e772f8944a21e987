//! A provider outside, for text messages, push messages and transcripts: it keeps every request and answers as it is told.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
};

use anyhow::Result;
use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse as _,
};
use tokio::{net::TcpListener, task::AbortHandle};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its path.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

/// What becomes of a call: a status, the seconds after which to come again, and a body.
pub type Said = (u16, Option<u32>, String);

/// An HTTP server on this machine; it ends when it is dropped.
pub struct Provider {
    /// Its address.
    pub url: String,
    desk: Desk,
    serving: AbortHandle,
}

#[derive(Clone)]
struct Desk {
    calls: Arc<Mutex<Vec<Call>>>,
    next: Arc<Mutex<VecDeque<Said>>>,
    status: Arc<AtomicU16>,
}

impl Provider {
    /// Starts one that answers 201.
    ///
    /// # Errors
    /// When there is no port for it.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let desk = Desk {
            calls: Arc::default(),
            next: Arc::default(),
            status: Arc::new(AtomicU16::new(201)),
        };
        let ours = desk.clone();
        let app = Router::new().fallback(async move |request: Request| ours.take(request).await);
        let serving = tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self {
            url,
            desk,
            serving: serving.abort_handle(),
        })
    }

    /// Answers with this status from now on.
    pub fn answer(&self, status: u16) {
        self.desk.status.store(status, Ordering::SeqCst);
    }

    /// Answers the next calls so, one after the other, and those behind them with the status.
    pub fn says(&self, says: impl IntoIterator<Item = Said>) {
        let next = self.desk.next.lock();
        next.unwrap_or_else(PoisonError::into_inner).extend(says);
    }

    /// The requests so far.
    pub fn calls(&self) -> Vec<Call> {
        let calls = self.desk.calls.lock();
        calls.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Desk {
    async fn take(&self, request: Request) -> axum::response::Response {
        let (parts, body) = request.into_parts();
        let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        let call = Call {
            path: parts.uri.path().to_owned(),
            headers: parts.headers,
            body: body.to_vec(),
        };
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(call);
        let said = self
            .next
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        if let Some((status, after, body)) = said {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            let after = after.map(|seconds| [(header::RETRY_AFTER, seconds.to_string())]);
            return match after {
                Some(after) => (status, after, body).into_response(),
                None => (status, body).into_response(),
            };
        }
        let status = StatusCode::from_u16(self.status.load(Ordering::SeqCst));
        // An address nobody should follow.
        let location = [(header::LOCATION, "http://127.0.0.1:1/")];
        (status.unwrap_or(StatusCode::BAD_REQUEST), location, "because").into_response()
    }
}
