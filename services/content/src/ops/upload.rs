//! Receiving a file in one request.

use smartcourse_platform::{Error, Result, fault, grpc::Actor, idempotency::IdempotencyKey, postgres};
use smartcourse_proto::content::{Asset, AssetHeader, AssetPart};
use smartcourse_text::source_hash;
use tonic::Streaming;

use crate::{
    State, codes,
    receiving::{Coming, Received, clean_filename, data, forget, receive, record, too_large},
    store,
};

pub(crate) async fn upload(state: &State, actor: Actor, mut parts: Streaming<AssetPart>) -> Result<Asset> {
    let first = parts.message().await?.unwrap_or_default();
    let header = first
        .header
        .ok_or_else(|| Error::new(&codes::MALFORMED_REQUEST, "the first part has no header"))?;
    state.owned_draft(actor, header.course_id.into()).await?;
    let filename = clean_filename(&header.filename)?;
    if header
        .declared_size
        .is_some_and(|size| size > state.max_upload_bytes)
    {
        return Err(too_large(state));
    }
    let key = idempotency(actor, &header, &filename);
    if let Some(key) = &key
        && let Some(asset) = earlier(key, &mut *state.pool.acquire().await?, header.course_id).await?
    {
        return Ok(asset);
    }

    let coming = Coming {
        course_id: header.course_id,
        filename,
        content_type: header.content_type,
        size_bytes: None,
        sha256: None,
    };
    let file = receive(state, coming, data(first.data, parts)).await?;
    match record_once(state, actor, header.course_id, &file, key.as_ref()).await {
        Ok(asset) if asset.id != file.id => {
            // The same request was faster: this file belongs to nobody.
            forget(state, &file.storage_key).await;
            Ok(asset)
        }
        // After an error nobody here knows whether the row was committed. The sweep does: it looks for it.
        other => other,
    }
}

/// The row of the file, or that of what an earlier request with this key made.
async fn record_once(
    state: &State,
    actor: Actor,
    course_id: i64,
    file: &Received,
    key: Option<&IdempotencyKey>,
) -> Result<Asset> {
    let mut tx = postgres::begin(&state.pool).await?;
    if let Some(key) = key {
        key.lock(&mut tx).await?;
        if let Some(asset) = earlier(key, &mut tx, course_id).await? {
            return Ok(asset);
        }
    }
    let asset = record(&mut tx, file, actor).await?;
    if let Some(key) = key {
        key.remember(&mut tx, &asset.id).await?;
    }
    fault::commit(tx, "content.upload_asset").await?;
    Ok(asset)
}

/// The idempotency key of an upload: the same key, course and user answer the same file.
fn idempotency(actor: Actor, header: &AssetHeader, filename: &str) -> Option<IdempotencyKey> {
    let user = actor.user().map_or(0, |user| user.0);
    let size = header.declared_size.map(|size| size.to_string());
    let content_type = header.content_type.as_deref();
    Some(IdempotencyKey::new(
        format!("upload_asset:{}:{user}", header.course_id),
        header.idempotency_key.clone()?,
        source_hash([
            filename,
            content_type.unwrap_or_default(),
            &size.unwrap_or_default(),
        ]),
    ))
}

/// The file an earlier request with this key made.
async fn earlier(
    key: &IdempotencyKey,
    connection: &mut sqlx::PgConnection,
    course_id: i64,
) -> Result<Option<Asset>> {
    let Some(id) = key.earlier::<String>(connection).await? else {
        return Ok(None);
    };
    let row = store::asset(connection, course_id.into(), &id).await?;
    Ok(Some(row.into()))
}
