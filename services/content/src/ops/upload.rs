//! Receiving a file: streamed to the store, hashed on the way, a row only when all of it is there.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use smartcourse_platform::{
    Error, Result, fault, grpc::Actor, idempotency::IdempotencyKey, ports::files::FileWriter, postgres,
};
use smartcourse_proto::content::{Asset, AssetHeader, AssetPart};
use smartcourse_text::{Detected, sniff, source_hash};
use tonic::Streaming;

use crate::{
    State, codes,
    store::{self, AssetRow},
};

/// Bytes that tell the type of a file.
const HEAD_BYTES: usize = 4096;
/// Longest file name in characters.
const MAX_FILENAME: usize = 255;

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

    let mut head = first.data;
    while head.len() < HEAD_BYTES
        && let Some(part) = parts.message().await?
    {
        head.extend_from_slice(&part.data);
    }
    if head.is_empty() {
        return Err(Error::new(&codes::EMPTY_FILE, "the file has no bytes"));
    }
    let detected = sniff(
        &filename,
        header.content_type.as_deref(),
        &head[..head.len().min(HEAD_BYTES)],
    )
    .map_err(|error| Error::new(&codes::UNSUPPORTED_TYPE, error.to_string()))?;

    let id = format!("a-{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
    let storage_key = format!("staging/{}/{id}", header.course_id);
    let (size, sha256) = receive(state, &storage_key, head, parts).await?;
    let new = New {
        id,
        storage_key,
        filename,
        detected,
        size,
        sha256,
        course_id: header.course_id,
        actor,
    };
    match record(state, &new, key.as_ref()).await {
        Ok(asset) if asset.id != new.id => {
            // The same request was faster: this file belongs to nobody.
            forget(state, &new.storage_key).await;
            Ok(asset)
        }
        // After an error nobody here knows whether the row was committed. The sweep does: it looks for it.
        other => other,
    }
}

fn too_large(state: &State) -> Error {
    Error::new(
        &codes::FILE_TOO_LARGE,
        format!("a file may have at most {} bytes", state.max_upload_bytes),
    )
}

/// Streams into the store; whatever fails, nothing stays behind. Answers size and hash.
async fn receive(
    state: &State,
    key: &str,
    head: Vec<u8>,
    parts: Streaming<AssetPart>,
) -> Result<(i64, String)> {
    sqlx::query!("insert into content.uploads (storage_key) values ($1)", key)
        .execute(&state.pool)
        .await?;
    let mut file = state.deps.files.write(key).await?;
    match pump(state, file.as_mut(), head, parts).await {
        Ok(received) => {
            fault::point("content.upload_asset", "before_finish");
            file.finish().await?;
            Ok(received)
        }
        Err(error) => {
            if let Err(left) = file.abort().await {
                tracing::warn!(key, error = %left.chain(), "an aborted upload could not be removed");
            }
            forget(state, key).await;
            Err(error)
        }
    }
}

async fn pump(
    state: &State,
    file: &mut dyn FileWriter,
    head: Vec<u8>,
    mut parts: Streaming<AssetPart>,
) -> Result<(i64, String)> {
    let mut hasher = Sha256::new();
    let mut size = 0_i64;
    let mut next = Some(head);
    while let Some(data) = next {
        size = size.saturating_add(i64::try_from(data.len()).unwrap_or(i64::MAX));
        if size > state.max_upload_bytes {
            return Err(too_large(state));
        }
        hasher.update(&data);
        file.write(Bytes::from(data)).await?;
        next = parts.message().await?.map(|part| part.data);
    }
    Ok((size, HEXLOWER.encode(&hasher.finalize())))
}

/// Removes a file without a row. What fails here is found by the sweeper through its row in `uploads`.
async fn forget(state: &State, key: &str) {
    if let Err(error) = store::remove_upload(&state.pool, &state.deps, key).await {
        tracing::warn!(key, error = %error.chain(), "the sweeper will remove a broken upload");
    }
}

/// A name without directories and control characters.
fn clean_filename(name: &str) -> Result<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control()).collect();
    let clean = clean.trim();
    let refused = |must: String| Err(Error::new(&codes::VALIDATION_FAILED, format!("filename {must}")));
    if matches!(clean, "" | "." | "..") {
        return refused("must not be empty".to_owned());
    }
    if clean.chars().count() > MAX_FILENAME {
        return refused(format!("must have at most {MAX_FILENAME} characters"));
    }
    Ok(clean.to_owned())
}

struct New {
    id: String,
    storage_key: String,
    filename: String,
    detected: Detected,
    size: i64,
    sha256: String,
    course_id: i64,
    actor: Actor,
}

async fn record(state: &State, new: &New, key: Option<&IdempotencyKey>) -> Result<Asset> {
    let mut tx = postgres::begin(&state.pool).await?;
    if let Some(key) = key {
        key.lock(&mut tx).await?;
        if let Some(asset) = earlier(key, &mut tx, new.course_id).await? {
            return Ok(asset);
        }
    }
    let uploaded_by = new.actor.user().ok().map(|user| user.0);
    let row = sqlx::query_as!(
        AssetRow,
        "insert into content.assets (id, course_id, filename, content_type, kind, size_bytes, sha256, storage_key, uploaded_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         returning id, course_id, filename, content_type, kind, size_bytes, sha256, storage_key, created_at",
        new.id,
        new.course_id,
        new.filename,
        new.detected.content_type,
        new.detected.kind.map(|kind| kind.as_str()),
        new.size,
        new.sha256,
        new.storage_key,
        uploaded_by
    )
    .fetch_one(&mut *tx)
    .await?;
    sqlx::query!(
        "delete from content.uploads where storage_key = $1",
        new.storage_key
    )
    .execute(&mut *tx)
    .await?;
    if let Some(key) = key {
        key.remember(&mut tx, &new.id).await?;
    }
    fault::commit(tx, "content.upload_asset").await?;
    Ok(row.into())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_directories_and_control_characters() {
        assert_eq!(clean_filename("C:\\papers\\one.pdf").expect("a name"), "one.pdf");
        assert_eq!(
            clean_filename("../../etc/pass\u{0}wd\n").expect("a name"),
            "passwd"
        );
        assert!(
            clean_filename("..").is_err()
                && clean_filename("a/").is_err()
                && clean_filename("\u{7}").is_err()
        );
        assert!(clean_filename(&"x".repeat(256)).is_err() && clean_filename(&"ä".repeat(255)).is_ok());
    }
}
