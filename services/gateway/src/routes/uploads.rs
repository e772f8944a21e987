//! Uploads in parts, which go on where they broke off.

use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use smartcourse_platform::{Error, Result};
use smartcourse_proto::content::{Asset, AssetHeader, BeginUploadRequest, PartRef, Upload, UploadRef};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access,
    auth::SignedIn,
    codes,
    edge::{Body, Id, IdempotencyKey, Json, PathOf},
    sending::{declared_length, send},
    state::App,
};

pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(begin_upload))
        .routes(routes!(get_upload, delete_upload))
}

pub(crate) fn slow() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(send_part))
        .routes(routes!(complete_upload))
}

/// Begin to upload a file in parts
#[utoipa::path(post, path = "/courses/{id}/assets/uploads", tag = "content", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key answers the same upload")),
    request_body = BeginUploadRequest, responses((status = 201, body = Upload)))]
async fn begin_upload(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    mut body: Body,
) -> Result<Response> {
    access::require_owner(&app, actor, id.0).await?;
    let mut request: BeginUploadRequest = body.json().await?;
    request.course_id = id.0;
    request.idempotency_key = idempotency_key;
    let upload = app.stubs.content.begin_upload(actor.request(request)).await?;
    let location = [(header::LOCATION, place(&upload))];
    Ok((StatusCode::CREATED, location, Json(addressed(upload))).into_response())
}

/// Which parts of an upload are there, and where the others go
#[utoipa::path(get, path = "/courses/{id}/assets/uploads/{uid}", tag = "content", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), ("uid" = String, Path, description = "The upload")),
    responses((status = 200, body = Upload)))]
async fn get_upload(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf((course_id, upload_id)): PathOf<(i64, String)>,
) -> Result<Json<Upload>> {
    access::require_owner(&app, actor, course_id).await?;
    let request = UploadRef { course_id, upload_id };
    let upload = app.stubs.content.get_upload(actor.request(request)).await?;
    Ok(Json(addressed(upload)))
}

/// Give an upload up, with the parts that are there
#[utoipa::path(delete, path = "/courses/{id}/assets/uploads/{uid}", tag = "content", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), ("uid" = String, Path, description = "The upload")),
    responses((status = 204)))]
async fn delete_upload(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf((course_id, upload_id)): PathOf<(i64, String)>,
) -> Result<StatusCode> {
    access::require_owner(&app, actor, course_id).await?;
    let request = UploadRef { course_id, upload_id };
    app.stubs.content.delete_upload(actor.request(request)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Send a part of an upload; one that is there is replaced
#[utoipa::path(put, path = "/courses/{id}/assets/uploads/{uid}/parts/{n}", tag = "content", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), ("uid" = String, Path, description = "The upload"),
        ("n" = i32, Path, description = "The number of the part")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 204)))]
async fn send_part(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf((course_id, upload_id, number)): PathOf<(i64, String, i32)>,
    request: Request,
) -> Result<StatusCode> {
    access::require_owner(&app, actor, course_id).await?;
    let head = AssetHeader {
        course_id,
        declared_size: declared_length(request.headers()).and_then(|size| i64::try_from(size).ok()),
        part: Some(PartRef { upload_id, number }),
        ..AssetHeader::default()
    };
    let bytes = request.into_body().into_data_stream().map_err(broken).boxed();
    let call = |parts| app.stubs.uploads.send_part(actor.request(parts)).boxed();
    send(head, bytes, app.max_upload_bytes, call).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn broken(error: axum::Error) -> Error {
    Error::new(&codes::MALFORMED_REQUEST, "the part ended early").because(error)
}

/// Make the file of its parts
#[utoipa::path(post, path = "/courses/{id}/assets/uploads/{uid}/complete", tag = "content", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), ("uid" = String, Path, description = "The upload")),
    responses((status = 201, body = Asset)))]
async fn complete_upload(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf((course_id, upload_id)): PathOf<(i64, String)>,
) -> Result<Response> {
    access::require_owner(&app, actor, course_id).await?;
    let request = UploadRef { course_id, upload_id };
    // It takes as long as reading and writing the whole file.
    let asset = app.stubs.uploads.complete_upload(actor.request(request)).await?;
    let location = [(
        header::LOCATION,
        format!("/courses/{course_id}/assets/{}", asset.id),
    )];
    Ok((StatusCode::CREATED, location, Json(asset)).into_response())
}

fn place(upload: &Upload) -> String {
    format!("/courses/{}/assets/uploads/{}", upload.course_id, upload.id)
}

/// The upload with our own URL of each part that the store takes by way of us alone.
fn addressed(mut upload: Upload) -> Upload {
    let place = place(&upload);
    for part in &mut upload.parts {
        let ours = || format!("{place}/parts/{}", part.number);
        part.url.get_or_insert_with(ours);
    }
    upload
}
