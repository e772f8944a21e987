//! Reading files.

use std::time::Duration;

use async_stream::try_stream;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use smartcourse_platform::{Error, Result, grpc::Actor, ports::files::Grant};
use smartcourse_proto::content::{Asset, AssetHeader, AssetPart, GetAssetRequest, ReadAssetRequest};
use tonic::Status;

use crate::{
    State, codes,
    store::{self, AssetRow},
};

/// Bytes of one part.
const PART_BYTES: usize = 256 * 1024;
/// How long a URL of the store is good for: who reads slowly goes on reading when it is over.
const SIGNED: Duration = Duration::from_secs(5 * 60);

pub(crate) async fn get(state: &State, actor: Actor, request: GetAssetRequest) -> Result<Asset> {
    readable(state, actor, request.course_id, &request.asset_id)
        .await
        .map(Into::into)
}

/// The file, or a part of it, in messages; the first one carries the header and no data. It is the only one when the store
/// gives the file away itself and the caller can be sent there.
pub(crate) async fn read(
    state: &State,
    actor: Actor,
    request: ReadAssetRequest,
) -> Result<BoxStream<'static, Result<AssetPart, Status>>> {
    let row = readable(state, actor, request.course_id, &request.asset_id).await?;
    let (files, key) = (&state.deps.files, &row.storage_key);
    if let Some(disposition) = &request.disposition {
        let grant = Grant::Read {
            content_type: &row.content_type,
            disposition,
        };
        if let Some(url) = files.sign(key, grant, SIGNED).await? {
            let header = AssetHeader {
                url: Some(url),
                ..AssetHeader::default()
            };
            let only = AssetPart {
                header: Some(header),
                data: Vec::new(),
            };
            return Ok(stream::iter([Ok(only)]).boxed());
        }
    }
    let mut bytes = match request.range {
        None => files.read(key).await?,
        Some(range)
            if range.start < range.end && i64::try_from(range.end).is_ok_and(|end| end <= row.size_bytes) =>
        {
            files.read_range(key, range.start..range.end).await?
        }
        Some(_) => return Err(Error::new(&codes::VALIDATION_FAILED, "the file has no such part")),
    };
    let header = AssetHeader {
        course_id: row.course_id.0,
        filename: row.filename,
        content_type: Some(row.content_type),
        declared_size: Some(row.size_bytes),
        range: request.range,
        ..AssetHeader::default()
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
async fn readable(state: &State, actor: Actor, course_id: i64, asset_id: &str) -> Result<AssetRow> {
    let row = store::asset(&state.pool, course_id.into(), asset_id).await?;
    if actor.is_privileged() {
        return Ok(row);
    }
    let in_version = sqlx::query_scalar!(
        "select exists (select 1 from content.version_assets where asset_id = $1) as \"exists!\"",
        asset_id
    )
    .fetch_one(&state.pool)
    .await?;
    if !in_version {
        match state.owned_draft(actor, course_id.into()).await {
            Err(error) if error.kind().is_retryable() => return Err(error),
            Err(_) => return Err(store::no_file(asset_id)),
            Ok(_) => {}
        }
    }
    Ok(row)
}
