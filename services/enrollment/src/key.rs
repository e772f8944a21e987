//! An Idempotency-Key of whoever enrolls: sent again, it gets the enrollment it made, where a request without one is told
//! `already_enrolled`.

use smartcourse_platform::{Error, Result, error::codes};
use sqlx::{PgConnection, types::Json};

use crate::model::{self, EnrollmentRow};

/// The enrollment an earlier request with this key made, as it is now. Requests with one key wait for each other.
pub(crate) async fn earlier(
    tx: &mut PgConnection,
    user_id: i64,
    course_id: i64,
    key: &str,
) -> Result<Option<EnrollmentRow>> {
    let scope = scope(user_id);
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 1))")
        .bind(format!("{scope}:{key}"))
        .execute(&mut *tx)
        .await?;
    let found = sqlx::query!(
        r#"select request_hash, response as "enrollment_id: Json<i64>" from platform.idempotency_keys
           where scope = $1 and key = $2"#,
        scope,
        key
    )
    .fetch_optional(&mut *tx)
    .await?;
    match found {
        None => Ok(None),
        Some(row) if row.request_hash == course_id.to_string() => {
            Ok(Some(model::by_id(tx, row.enrollment_id.0).await?))
        }
        Some(_) => Err(Error::new(
            &codes::IDEMPOTENCY_MISMATCH,
            "this Idempotency-Key belongs to another request",
        )),
    }
}

/// Remembers what a key made, in the transaction that makes it.
pub(crate) async fn remember(tx: &mut PgConnection, row: &EnrollmentRow, key: &str) -> Result<()> {
    sqlx::query!(
        "insert into platform.idempotency_keys (scope, key, request_hash, response) values ($1, $2, $3, $4)",
        scope(row.user_id),
        key,
        row.course_id.to_string(),
        Json(row.id) as _
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A key is its student's: somebody else's of the same text is another one.
fn scope(user_id: i64) -> String {
    format!("enroll:{user_id}")
}
