//! Making a file of the parts that were sent.

use std::sync::Arc;

use async_stream::try_stream;
use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};
use smartcourse_platform::{Error, Result, fault, grpc::Actor, postgres, unbroken::unbroken};
use smartcourse_proto::content::{Asset, UploadRef};

use crate::{
    State, codes,
    ops::part_uploads::missing,
    part_upload::{PartUpload, find, lock},
    receiving::{Coming, receive, record},
    store,
};

/// The file. It is made to the end though nobody waits any more: whoever asks again finds it.
pub(crate) async fn complete(state: Arc<State>, actor: Actor, request: UploadRef) -> Result<Asset> {
    state.owned_draft(actor, request.course_id.into()).await?;
    let place = Arc::clone(&state.completions).acquire_owned().await;
    let place = place.map_err(|error| Error::internal("no file is made any more").because(error))?;
    unbroken(async move {
        let _place = place;
        assemble(&state, actor, request).await
    })
    .await
}

/// One after the other: the upload is locked, and who comes second is given what the first one made.
async fn assemble(state: &State, actor: Actor, request: UploadRef) -> Result<Asset> {
    let mut tx = postgres::begin(&state.pool).await?;
    postgres::be_patient(&mut tx).await?;
    lock(&mut *tx, &request.upload_id).await?;
    let upload = find(&mut *tx, &request).await?;
    if let Some(id) = &upload.asset_id {
        return Ok(store::asset(&mut *tx, upload.course_id, id).await?.into());
    }
    upload.require_open(state.deps.clock.now())?;
    let missing = missing(state, &upload).await?;
    if !missing.is_empty() {
        let detail = format!(
            "{} of {} parts are missing",
            missing.len(),
            upload.numbers().end()
        );
        return Err(Error::new(&codes::UPLOAD_INCOMPLETE, detail).with_fact("parts", missing));
    }
    let coming = Coming {
        course_id: upload.course_id.0,
        filename: upload.filename.clone(),
        content_type: upload.content_type.clone(),
        size_bytes: Some(upload.size_bytes),
        sha256: upload.sha256.clone(),
    };
    let file = receive(state, coming, bytes(state, &upload)).await?;
    let asset = record(&mut tx, &file, actor).await?;
    sqlx::query!(
        "update content.part_uploads set asset_id = $2, ended_at = $3 where id = $1",
        upload.id,
        asset.id,
        state.deps.clock.now()
    )
    .execute(&mut *tx)
    .await?;
    fault::commit(tx, "content.complete_upload").await?;
    if let Err(error) = state.deps.files.delete_prefix(&upload.prefix()).await {
        tracing::warn!(upload = upload.id, error = %error.chain(), "the sweeper will remove the parts");
    }
    Ok(asset)
}

/// The bytes of all parts in their order.
fn bytes(state: &State, upload: &PartUpload) -> impl Stream<Item = Result<Bytes>> + Send {
    try_stream! {
        for number in upload.numbers() {
            let mut part = state.deps.files.read(&upload.key(number)).await?;
            while let Some(bytes) = part.try_next().await? {
                yield bytes;
            }
        }
    }
}
