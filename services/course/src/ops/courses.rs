//! Creating, editing, archiving and deleting courses.

use smartcourse_platform::{
    Error, Result, error::Problems, grpc::Actor, idempotency::IdempotencyKey, outbox, postgres,
};
use smartcourse_proto::{
    Wire,
    course::{
        Course, CourseStatus, CreateCourseRequest, DeleteCourseRequest, SetStatusRequest, UpdateCourseRequest,
    },
    enrollment::SetSeatLimitRequest,
    events::{CourseArchived, CourseDeleted},
    ids::CourseId,
    limits,
};
use sqlx::PgConnection;

use crate::{
    State, codes, model,
    ops::catalogue,
    store::{self, CourseRow},
};

/// Serialises changes of prerequisites, so that two edits cannot close a cycle together.
const PREREQUISITES_LOCK: i64 = 0x5343_5052_4552;

pub(crate) async fn create(state: &State, actor: Actor, request: CreateCourseRequest) -> Result<Course> {
    let owner = actor.user()?;
    actor.require_instructor()?;
    let mut problems = Problems::default();
    problems.name("title", &request.title, limits::TITLE);
    problems.text("description", &request.description, limits::DESCRIPTION);
    if let Some(category) = &request.category {
        problems.name("category", category, limits::CATEGORY);
    }
    let (amount, currency) = model::terms(&mut problems, request.max_enrollments, request.price.as_ref());
    let language = model::language(&mut problems, request.language.as_deref());
    problems.finish()?;

    let this = serde_json::to_string(&request)
        .map_err(|error| Error::internal("a request is JSON").because(error))?;
    let idempotency = request
        .idempotency_key
        .clone()
        .map(|key| IdempotencyKey::new(format!("create_course:{owner}"), key, this));
    let mut tx = postgres::begin(&state.pool).await?;
    if let Some(key) = &idempotency {
        key.lock(&mut tx).await?;
        if let Some(id) = key.earlier::<CourseId>(&mut tx).await? {
            return Ok(store::course(&mut *tx, id).await?.into());
        }
    }
    check_prerequisites(&mut tx, None, &request.prerequisites).await?;
    let level = request.level.map(|_| request.level().as_text());
    let row = sqlx::query_as!(
        CourseRow,
        "insert into course.courses (instructor_id, title, description, category, level, price_amount, price_currency,
                                     max_enrollments, prerequisites, draft_key, language)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, '', $10) returning *",
        owner.0,
        request.title.trim(),
        request.description,
        request.category,
        level,
        amount,
        currency,
        request.max_enrollments,
        &request.prerequisites,
        language
    )
    .fetch_one(&mut *tx)
    .await?;
    if let Some(key) = &idempotency {
        key.remember(&mut tx, &row.id).await?;
    }
    tx.commit().await?;
    Ok(row.into())
}

async fn lock_prerequisites(tx: &mut PgConnection) -> Result<()> {
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(PREREQUISITES_LOCK)
        .execute(tx)
        .await?;
    Ok(())
}

/// Every prerequisite exists, and none leads back to the course.
async fn check_prerequisites(
    tx: &mut PgConnection,
    course: Option<CourseId>,
    prerequisites: &[i64],
) -> Result<()> {
    if prerequisites.is_empty() {
        return Ok(());
    }
    lock_prerequisites(tx).await?;
    let known = sqlx::query_scalar!("select id from course.courses where id = any($1)", prerequisites)
        .fetch_all(&mut *tx)
        .await?;
    let mut problems = Problems::default();
    for (index, id) in prerequisites.iter().enumerate() {
        problems.require(
            known.contains(id),
            format!("prerequisites[{index}]"),
            format!("there is no course {id}"),
        );
    }
    problems.finish()?;
    let Some(course) = course else { return Ok(()) };
    let cycle = sqlx::query_scalar!(
        "with recursive needed(id) as (
             select unnest($1::bigint[]) union
             select p from needed n join course.courses c on c.id = n.id cross join unnest(c.prerequisites) as p
         ) select exists (select 1 from needed where id = $2) as \"cycle!\"",
        prerequisites,
        course.0
    )
    .fetch_one(tx)
    .await?;
    if cycle {
        return Err(Error::new(
            &codes::PREREQUISITE_CYCLE,
            "the prerequisites lead back to this course",
        ));
    }
    Ok(())
}

pub(crate) async fn update(state: &State, actor: Actor, request: UpdateCourseRequest) -> Result<Course> {
    let mut problems = Problems::default();
    if let Some(title) = &request.title {
        problems.name("title", title, limits::TITLE);
    }
    if let Some(description) = &request.description {
        problems.text("description", description, limits::DESCRIPTION);
    }
    if let Some(category) = &request.category {
        problems.name("category", category, limits::CATEGORY);
    }
    let (amount, currency) = model::terms(&mut problems, request.max_enrollments, request.price.as_ref());
    let language = match request.language.as_deref() {
        // Takes away what was named.
        Some("") => Some(String::new()),
        tag => model::language(&mut problems, tag),
    };
    problems.finish()?;

    let mut tx = postgres::begin(&state.pool).await?;
    let row = store::lock_course(&mut tx, request.id.into()).await?;
    row.require_owner(actor)?;
    row.require_match(request.if_match.as_deref())?;
    let mut prerequisites = &row.prerequisites;
    if request.set_prerequisites {
        prerequisites = &request.prerequisites;
        check_prerequisites(&mut tx, Some(row.id), prerequisites).await?;
    }
    let level = request.level.map(|_| request.level().as_text());
    let updated = sqlx::query_as!(
        CourseRow,
        "update course.courses set title = coalesce($2, title), description = coalesce($3, description),
             category = coalesce($4, category), level = coalesce($5, level), price_amount = coalesce($6, price_amount),
             price_currency = coalesce($7, price_currency), max_enrollments = coalesce($8, max_enrollments),
             prerequisites = $9, language = nullif(coalesce($10, language), ''), revision = revision + 1, updated_at = now()
         where id = $1 returning *",
        row.id.0,
        request.title.as_deref().map(str::trim),
        request.description,
        request.category,
        level,
        amount,
        currency,
        request.max_enrollments,
        prerequisites,
        language
    )
    .fetch_one(&mut *tx)
    .await?;
    // Enrollment owns the seats, which stay for as long as the course does once a publish has made them. Setting the limit
    // twice is setting it once, so it goes before our own commit.
    if request.max_enrollments.is_some() && row.last_version > 0 {
        let limit = SetSeatLimitRequest {
            course_id: row.id.0,
            max: request.max_enrollments,
        };
        state
            .enrollment
            .set_seat_limit(Actor::Service.request(limit))
            .await?;
    }
    tx.commit().await?;
    if updated.is_live() {
        catalogue::changed(state).await;
    }
    Ok(updated.into())
}

pub(crate) async fn delete(state: &State, actor: Actor, request: DeleteCourseRequest) -> Result<()> {
    let mut tx = postgres::begin(&state.pool).await?;
    let row = store::lock_course(&mut tx, request.id.into()).await?;
    row.require_owner(actor)?;
    row.require_match(request.if_match.as_deref())?;
    let open = store::open_attempt(&mut *tx, row.id).await?.is_some();
    let ever = sqlx::query_scalar!(
        "select exists (select 1 from course.versions where course_id = $1 and state = 'published') as \"ever!\"",
        row.id.0
    )
    .fetch_one(&mut *tx)
    .await?;
    if ever || open {
        return Err(Error::new(
            &codes::COURSE_IN_USE,
            "only drafts that were never published can be deleted; archive the course instead",
        ));
    }
    // Nobody could complete it any more, so nobody could take what builds on it.
    lock_prerequisites(&mut tx).await?;
    let builds_on = sqlx::query_scalar!(
        "select id from course.courses where prerequisites @> array[$1::bigint] order by id",
        row.id.0
    )
    .fetch_all(&mut *tx)
    .await?;
    if !builds_on.is_empty() {
        let error = Error::new(&codes::COURSE_REQUIRED, "other courses build on this one");
        return Err(error.with_fact("courses", builds_on));
    }
    sqlx::query!("delete from course.courses where id = $1", row.id.0)
        .execute(&mut *tx)
        .await?;
    let event = CourseDeleted { course_id: row.id.0 };
    outbox::put_event(&mut tx, "course.deleted", &row.key(), &event).await?;
    tx.commit().await?;
    Ok(())
}

pub(crate) async fn set_status(state: &State, actor: Actor, request: SetStatusRequest) -> Result<Course> {
    let mut tx = postgres::begin(&state.pool).await?;
    let row = store::lock_course(&mut tx, request.id.into()).await?;
    row.require_owner(actor)?;
    if store::open_attempt(&mut *tx, row.id).await?.is_some() {
        return Err(Error::new(
            &codes::PUBLISH_RUNNING,
            "a publish is under way; wait for it or cancel it",
        ));
    }
    let (archived, withdrawn) = match request.status() {
        CourseStatus::Archived => (true, !row.archived),
        // Out of the archive and out of the catalogue: what is published again comes from a publish. Whoever counts
        // published courses hears of it as of an archiving: the course is no longer to be had.
        CourseStatus::Draft => (false, row.is_live()),
        CourseStatus::Published | CourseStatus::Unspecified => {
            return Err(Error::new(
                &codes::VALIDATION_FAILED,
                "status must be archived or draft; publishing has its own call",
            ));
        }
    };
    if withdrawn {
        let event = CourseArchived { course_id: row.id.0 };
        outbox::put_event(&mut tx, "course.archived", &row.key(), &event).await?;
    }
    let updated = sqlx::query_as!(
        CourseRow,
        "update course.courses set archived = $2, published_version = case when $2 then published_version end,
             ai_ready = ai_ready and $2, revision = revision + 1, updated_at = now() where id = $1 returning *",
        row.id.0,
        archived
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    // Also when it was withdrawn before: whoever did may have ended before it was told.
    catalogue::changed(state).await;
    Ok(updated.into())
}
