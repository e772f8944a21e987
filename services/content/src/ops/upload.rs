//! Receiving a file: streamed to the store, hashed on the way, a row only when all of it is there.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use smartcourse_platform::{
    Error, Result,
    engines::files::{FilePath, ObjectStoreExt, WriteMultipart},
    error::codes,
    fault,
    grpc::Actor,
    postgres::Tx,
};
use smartcourse_proto::content::{Asset, AssetHeader, AssetPart};
use smartcourse_text::{Detected, sniff, source_hash};
use tonic::Streaming;

use crate::{State, model::clean_filename, store};

/// Bytes that tell the type of a file.
const HEAD_BYTES: usize = 4096;
/// Parts on their way to the store at once.
const IN_FLIGHT: usize = 4;

pub(crate) async fn upload(state: &State, actor: Actor, mut parts: Streaming<AssetPart>) -> Result<Asset> {
    let first = parts.message().await?.unwrap_or_default();
    let header = first
        .header
        .ok_or_else(|| Error::new(&codes::MALFORMED_REQUEST, "the first part has no header"))?;
    state.owned_draft(actor, header.course_id).await?;
    let filename = clean_filename(&header.filename)?;
    if header
        .declared_size
        .is_some_and(|size| size > state.max_upload_bytes)
    {
        return Err(too_large(state));
    }
    let replay = Replay::of(actor, &header, &filename);
    if let Some(replay) = &replay
        && let Some(asset) = replay
            .earlier(&mut *state.pool.acquire().await?, header.course_id)
            .await?
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
    let key = format!("staging/{}/{id}", header.course_id);
    let (size, sha256) = receive(state, &key, head, parts).await?;
    let new = New {
        id,
        key,
        filename,
        detected,
        size,
        sha256,
        course_id: header.course_id,
        actor,
    };
    match record(state, &new, replay.as_ref()).await {
        Ok(asset) if asset.id != new.id => {
            // The same request was faster: this file belongs to nobody.
            forget(state, &new.key).await;
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
    let path = FilePath::from(key);
    let mut upload = WriteMultipart::new(state.deps.files.put_multipart(&path).await?);
    match pump(state, &mut upload, head, parts).await {
        Ok(received) => {
            fault::point("content.upload_asset", "before_finish");
            upload.finish().await?;
            Ok(received)
        }
        Err(error) => {
            if let Err(left) = upload.abort().await {
                tracing::warn!(key, error = %left, "an aborted upload could not be removed");
            }
            forget(state, key).await;
            Err(error)
        }
    }
}

async fn pump(
    state: &State,
    upload: &mut WriteMultipart,
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
        upload.wait_for_capacity(IN_FLIGHT).await?;
        upload.put(Bytes::from(data));
        next = parts.message().await?.map(|part| part.data);
    }
    Ok((size, hex(&hasher.finalize())))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0'))
        .collect()
}

/// Removes a file without a row. What fails here is found by the sweeper through its row in `uploads`.
async fn forget(state: &State, key: &str) {
    let removed = async {
        super::discard::remove_file(&state.deps.files, &FilePath::from(key)).await?;
        sqlx::query!("delete from content.uploads where storage_key = $1", key)
            .execute(&state.pool)
            .await?;
        Ok::<(), Error>(())
    };
    if let Err(error) = removed.await {
        tracing::warn!(key, error = %error.chain(), "the sweeper will remove a broken upload");
    }
}

struct New {
    id: String,
    key: String,
    filename: String,
    detected: Detected,
    size: i64,
    sha256: String,
    course_id: i64,
    actor: Actor,
}

async fn record(state: &State, new: &New, replay: Option<&Replay>) -> Result<Asset> {
    let mut tx = state.pool.begin().await?;
    if let Some(replay) = replay
        && let Some(asset) = replay.lock(&mut tx, new.course_id).await?
    {
        return Ok(asset);
    }
    let uploaded_by = new.actor.user().ok().map(|user| user.0);
    sqlx::query!(
        "insert into content.assets (id, course_id, filename, content_type, kind, size_bytes, sha256, storage_key, uploaded_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        new.id,
        new.course_id,
        new.filename,
        new.detected.content_type,
        new.detected.kind.map(|kind| kind.as_str()),
        new.size,
        new.sha256,
        new.key,
        uploaded_by
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("delete from content.uploads where storage_key = $1", new.key)
        .execute(&mut *tx)
        .await?;
    if let Some(replay) = replay {
        replay.remember(&mut tx, &new.id).await?;
    }
    let asset = asset(&mut tx, new.course_id, &new.id).await?;
    fault::point("content.upload_asset", "before_commit");
    tx.commit().await?;
    fault::point("content.upload_asset", "after_commit");
    Ok(asset)
}

async fn asset(connection: &mut sqlx::PgConnection, course_id: i64, id: &str) -> Result<Asset> {
    let mut rows = store::assets(connection, course_id, &[id.to_owned()]).await?;
    rows.remove(id)
        .map(Into::into)
        .ok_or_else(|| Error::new(&codes::NOT_FOUND, format!("there is no file {id}")))
}

/// The idempotency key of an upload: the same key, course and user answer the same file.
struct Replay {
    scope: String,
    key: String,
    hash: String,
}

impl Replay {
    fn of(actor: Actor, header: &AssetHeader, filename: &str) -> Option<Self> {
        let user = actor.user().map_or(0, |user| user.0);
        let size = header
            .declared_size
            .map(|size| size.to_string())
            .unwrap_or_default();
        Some(Self {
            scope: format!("upload_asset:{}:{user}", header.course_id),
            key: header.idempotency_key.clone()?,
            hash: source_hash([
                filename,
                header.content_type.as_deref().unwrap_or_default(),
                &size,
            ]),
        })
    }

    async fn earlier(&self, connection: &mut sqlx::PgConnection, course_id: i64) -> Result<Option<Asset>> {
        let found = sqlx::query!(
            "select request_hash, response from platform.idempotency_keys where scope = $1 and key = $2",
            self.scope,
            self.key
        )
        .fetch_optional(&mut *connection)
        .await?;
        match found {
            None => Ok(None),
            Some(row) if row.request_hash == self.hash => {
                asset(connection, course_id, row.response.as_str().unwrap_or_default())
                    .await
                    .map(Some)
            }
            Some(_) => Err(Error::new(
                &codes::IDEMPOTENCY_MISMATCH,
                "this Idempotency-Key belongs to another request",
            )),
        }
    }

    /// Waits for a request with the same key, then looks again.
    async fn lock(&self, tx: &mut Tx, course_id: i64) -> Result<Option<Asset>> {
        sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 1))")
            .bind(format!("{}:{}", self.scope, self.key))
            .execute(&mut **tx)
            .await?;
        self.earlier(tx, course_id).await
    }

    async fn remember(&self, tx: &mut Tx, id: &str) -> Result<()> {
        sqlx::query!(
            "insert into platform.idempotency_keys (scope, key, request_hash, response) values ($1, $2, $3, $4)",
            self.scope,
            self.key,
            self.hash,
            serde_json::json!(id)
        )
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}
