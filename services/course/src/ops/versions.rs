//! The versions of a course that were published.

use smartcourse_platform::{Result, grpc::Actor};
use smartcourse_proto::{
    course::{Version, VersionList},
    ids::CourseId,
    json::timestamp::from_time,
};

use crate::{State, store};

pub(crate) async fn list(state: &State, actor: Actor, course_id: CourseId) -> Result<VersionList> {
    let course = store::course(&state.pool, course_id).await?;
    course.require_owner(actor)?;
    let rows = sqlx::query!(
        "select version, created_at, published_at from course.versions
         where course_id = $1 and state = 'published' order by version desc",
        course_id.0
    )
    .fetch_all(&state.pool)
    .await?;
    let items = rows
        .into_iter()
        .map(|row| Version {
            version: row.version,
            published: course.published_version == Some(row.version),
            created_at: Some(from_time(row.created_at)),
            published_at: row.published_at.map(from_time),
        })
        .collect();
    Ok(VersionList {
        items,
        next_cursor: None,
    })
}
