//! The catalogue: the courses everybody may see, page by page.

use std::time::Duration;

use smartcourse_platform::{Error, Result, error::Problems, page, postgres};
use smartcourse_proto::{
    Wire,
    course::{CoursePage, ListCoursesRequest},
    limits,
};

use crate::{State, store::CourseRow};

/// What its pages are of, for all processes that share them.
const TOPIC: &str = "catalogue";
/// How long a page is kept for those who read it next.
const KEPT: Duration = Duration::from_secs(10);

pub(crate) async fn list(state: &State, request: ListCoursesRequest) -> Result<CoursePage> {
    let limit = page::limit(request.limit)?;
    let before: Option<i64> = page::decode(&request.cursor)?;
    let mut problems = Problems::default();
    problems.words("q", &request.q, limits::CATALOGUE_WORDS);
    if let Some(category) = &request.category {
        problems.words("category", category, limits::CATEGORY);
    }
    problems.finish()?;
    let key = serde_json::to_string(&request)
        .map_err(|error| Error::internal("a request is JSON").because(error))?;
    let load = load(state, request, limit, before);
    state.reads.read_of(TOPIC, &key, KEPT, load).await
}

/// What a page of the catalogue shows has changed: told after the commit and before the answer.
pub(crate) async fn changed(state: &State) {
    state.reads.changed(TOPIC).await;
}

async fn load(
    state: &State,
    request: ListCoursesRequest,
    limit: i64,
    before: Option<i64>,
) -> Result<CoursePage> {
    let escaped = postgres::literal(&request.q);
    let level = request.level.map(|_| request.level().as_text());
    let mut rows = if escaped.is_empty() {
        sqlx::query_as!(
            CourseRow,
            "select * from course.courses
             where published_version is not null and not archived and ($1::bigint is null or id < $1)
               and ($2::text is null or category = $2) and ($3::text is null or level = $3)
               and ($4::bigint is null or instructor_id = $4)
             order by id desc limit $5",
            before,
            request.category,
            level,
            request.instructor_id,
            limit + 1
        )
        .fetch_all(&state.pool)
        .await?
    } else {
        // The words first, by their index: in the order of ids every course would be looked at for words that are rare.
        sqlx::query_as!(
            CourseRow,
            "with found as materialized (
                 select id from course.courses
                 where published_version is not null and not archived and (title ilike $6 or description ilike $6))
             select c.* from course.courses c
             where c.id in (select id from found) and ($1::bigint is null or c.id < $1)
               and ($2::text is null or c.category = $2) and ($3::text is null or c.level = $3)
               and ($4::bigint is null or c.instructor_id = $4)
             order by c.id desc limit $5",
            before,
            request.category,
            level,
            request.instructor_id,
            limit + 1,
            format!("%{escaped}%")
        )
        .fetch_all(&state.pool)
        .await?
    };
    let next_cursor = page::cut(&mut rows, limit, |row| row.id.0);
    Ok(CoursePage {
        items: rows.into_iter().map(Into::into).collect(),
        next_cursor,
    })
}
