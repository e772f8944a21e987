//! `smartcourse codec-server`: shows payloads that are encrypted to Temporal's web interface and command line. It runs only where
//! somebody starts it, since whoever may ask it reads everything.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::post,
};
use secrecy::{ExposeSecret as _, SecretString};
use smartcourse_engines::workflows::remote_codec::{Direction, RemoteCodec, Settings};
use smartcourse_platform::{
    config::Config,
    lifecycle::Lifecycle,
    server::{self, Limits},
};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// The namespace the payloads are from.
const NAMESPACE: HeaderName = HeaderName::from_static("x-namespace");
/// Bytes of a request: a page of a history has hundreds of payloads, of 2 MiB each at most.
const MAX_BODY: usize = 64 << 20;

/// What a request is held against.
struct Desk {
    codec: RemoteCodec,
    namespace: String,
    token: SecretString,
}

/// Serves until the process stops. Fails when a setting cannot be used or the port is taken.
pub(crate) async fn run(config: Config) -> Result<ExitCode> {
    let settings: Settings = config.section()?;
    let desk = Desk {
        codec: RemoteCodec::open(&config)?,
        namespace: config.temporal.namespace.clone(),
        token: settings.token,
    };
    let origins = match settings.origins.is_empty() {
        true => &config.temporal.ui_url,
        false => &settings.origins,
    };
    let origins = origins
        .split(',')
        .map(str::trim)
        .filter(|origin| !origin.is_empty());
    let origins: Vec<HeaderValue> = origins.map(origin).collect::<Result<_>>()?;
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, NAMESPACE])
        .allow_credentials(true);
    let app = Router::new()
        .route("/encode", post(encode))
        .route("/decode", post(decode))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(cors)
        .with_state(Arc::new(desk));
    let listener = crate::roles::listen(&settings.listen).await?;
    let life = Lifecycle::with_signals().context("signals cannot be handled")?;
    life.spawn(
        "codec server",
        server::serve(listener, app, Limits::ASIDE, None, life.clone()),
    );
    tracing::info!(address = settings.listen, "serving");
    Ok(crate::roles::finish(life).await)
}

/// An origin as browsers send it.
fn origin(address: &str) -> Result<HeaderValue> {
    let wrong = || format!("codec_server.origins: `{address}` is no address of a web interface");
    let url = reqwest::Url::parse(address).with_context(wrong)?;
    HeaderValue::from_str(&url.origin().ascii_serialization()).with_context(wrong)
}

async fn encode(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    desk.answer(Direction::Encode, &headers, &body)
}

async fn decode(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    desk.answer(Direction::Decode, &headers, &body)
}

impl Desk {
    /// Refusals are sentences: the web interface shows them as they are.
    fn answer(&self, direction: Direction, headers: &HeaderMap, body: &[u8]) -> Response {
        let said = |name| {
            headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let token = self.token.expose_secret();
        let shown = said(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        if !token.is_empty() && shown != Some(token) {
            return (StatusCode::UNAUTHORIZED, "codec_server.token is missing or wrong").into_response();
        }
        if said(NAMESPACE).is_some_and(|namespace| namespace != self.namespace) {
            let refusal = format!("this is the codec server of namespace {}", self.namespace);
            return (StatusCode::BAD_REQUEST, refusal).into_response();
        }
        match self.codec.answer(direction, body) {
            Ok(answer) => ([(header::CONTENT_TYPE, "application/json")], answer).into_response(),
            Err(error) => (error.http_status(), error.detail().to_owned()).into_response(),
        }
    }
}
