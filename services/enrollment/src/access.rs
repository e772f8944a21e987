//! Who may read a course.

use smartcourse_platform::Result;
use sqlx::PgPool;

/// Whether a user holds an active or completed enrollment.
pub(crate) async fn is_enrolled(pool: &PgPool, course_id: i64, user_id: i64) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"select exists (
               select from enrollment.enrollments
               where course_id = $1 and user_id = $2 and status in ('active', 'completed')
           ) as "enrolled!""#,
        course_id,
        user_id
    )
    .fetch_one(pool)
    .await?)
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
