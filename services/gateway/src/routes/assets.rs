//! Uploads of files in one request.

use axum::{
    extract::{
        DefaultBodyLimit, FromRequest as _, Multipart, Request, State,
        multipart::{Field, MultipartError},
    },
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use smartcourse_platform::{Error, Result, error::Problems, grpc::Actor};
use smartcourse_proto::content::{Asset, AssetHeader};
use tokio::time::{Instant, timeout_at};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access,
    auth::SignedIn,
    codes,
    edge::{FORM_HEAD, Head, Id, IdempotencyKey, Json},
    sending::{self, IDLE, declared_length, stalled, too_large},
    state::App,
};

pub(crate) fn slow() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(upload))
}

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
        ..AssetHeader::default()
    };
    let call = |parts| app.stubs.uploads.upload_asset(actor.request(parts)).boxed();
    sending::send(
        head,
        field.map_err(broken_form).boxed(),
        app.max_upload_bytes,
        call,
    )
    .await
}

fn broken_form(error: MultipartError) -> Error {
    Error::new(
        &codes::MALFORMED_REQUEST,
        "the form ended early or is not multipart/form-data",
    )
    .because(error)
}
