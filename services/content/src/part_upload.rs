//! A file that is sent in parts: its row, and where its parts are.

use std::ops::RangeInclusive;

use smartcourse_platform::{Error, Result};
use smartcourse_proto::{content::UploadRef, ids::CourseId};
use sqlx::types::time::OffsetDateTime;

use crate::codes;

/// Parts of a file at most.
pub(crate) const MAX_PARTS: i64 = 1000;

/// A row of `content.part_uploads`.
#[derive(Debug, Clone)]
pub(crate) struct PartUpload {
    pub(crate) id: String,
    pub(crate) course_id: CourseId,
    pub(crate) filename: String,
    pub(crate) content_type: Option<String>,
    pub(crate) size_bytes: i64,
    pub(crate) sha256: Option<String>,
    pub(crate) part_bytes: i64,
    pub(crate) expires_at: OffsetDateTime,
    pub(crate) asset_id: Option<String>,
    pub(crate) ended_at: Option<OffsetDateTime>,
}

impl PartUpload {
    /// The numbers of its parts.
    pub(crate) fn numbers(&self) -> RangeInclusive<i32> {
        let count = self
            .size_bytes
            .unsigned_abs()
            .div_ceil(self.part_bytes.unsigned_abs());
        1..=i32::try_from(count).unwrap_or(i32::MAX)
    }

    /// How many bytes a part has; `None` without such a part.
    pub(crate) fn bytes_of(&self, number: i32) -> Option<i64> {
        let before = (i64::from(number) - 1) * self.part_bytes;
        self.numbers()
            .contains(&number)
            .then(|| self.part_bytes.min(self.size_bytes - before))
    }

    /// Where a part is.
    pub(crate) fn key(&self, number: i32) -> String {
        format!("{}/{number}", self.prefix())
    }

    /// Where all of them are.
    pub(crate) fn prefix(&self) -> String {
        prefix(self.course_id, &self.id)
    }

    /// Refuses one that takes no more parts.
    pub(crate) fn require_open(&self, now: OffsetDateTime) -> Result<()> {
        if self.asset_id.is_some() {
            return Err(Error::new(&codes::UPLOAD_COMPLETED, "the upload was completed"));
        }
        if self.ended_at.is_some() || self.expires_at <= now {
            return Err(no_upload(&self.id));
        }
        Ok(())
    }
}

/// Where the parts of an upload are.
pub(crate) fn prefix(course_id: CourseId, id: &str) -> String {
    format!("{}/{id}", course_prefix(course_id))
}

/// Where the parts of all uploads of a course are.
pub(crate) fn course_prefix(course_id: CourseId) -> String {
    format!("parts/{course_id}")
}

/// The upload, however it ended.
pub(crate) async fn find(connection: impl sqlx::PgExecutor<'_>, request: &UploadRef) -> Result<PartUpload> {
    sqlx::query_as!(
        PartUpload,
        "select id, course_id, filename, content_type, size_bytes, sha256, part_bytes, expires_at, asset_id, ended_at
         from content.part_uploads where course_id = $1 and id = $2",
        request.course_id,
        request.upload_id
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| no_upload(&request.upload_id))
}

/// Lets whoever ends an upload wait for each other until the transaction ends.
pub(crate) async fn lock(connection: impl sqlx::PgExecutor<'_>, id: &str) -> Result<()> {
    sqlx::query!("select id from content.part_uploads where id = $1 for update", id)
        .fetch_optional(connection)
        .await?;
    Ok(())
}

fn no_upload(id: &str) -> Error {
    Error::new(&codes::NOT_FOUND, format!("there is no upload {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_part_is_shorter() {
        let sizes = |size_bytes| {
            let upload = PartUpload {
                id: String::new(),
                course_id: CourseId(1),
                filename: String::new(),
                content_type: None,
                size_bytes,
                sha256: None,
                part_bytes: 10,
                expires_at: OffsetDateTime::UNIX_EPOCH,
                asset_id: None,
                ended_at: None,
            };
            assert!(upload.bytes_of(0).is_none() && upload.bytes_of(*upload.numbers().end() + 1).is_none());
            let sizes = upload
                .numbers()
                .map(|number| upload.bytes_of(number).expect("a part"));
            sizes.collect::<Vec<_>>()
        };
        assert_eq!(sizes(1), [1]);
        assert_eq!(sizes(10), [10]);
        assert_eq!(sizes(21), [10, 10, 1]);
    }
}
