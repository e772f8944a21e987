//! Reading files.

use async_stream::try_stream;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use smartcourse_platform::{Result, grpc::Actor};
use smartcourse_proto::content::{Asset, AssetHeader, AssetPart, GetAssetRequest};
use tonic::Status;

use crate::{
    State,
    store::{self, AssetRow},
};

/// Bytes of one part.
const PART_BYTES: usize = 256 * 1024;

pub(crate) async fn get(state: &State, actor: Actor, request: GetAssetRequest) -> Result<Asset> {
    readable(state, actor, &request).await.map(Into::into)
}

/// The file in parts; the first one carries the header and no data.
pub(crate) async fn read(
    state: &State,
    actor: Actor,
    request: GetAssetRequest,
) -> Result<BoxStream<'static, Result<AssetPart, Status>>> {
    let row = readable(state, actor, &request).await?;
    let mut bytes = state.deps.files.read(&row.storage_key).await?;
    let header = AssetHeader {
        course_id: row.course_id.0,
        filename: row.filename,
        content_type: Some(row.content_type),
        declared_size: Some(row.size_bytes),
        idempotency_key: None,
    };
    let parts = try_stream! {
        yield AssetPart { header: Some(header), data: Vec::new() };
        while let Some(chunk) = bytes.try_next().await? {
            for part in chunk.chunks(PART_BYTES) {
                yield AssetPart { header: None, data: part.to_vec() };
            }
        }
    };
    Ok(parts.boxed())
}

/// A file that belongs to a version is for everybody the gateway lets through; one that does not, for the owner.
async fn readable(state: &State, actor: Actor, request: &GetAssetRequest) -> Result<AssetRow> {
    let row = store::asset(&state.pool, request.course_id.into(), &request.asset_id).await?;
    if actor.is_privileged() {
        return Ok(row);
    }
    let in_version = sqlx::query_scalar!(
        "select exists (select 1 from content.version_assets where asset_id = $1) as \"exists!\"",
        request.asset_id
    )
    .fetch_one(&state.pool)
    .await?;
    if !in_version {
        match state.owned_draft(actor, request.course_id.into()).await {
            Err(error) if error.kind().is_retryable() => return Err(error),
            Err(_) => return Err(store::no_file(&request.asset_id)),
            Ok(_) => {}
        }
    }
    Ok(row)
}
