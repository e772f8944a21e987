//! Uploads of files, without ever holding one in memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::{
        DefaultBodyLimit, FromRequest as _, Multipart, Request, State,
        multipart::{Field, MultipartError},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::Stream;
use smartcourse_platform::{Error, Result, error::Problems, grpc::Actor};
use smartcourse_proto::content::{Asset, AssetHeader, AssetPart};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access,
    auth::SignedIn,
    codes,
    edge::{FORM_HEAD, Head, Id, IdempotencyKey, Json},
    state::App,
    stubs::UPLOAD_MESSAGE,
};

pub(crate) fn slow() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(upload))
}

/// Bytes of one message of the stream.
const PIECE: usize = 256 * 1024;
/// Messages on their way at most: what an upload costs in memory.
const IN_FLIGHT: usize = 4;
/// A client that sends nothing for this long has gone; it has as long until its file begins.
const IDLE: Duration = Duration::from_secs(30);

/// A form with one file.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the form in the OpenAPI document")]
pub(crate) struct AssetForm {
    /// The file; its name and bytes decide its type.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Upload a file
#[utoipa::path(post, path = "/courses/{id}/assets", tag = "content", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key answers the same file")),
    request_body(content = AssetForm, content_type = "multipart/form-data"),
    responses((status = 201, body = Asset)))]
async fn upload(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    mut request: Request,
) -> Result<Response> {
    access::require_owner(&app, actor, id.0).await?;
    if declared_length(request.headers()).is_some_and(|length| length > app.max_upload_bytes + FORM_HEAD) {
        return Err(too_large());
    }
    DefaultBodyLimit::apply(DefaultBodyLimit::disable(), &mut request);
    let head = Head::default();
    let request = request.map(|body| head.bound(body));
    let mut form = Multipart::from_request(request, &()).await.map_err(|rejection| {
        Error::new(&codes::UNSUPPORTED_TYPE, "the body must be multipart/form-data").because(rejection)
    })?;
    let end = Instant::now() + IDLE;
    while let Some(field) = timeout_at(end, form.next_field())
        .await
        .map_err(|_| stalled())?
        .map_err(|error| match head.is_too_long() {
            true => Error::new(&codes::BODY_TOO_LARGE, "the form has too much before its file"),
            false => broken_form(error),
        })?
    {
        if field.name() == Some("file") {
            head.ends();
            let asset = send(&app, actor, id.0, idempotency_key, field).await?;
            let location = [(header::LOCATION, format!("/courses/{}/assets/{}", id.0, asset.id))];
            return Ok((StatusCode::CREATED, location, Json(asset)).into_response());
        }
    }
    Err(Problems::one("file", "is missing from the form"))
}

/// Hands the file to the content service while it arrives.
async fn send(
    app: &App,
    actor: Actor,
    course_id: i64,
    idempotency_key: Option<String>,
    field: Field<'_>,
) -> Result<Asset> {
    let head = AssetHeader {
        course_id,
        filename: field.file_name().unwrap_or("file").to_owned(),
        content_type: field.content_type().map(str::to_owned),
        declared_size: declared_length(field.headers()).and_then(|size| i64::try_from(size).ok()),
        idempotency_key,
        range: None,
    };
    let (sender, parts) = channel(head);
    let call = app.stubs.uploads.upload_asset(actor.request(parts));
    let pump = pump(field, sender, app.max_upload_bytes);
    tokio::pin!(call, pump);
    let answer = tokio::select! {
        // The service may refuse before it has read everything.
        answer = &mut call => answer,
        sent = &mut pump => {
            sent?;
            call.await
        }
    };
    Ok(answer?)
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large() -> Error {
    Error::new(&codes::FILE_TOO_LARGE, "the file is larger than the limit")
}

fn broken_form(error: MultipartError) -> Error {
    Error::new(
        &codes::MALFORMED_REQUEST,
        "the form ended early or is not multipart/form-data",
    )
    .because(error)
}

fn stalled() -> Error {
    Error::new(&codes::BODY_TIMEOUT, "the upload stalled")
}

/// The sending end of an upload's stream.
struct Sender {
    parts: mpsc::Sender<AssetPart>,
    complete: Arc<AtomicBool>,
}

/// A stream of parts that ends well only when its sender said so.
///
/// A stream that merely ends looks like a whole file to the service. So whenever the sender goes away early, because
/// the client did or the form was cut off, the stream's last message is one larger than the client may send, which
/// makes the transport break the stream off.
fn channel(head: AssetHeader) -> (Sender, impl Stream<Item = AssetPart> + Send + 'static) {
    let (parts, mut receiver) = mpsc::channel(IN_FLIGHT);
    let complete = Arc::new(AtomicBool::new(false));
    let sender = Sender {
        parts,
        complete: Arc::clone(&complete),
    };
    let stream = async_stream::stream! {
        yield AssetPart { header: Some(head), data: Vec::new() };
        while let Some(part) = receiver.recv().await {
            yield part;
        }
        if !complete.load(Ordering::Acquire) {
            yield AssetPart { header: None, data: vec![0; UPLOAD_MESSAGE + 1] };
        }
    };
    (sender, stream)
}

/// Moves the file from the form to the stream.
async fn pump(mut field: Field<'_>, sender: Sender, limit: u64) -> Result<()> {
    let mut total = 0_u64;
    while let Some(mut chunk) = tokio::time::timeout(IDLE, field.chunk())
        .await
        .map_err(|_| stalled())?
        .map_err(broken_form)?
    {
        total += chunk.len() as u64;
        if total > limit {
            return Err(too_large());
        }
        while !chunk.is_empty() {
            let piece = chunk.split_to(chunk.len().min(PIECE));
            let part = AssetPart {
                header: None,
                data: piece.to_vec(),
            };
            if sender.parts.send(part).await.is_err() {
                // The service has answered; its answer says why.
                return Ok(());
            }
        }
    }
    sender.complete.store(true, Ordering::Release);
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn only_a_complete_upload_ends_well() {
        let data = |bytes: &[u8]| AssetPart {
            header: None,
            data: bytes.to_vec(),
        };
        let (sender, stream) = channel(AssetHeader::default());
        sender.parts.send(data(b"all")).await.expect("is open");
        sender.complete.store(true, Ordering::Release);
        drop(sender);
        assert_eq!(stream.collect::<Vec<_>>().await.len(), 2);

        let (sender, stream) = channel(AssetHeader::default());
        sender.parts.send(data(b"half")).await.expect("is open");
        drop(sender);
        let parts: Vec<_> = stream.collect().await;
        assert!(parts.last().is_some_and(|last| last.data.len() > UPLOAD_MESSAGE));
    }

    /// Over a real connection: what the service's end of the stream sees.
    async fn arrives_whole(complete: bool) -> bool {
        use smartcourse_platform::{
            config::Config,
            grpc::{Channels, Transport},
        };

        let (told, mut tell) = mpsc::channel(1);
        let service = axum::Router::new().fallback(async move |body: Body| {
            let whole = axum::body::to_bytes(body, usize::MAX).await.is_ok();
            let _ = told.send(whole).await;
            tonic::Status::unavailable("read").into_http::<Body>()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let config = Config::load(&[], None, &[]).expect("the defaults are valid").grpc;
        let channels = Channels::open(|_| Transport::remote(&config, &address)).expect("an address");
        let stubs = crate::Stubs::new(&channels);
        let (sender, stream) = channel(AssetHeader::default());
        let call = tokio::spawn(async move { stubs.uploads.upload_asset(stream).await });
        sender
            .parts
            .send(AssetPart {
                header: None,
                data: vec![7; PIECE],
            })
            .await
            .expect("is open");
        sender.complete.store(complete, Ordering::Release);
        drop(sender);
        let whole = tell.recv().await.expect("the service was called");
        call.abort();
        whole
    }

    #[tokio::test]
    async fn a_cut_off_upload_never_looks_whole_to_the_service() {
        assert!(arrives_whole(true).await);
        assert!(!arrives_whole(false).await);
    }
}
