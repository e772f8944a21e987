//! Receiving a file: streamed to the store, hashed on the way, a row only when all of it is there.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use sha2::{Digest, Sha256};
use smartcourse_platform::{
    Error, Result, fault,
    grpc::Actor,
    ports::files::FileWriter,
    unseen::{deceives, is_seen},
};
use smartcourse_proto::{
    content::{Asset, AssetPart},
    limits,
};
use smartcourse_text::{Detected, UnsupportedMedia, sniff};
use sqlx::PgConnection;
use tonic::Streaming;

use crate::{
    State, codes,
    store::{self, AssetRow},
};

/// Bytes that tell the type of a file.
const HEAD_BYTES: usize = 4096;

/// A file that is about to come.
pub(crate) struct Coming {
    pub(crate) course_id: i64,
    pub(crate) filename: String,
    /// As the client declares it.
    pub(crate) content_type: Option<String>,
    /// Bytes of it, where that is settled.
    pub(crate) size_bytes: Option<i64>,
    /// Its SHA-256, where that is settled.
    pub(crate) sha256: Option<String>,
}

/// A file that is in the store and has no row yet.
pub(crate) struct Received {
    pub(crate) id: String,
    pub(crate) storage_key: String,
    course_id: i64,
    filename: String,
    detected: Detected,
    size: i64,
    sha256: String,
}

/// Streams a file into the store. What fails before its end leaves nothing behind; what is left by an end of which nobody
/// knows, the sweep finds by its row in `uploads`.
pub(crate) async fn receive(
    state: &State,
    coming: Coming,
    bytes: impl Stream<Item = Result<Bytes>> + Send,
) -> Result<Received> {
    let mut bytes = pin!(bytes);
    let mut head = BytesMut::new();
    while head.len() < HEAD_BYTES
        && let Some(more) = bytes.try_next().await?
    {
        head.extend_from_slice(&more);
    }
    if head.is_empty() {
        return Err(empty());
    }
    let first = &head[..head.len().min(HEAD_BYTES)];
    let detected = sniff(&coming.filename, coming.content_type.as_deref(), first).map_err(unsupported)?;

    let id = format!("a-{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
    let storage_key = format!("staging/{}/{id}", coming.course_id);
    sqlx::query!(
        "insert into content.uploads (storage_key) values ($1)",
        storage_key
    )
    .execute(&state.pool)
    .await?;
    let whole = stream::iter([Ok(head.freeze())]).chain(bytes);
    let limit = |size| {
        if size > state.max_upload_bytes {
            Err(too_large(state))
        } else {
            Ok(())
        }
    };
    let settled = |size, sha256: &str| coming.settles(size, sha256);
    let (file, size, sha256) = match fill(state, &storage_key, whole, limit, settled).await {
        Ok(filled) => filled,
        Err(error) => {
            forget(state, &storage_key).await;
            return Err(error);
        }
    };
    fault::point("content.upload_asset", "before_finish");
    file.finish().await?;
    Ok(Received {
        id,
        storage_key,
        course_id: coming.course_id,
        filename: coming.filename,
        detected,
        size,
        sha256,
    })
}

impl Coming {
    fn settles(&self, size: i64, sha256: &str) -> Result<()> {
        if let Some(settled) = self.size_bytes.filter(|settled| *settled != size) {
            return Err(mismatch(format!(
                "the file has {size} bytes instead of {settled}"
            )));
        }
        if let Some(settled) = self.sha256.as_ref().filter(|settled| *settled != sha256) {
            return Err(mismatch(format!(
                "the SHA-256 of the file is {sha256} instead of {settled}"
            )));
        }
        Ok(())
    }
}

/// Writes a file up to its end, which is left to the caller: nothing is seen of it so far. `limit` is asked of its size at each
/// step, `settled` of size and hash at the end. Answers both.
pub(crate) async fn fill(
    state: &State,
    key: &str,
    bytes: impl Stream<Item = Result<Bytes>>,
    limit: impl Fn(i64) -> Result<()>,
    settled: impl Fn(i64, &str) -> Result<()>,
) -> Result<(Box<dyn FileWriter>, i64, String)> {
    let mut file = state.deps.files.write(key).await?;
    let filled = async {
        let (size, sha256) = pump(file.as_mut(), bytes, limit).await?;
        settled(size, &sha256)?;
        Ok((size, sha256))
    };
    match filled.await {
        Ok((size, sha256)) => Ok((file, size, sha256)),
        Err(error) => {
            if let Err(left) = file.abort().await {
                tracing::warn!(key, error = %left.chain(), "an aborted upload could not be removed");
            }
            Err(error)
        }
    }
}

async fn pump(
    file: &mut dyn FileWriter,
    bytes: impl Stream<Item = Result<Bytes>>,
    limit: impl Fn(i64) -> Result<()>,
) -> Result<(i64, String)> {
    let mut bytes = pin!(bytes);
    let mut hasher = Sha256::new();
    let mut size = 0_i64;
    while let Some(data) = bytes.try_next().await? {
        size = size.saturating_add(i64::try_from(data.len()).unwrap_or(i64::MAX));
        limit(size)?;
        hasher.update(&data);
        file.write(data).await?;
    }
    Ok((size, HEXLOWER.encode(&hasher.finalize())))
}

/// Writes the row of a file that was received.
pub(crate) async fn record(tx: &mut PgConnection, file: &Received, actor: Actor) -> Result<Asset> {
    let uploaded_by = actor.user().ok().map(|user| user.0);
    let row = sqlx::query_as!(
        AssetRow,
        "insert into content.assets (id, course_id, filename, content_type, kind, size_bytes, sha256, storage_key, uploaded_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         returning id, course_id, filename, content_type, kind, size_bytes, sha256, storage_key, created_at",
        file.id,
        file.course_id,
        file.filename,
        file.detected.content_type,
        file.detected.kind.as_str(),
        file.size,
        file.sha256,
        file.storage_key,
        uploaded_by
    )
    .fetch_one(&mut *tx)
    .await?;
    sqlx::query!(
        "delete from content.uploads where storage_key = $1",
        file.storage_key
    )
    .execute(tx)
    .await?;
    Ok(row.into())
}

/// The bytes of a stream of messages, of which the first one was read.
pub(crate) fn data(first: Vec<u8>, parts: Streaming<AssetPart>) -> impl Stream<Item = Result<Bytes>> + Send {
    let rest = parts.map(|part| Ok(part?.data.into()));
    stream::iter([Ok(first.into())]).chain(rest)
}

/// Removes a file without a row. What fails here is found by the sweeper through its row in `uploads`.
pub(crate) async fn forget(state: &State, key: &str) {
    if let Err(error) = store::remove_upload(&state.pool, &state.deps, key).await {
        tracing::warn!(key, error = %error.chain(), "the sweeper will remove a broken upload");
    }
}

pub(crate) fn too_large(state: &State) -> Error {
    Error::new(
        &codes::FILE_TOO_LARGE,
        format!("a file may have at most {} bytes", state.max_upload_bytes),
    )
}

pub(crate) fn empty() -> Error {
    Error::new(&codes::EMPTY_FILE, "the file has no bytes")
}

pub(crate) fn unsupported(error: UnsupportedMedia) -> Error {
    Error::new(&codes::UNSUPPORTED_TYPE, error.to_string())
}

pub(crate) fn mismatch(detail: String) -> Error {
    Error::new(&codes::UPLOAD_MISMATCH, detail)
}

/// A name without directories and control characters.
pub(crate) fn clean_filename(name: &str) -> Result<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control()).collect();
    let clean = clean.trim();
    let refused = |must: String| Err(Error::new(&codes::VALIDATION_FAILED, format!("filename {must}")));
    if clean.contains(deceives) {
        return refused(
            "must not contain characters that nobody sees or that turn the direction of the text".to_owned(),
        );
    }
    if !is_seen(clean.trim_matches('.')) {
        return refused("must not be empty".to_owned());
    }
    if clean.chars().count() > limits::FILENAME {
        return refused(format!("must have at most {} characters", limits::FILENAME));
    }
    Ok(clean.to_owned())
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
            clean_filename("...").is_err()
                && clean_filename("cod\u{202e}dm.exe.md").is_err()
                && clean_filename("a/").is_err()
                && clean_filename("\u{7}").is_err()
        );
        assert!(clean_filename(&"x".repeat(256)).is_err() && clean_filename(&"ä".repeat(255)).is_ok());
    }
}
