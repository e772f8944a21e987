//! Files that are sent in parts: begun, looked at, sent and given up.
//!
//! A part is a file of its own, and what is there is asked of the store. So a part may be sent again, by way of us or straight to
//! the store. It may also come when the upload has ended: the row stays until none can, and then what came late is removed.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use smartcourse_platform::{
    Error, Result,
    error::Problems,
    fault,
    grpc::Actor,
    idempotency::IdempotencyKey,
    ports::files::Grant,
    postgres::{self, Tx},
};
use smartcourse_proto::{
    content::{AssetPart, BeginUploadRequest, Upload, UploadPart, UploadRef},
    json::timestamp::from_time,
    limits,
};
use smartcourse_text::{promised, source_hash};
use sqlx::types::time::OffsetDateTime;
use tonic::Streaming;

use crate::{
    State, codes,
    ops::tally::Tally,
    part_upload::{MAX_PARTS, PartUpload, find, prefix},
    receiving::{clean_filename, data, empty, fill, mismatch, too_large, unsupported},
};

/// Uploads of a course that may be open at once.
const MAX_OPEN: i64 = 20;
/// Parts that are asked for at once.
const AT_ONCE: usize = 16;
/// How long a URL of the store is good for: each look at the upload gives new ones.
const SIGNED: Duration = Duration::from_secs(3600);
/// Rows one sweep looks at; the next one goes on.
const BATCH: i64 = 10_000;

pub(crate) async fn begin(state: &State, actor: Actor, request: BeginUploadRequest) -> Result<Upload> {
    let course_id = request.course_id;
    state.owned_draft(actor, course_id.into()).await?;
    let filename = clean_filename(&request.filename)?;
    // Browsers declare what they do not know as nothing.
    let content_type = request.content_type.as_deref().filter(|kind| !kind.is_empty());
    let sha256 = request.sha256.map(|hash| hash.to_ascii_lowercase());
    require_possible(
        state,
        &filename,
        content_type,
        request.size_bytes,
        sha256.as_deref(),
    )?;

    let mut tx = postgres::begin(&state.pool).await?;
    let key = request.idempotency_key.map(|key| {
        let user = actor.user().map_or(0, |user| user.0);
        let hash = source_hash([
            filename.as_str(),
            content_type.unwrap_or_default(),
            &request.size_bytes.to_string(),
            sha256.as_deref().unwrap_or_default(),
        ]);
        IdempotencyKey::new(format!("begin_upload:{course_id}:{user}"), key, hash)
    });
    if let Some(key) = &key {
        key.lock(&mut tx).await?;
        if let Some(upload_id) = key.earlier(&mut tx).await? {
            let upload = UploadRef { course_id, upload_id };
            let upload = find(&mut *tx, &upload).await?;
            drop(tx);
            return shown(state, upload).await;
        }
    }
    let now = state.deps.clock.now();
    require_room(&mut tx, course_id, now).await?;
    // A little more than it has to be, so that the parts are no more than they may be.
    let part_bytes = state.upload_part_bytes.max(request.size_bytes / MAX_PARTS + 1);
    let upload = sqlx::query_as!(
        PartUpload,
        "insert into content.part_uploads (id, course_id, filename, content_type, size_bytes, sha256, part_bytes, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         returning id, course_id, filename, content_type, size_bytes, sha256, part_bytes, expires_at, asset_id, ended_at",
        format!("u-{}", &uuid::Uuid::new_v4().simple().to_string()[..12]),
        course_id,
        filename,
        content_type,
        request.size_bytes,
        sha256,
        part_bytes,
        now + state.keep_open_uploads
    )
    .fetch_one(&mut *tx)
    .await?;
    if let Some(key) = key {
        key.remember(&mut tx, &upload.id).await?;
    }
    fault::commit(tx, "content.begin_upload").await?;
    shown(state, upload).await
}

/// Refuses what can never become a file.
fn require_possible(
    state: &State,
    filename: &str,
    content_type: Option<&str>,
    size_bytes: i64,
    sha256: Option<&str>,
) -> Result<()> {
    let mut problems = Problems::default();
    problems.require(size_bytes >= 0, "size_bytes", "must not be negative");
    if let Some(content_type) = content_type {
        problems.name("content_type", content_type, limits::CONTENT_TYPE);
    }
    let is_hash = |hash: &str| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    problems.require(
        sha256.is_none_or(is_hash),
        "sha256",
        "must have 64 hexadecimal digits",
    );
    problems.finish()?;
    if size_bytes == 0 {
        return Err(empty());
    }
    if size_bytes > state.max_upload_bytes {
        return Err(too_large(state));
    }
    promised(filename, content_type).map_err(unsupported).map(drop)
}

/// Refuses one more upload of a course that has as many as it may. Whoever begins one waits until the transaction ends.
async fn require_room(tx: &mut Tx, course_id: i64, now: OffsetDateTime) -> Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 1))")
        .bind(format!("content.part_uploads:{course_id}"))
        .execute(&mut **tx)
        .await?;
    let open = sqlx::query_scalar!(
        r#"select count(*) as "open!" from content.part_uploads
           where course_id = $1 and ended_at is null and expires_at > $2"#,
        course_id,
        now
    )
    .fetch_one(&mut **tx)
    .await?;
    match open < MAX_OPEN {
        true => Ok(()),
        false => Err(Error::new(
            &codes::TOO_MANY_UPLOADS,
            format!("a course may have {MAX_OPEN} open uploads"),
        )),
    }
}

pub(crate) async fn get(state: &State, actor: Actor, request: UploadRef) -> Result<Upload> {
    state.owned_draft(actor, request.course_id.into()).await?;
    let upload = find(&state.pool, &request).await?;
    match upload.require_open(state.deps.clock.now()) {
        Err(error) if !error.is(&codes::UPLOAD_COMPLETED) => Err(error),
        _ => shown(state, upload).await,
    }
}

/// What its client sees: which parts are there, and where the others go.
async fn shown(state: &State, upload: PartUpload) -> Result<Upload> {
    let parts = match upload.asset_id {
        Some(_) => Vec::new(),
        None => {
            let parts = stream::iter(upload.numbers()).map(|number| part(state, &upload, number));
            parts.buffered(AT_ONCE).try_collect().await?
        }
    };
    Ok(Upload {
        id: upload.id,
        course_id: upload.course_id.0,
        filename: upload.filename,
        size_bytes: upload.size_bytes,
        part_bytes: upload.part_bytes,
        expires_at: Some(from_time(upload.expires_at)),
        parts,
        asset_id: upload.asset_id,
    })
}

async fn part(state: &State, upload: &PartUpload, number: i32) -> Result<UploadPart> {
    let files = &state.deps.files;
    Ok(UploadPart {
        number,
        url: files.sign(&upload.key(number), Grant::Write, SIGNED).await?,
        size_bytes: upload.bytes_of(number).unwrap_or_default(),
        received: is_there(state, upload, number).await?,
    })
}

/// Whether a part has all of its bytes: somebody with a signed URL may have sent any number of them.
async fn is_there(state: &State, upload: &PartUpload, number: i32) -> Result<bool> {
    let size = state.deps.files.size(&upload.key(number)).await?;
    Ok(size.and_then(|size| i64::try_from(size).ok()) == upload.bytes_of(number))
}

/// The numbers of the parts that are still to be sent.
pub(crate) async fn missing(state: &State, upload: &PartUpload) -> Result<Vec<i32>> {
    let parts = stream::iter(upload.numbers())
        .map(async |number| Ok((number, is_there(state, upload, number).await?)))
        .buffered(AT_ONCE);
    let missing = parts.try_filter_map(async |(number, there)| Ok((!there).then_some(number)));
    missing.try_collect().await
}

pub(crate) async fn send(state: &State, actor: Actor, mut parts: Streaming<AssetPart>) -> Result<()> {
    let first = parts.message().await?.unwrap_or_default();
    let malformed = || Error::new(&codes::MALFORMED_REQUEST, "the first message names no part");
    let header = first.header.ok_or_else(malformed)?;
    let part = header.part.ok_or_else(malformed)?;
    state.owned_draft(actor, header.course_id.into()).await?;
    let request = UploadRef {
        course_id: header.course_id,
        upload_id: part.upload_id,
    };
    let upload = find(&state.pool, &request).await?;
    upload.require_open(state.deps.clock.now())?;
    let bytes = upload.bytes_of(part.number).ok_or_else(|| {
        let detail = format!("the upload has {} parts", upload.numbers().end());
        Error::new(&codes::NOT_FOUND, detail)
    })?;
    let other = |size| mismatch(format!("part {} has {bytes} bytes, not {size}", part.number));
    if let Some(declared) = header.declared_size.filter(|declared| *declared != bytes) {
        return Err(other(declared));
    }
    let key = upload.key(part.number);
    let limit = |size| if size > bytes { Err(other(size)) } else { Ok(()) };
    let settled = |size, _: &str| if size == bytes { Ok(()) } else { Err(other(size)) };
    let (file, ..) = fill(state, &key, data(first.data, parts), limit, settled).await?;
    fault::point("content.send_part", "before_finish");
    file.finish().await?;
    fault::point("content.send_part", "after_finish");
    Ok(())
}

pub(crate) async fn delete(state: &State, actor: Actor, request: UploadRef) -> Result<()> {
    state.owned_draft(actor, request.course_id.into()).await?;
    match find(&state.pool, &request).await {
        Ok(upload) => give_up(state, &upload).await,
        // Again is nothing, also when the row is gone.
        Err(error) if error.is(&codes::NOT_FOUND) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes the parts of an upload that has not ended.
async fn give_up(state: &State, upload: &PartUpload) -> Result<()> {
    let mut tx = postgres::begin(&state.pool).await?;
    postgres::be_patient(&mut tx).await?;
    let ended = sqlx::query!(
        "update content.part_uploads set ended_at = $2 where id = $1 and ended_at is null returning id",
        upload.id,
        state.deps.clock.now()
    )
    .fetch_optional(&mut *tx)
    .await?;
    if ended.is_some() {
        state.deps.files.delete_prefix(&upload.prefix()).await?;
    }
    fault::commit(tx, "content.delete_upload").await
}

/// Gives up what nobody completed in time, and forgets what ended `before`: no part of it can come any more.
pub(crate) async fn sweep(state: &State, before: OffsetDateTime, tally: &mut Tally) -> Result<()> {
    let expired = sqlx::query_as!(
        PartUpload,
        "select id, course_id, filename, content_type, size_bytes, sha256, part_bytes, expires_at, asset_id, ended_at
         from content.part_uploads where ended_at is null and expires_at <= $1 order by expires_at limit $2",
        state.deps.clock.now(),
        BATCH
    )
    .fetch_all(&state.pool)
    .await?;
    for upload in expired {
        let outcome = give_up(state, &upload).await;
        tally.note(&format!("the unfinished upload {}", upload.id), outcome);
    }
    let ended = sqlx::query!(
        "select id, course_id from content.part_uploads where ended_at <= $1 order by ended_at limit $2",
        before,
        BATCH
    )
    .fetch_all(&state.pool)
    .await?;
    for row in ended {
        let parts = prefix(row.course_id.into(), &row.id);
        tally.note(
            &format!("the upload {}", row.id),
            forget(state, &row.id, &parts).await,
        );
    }
    Ok(())
}

/// Removes what came too late, then the row.
async fn forget(state: &State, id: &str, parts: &str) -> Result<()> {
    state.deps.files.delete_prefix(parts).await?;
    sqlx::query!("delete from content.part_uploads where id = $1", id)
        .execute(&state.pool)
        .await?;
    Ok(())
}
