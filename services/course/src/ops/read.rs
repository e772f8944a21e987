//! Reading courses and their content.

use smartcourse_platform::{Error, Result, grpc::Actor};
use smartcourse_proto::{
    course::{
        Content, Course, CourseList, GetContentRequest, LivePointer, LivePointers, LivePointersRequest,
        Manifest, ManifestRequest,
    },
    ids::CourseId,
};

use crate::{
    State, codes, model,
    store::{self, CourseRow},
};

pub(crate) async fn get(state: &State, actor: Actor, id: CourseId) -> Result<Course> {
    let mut connection = state.reader.connection().await?;
    let row = store::course(&mut *connection, id).await?;
    connection.done();
    if !row.is_live() && !actor.owns(row.instructor_id) {
        // A draft does not exist for anybody else.
        return Err(store::missing(id));
    }
    Ok(row.into())
}

/// Courses of any status: who may see them is the caller's to decide.
pub(crate) async fn get_many(state: &State, ids: &[i64]) -> Result<CourseList> {
    let mut connection = state.reader.connection().await?;
    let rows = match ids {
        // One id is planned once; a list each time, since its length decides.
        [id] => {
            sqlx::query_as!(CourseRow, "select * from course.courses where id = $1", id)
                .fetch_all(&mut *connection)
                .await?
        }
        _ => {
            sqlx::query_as!(CourseRow, "select * from course.courses where id = any($1)", ids)
                .fetch_all(&mut *connection)
                .await?
        }
    };
    connection.done();
    let items = rows.into_iter().map(Into::into).collect();
    Ok(CourseList { items })
}

/// The draft for the owner; the published version, without quiz keys, for everybody the gateway lets through.
pub(crate) async fn content(state: &State, actor: Actor, request: GetContentRequest) -> Result<Content> {
    let row = store::course(&state.pool, request.course_id.into()).await?;
    let owner = actor.owns(row.instructor_id);
    match (owner, request.version) {
        (true, None) => {
            let mut content = state.content(&row.draft_key).await?;
            (content.course_id, content.etag) = (row.id.0, row.etag());
            Ok(content)
        }
        (true, Some(version)) => version_content(state, row.id, version).await,
        (false, asked) => {
            let live = row
                .published_version
                .filter(|live| asked.is_none_or(|asked| asked == *live))
                .ok_or_else(|| Error::new(&codes::NOT_FOUND, "there is no such published version"))?;
            Ok(model::without_keys(version_content(state, row.id, live).await?))
        }
    }
}

async fn version_content(state: &State, course_id: CourseId, version: i32) -> Result<Content> {
    let saved = sqlx::query!(
        "select document_key, attempt_id from course.versions where course_id = $1 and version = $2 and state <> 'aborted'",
        course_id.0,
        version
    )
    .fetch_optional(&state.pool)
    .await?
    .ok_or_else(|| Error::new(&codes::NOT_FOUND, format!("there is no version {version}")))?;
    let mut content = state.saved(&saved.document_key, saved.attempt_id).await?;
    content.etag = format!("\"c{course_id}-v{version}\"");
    Ok(content)
}

pub(crate) async fn live_pointers(state: &State, request: LivePointersRequest) -> Result<LivePointers> {
    let rows = sqlx::query!(
        "select id, published_version as \"version!\", title, instructor_id from course.courses
         where published_version is not null and not archived and (id = any($1) or instructor_id = $2)",
        &request.course_ids,
        request.instructor_id
    )
    .fetch_all(&state.pool)
    .await?;
    let items = rows
        .into_iter()
        .map(|row| LivePointer {
            course_id: row.id,
            version: row.version,
            title: row.title,
            instructor_id: row.instructor_id,
        })
        .collect();
    Ok(LivePointers { items })
}

/// A version with what its services need to know: a saved one, or the pinned revision of the attempt that will save it.
pub(crate) async fn manifest(state: &State, request: ManifestRequest) -> Result<Manifest> {
    let row = store::course(&state.pool, request.course_id.into()).await?;
    let key = if request.version == 0 {
        row.draft_key.clone()
    } else {
        sqlx::query_scalar!(
            "select document_key from course.versions where course_id = $1 and version = $2 and state <> 'aborted'
             union all
             select draft_key from course.publish_attempts where course_id = $1 and version = $2 and not aborted
             limit 1",
            row.id.0,
            request.version
        )
        .fetch_optional(&state.pool)
        .await?
        .flatten()
        .ok_or_else(|| Error::discarded(request.version))?
    };
    let mut content = state.content(&key).await?;
    content.course_id = row.id.0;
    content.version = request.version;
    Ok(Manifest {
        content: Some(content),
        course_title: row.title,
        instructor_id: row.instructor_id.0,
        max_enrollments: row.max_enrollments,
        published_version: row.published_version,
        language: row.language,
    })
}
