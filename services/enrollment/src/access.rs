//! Who may read a course.

use smartcourse_platform::{Result, postgres};
use smartcourse_proto::enrollment::Access;
use sqlx::{PgExecutor, PgPool};

use crate::leave;

/// Whether a user holds an active or completed enrollment, and which.
pub(crate) async fn access(connection: impl PgExecutor<'_>, course_id: i64, user_id: i64) -> Result<Access> {
    let found = sqlx::query_as!(
        Access,
        r#"select status <> 'dropped' as "enrolled!", id as enrollment_id, epoch
           from enrollment.enrollments where course_id = $1 and user_id = $2"#,
        course_id,
        user_id
    )
    .fetch_optional(connection)
    .await?;
    Ok(found.unwrap_or_default())
}

/// The same once a drop that is under way has ended, one way or the other.
pub(crate) async fn settled(pool: &PgPool, course_id: i64, user_id: i64) -> Result<Access> {
    let mut tx = postgres::begin(pool).await?;
    let seen = access(&mut *tx, course_id, user_id).await?;
    leave::take_turn(&mut tx, seen.enrollment_id).await?;
    access(&mut *tx, course_id, user_id).await
}

/// The courses a user holds an active or completed enrollment in.
pub(crate) async fn accessible(pool: &PgPool, user_id: i64) -> Result<Vec<i64>> {
    Ok(sqlx::query_scalar!(
        "select course_id from enrollment.enrollments where user_id = $1 and status in ('active', 'completed')",
        user_id
    )
    .fetch_all(pool)
    .await?)
}
