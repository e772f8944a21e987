//! Taking a seat: the same rules for every way in, checked under the lock of the course's seats.

use std::sync::Arc;

use smartcourse_platform::{
    Error, Result,
    error::to_json,
    fault,
    grpc::Actor,
    idempotency::IdempotencyKey,
    outbox,
    ports::workflows::{AfterCompletion, Start, StartOptions},
    postgres,
};
use smartcourse_proto::{
    course::{Course, CourseRef, CourseStatus, GetCoursesRequest},
    enrollment::{EnrollRequest, Enrollment},
    events::EnrollmentCreated,
    ids::{CourseId, EnrollmentId, UserId},
    user::Role,
};
use smartcourse_workflows::{
    TASK_QUEUE,
    enrollment::{EXECUTION_TIMEOUT, EnrollInput, workflow_id},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    State, codes,
    eligibility::require_student,
    model::{self, EnrollmentRow},
};

/// The registered type of the enrollment workflow.
const WORKFLOW_TYPE: &str = "Enrollment";

/// Takes a seat and asks for the workflow that follows, in one transaction.
pub(crate) async fn enroll(state: &State, actor: Actor, request: EnrollRequest) -> Result<Enrollment> {
    let user_id = student(actor, request.user_id.into())?;
    if actor.is_privileged() {
        require_student(state, user_id).await?;
    }
    let course = course(state, request.course_id.into()).await?;
    let row = match request.idempotency_key {
        // One statement is a transaction of its own: nobody who waits for the seats waits for our round trips.
        None => {
            let mut connection = state.reader.connection().await?;
            fault::point("enrollment.enroll", "before_commit");
            let row = accept(state, &mut connection, &course, user_id, None).await?;
            connection.done();
            row
        }
        Some(key) => {
            // Sent again, a key gets the enrollment it made, where a request without one is told `already_enrolled`.
            let key = IdempotencyKey::new(format!("enroll:{user_id}"), key, course.id.to_string());
            let mut tx = postgres::begin(&state.pool).await?;
            key.lock(&mut tx).await?;
            if let Some(id) = key.earlier::<EnrollmentId>(&mut tx).await? {
                let row = model::by_id(&mut *tx, id).await?;
                return Ok(model::outside(row, &[], &state.temporal));
            }
            let row = accept(state, &mut tx, &course, user_id, None).await?;
            key.remember(&mut tx, &row.id).await?;
            fault::point("enrollment.enroll", "before_commit");
            tx.commit().await?;
            row
        }
    };
    fault::point("enrollment.enroll", "after_commit");
    Ok(model::outside(row, &[], &state.temporal))
}

/// Who is to be enrolled: students themselves; a service of ours and administrators may name somebody.
fn student(actor: Actor, user_id: UserId) -> Result<UserId> {
    match actor {
        Actor::User {
            id,
            role: Role::Student,
        } if user_id.0 == 0 || user_id == id => Ok(id),
        _ if actor.is_privileged() && user_id.0 != 0 => Ok(user_id),
        _ => {
            actor.user()?;
            Err(Error::new(&codes::FORBIDDEN, "only students enroll, themselves"))
        }
    }
}

/// The course as it is now, with the prerequisites that still bind: nobody can complete an archived course any more, so it asks
/// nothing of those who have not. It is read before the lock is taken: whoever waits for a seat waits for nothing else.
pub(crate) async fn course(state: &State, id: CourseId) -> Result<Arc<Course>> {
    let read = async {
        let request = Actor::Service.request(CourseRef { id: id.0 });
        let mut course = state.course.get_course(request).await?;
        if !course.prerequisites.is_empty() {
            let ids = course.prerequisites.clone();
            let request = Actor::Service.request(GetCoursesRequest { ids });
            let mut archived = state.course.get_courses(request).await?.items;
            archived.retain(|course| course.status() == CourseStatus::Archived);
            let binds = |id: &i64| archived.iter().all(|course| course.id != *id);
            course.prerequisites.retain(binds);
        }
        Ok(Arc::new(course))
    };
    state.courses.read(id, read).await
}

/// Checks every rule, takes a seat and leaves in the outbox what is to follow: the event, and the start of the workflow
/// unless a run is there already, because it was started raw.
///
/// A refusal has written nothing. A course that is full refuses without waiting for those who are taking its seats: whoever
/// comes too late to a rush does not hold it up.
pub(crate) async fn accept(
    state: &State,
    tx: &mut PgConnection,
    course: &Course,
    user_id: UserId,
    run_id: Option<&str>,
) -> Result<EnrollmentRow> {
    let missing = missing_prerequisites(tx, &course.prerequisites, user_id).await?;
    if course.status() == CourseStatus::Published
        && missing.is_empty()
        && let Some(row) = take_seat(state, tx, course, user_id, run_id).await?
    {
        return Ok(row);
    }
    Err(refusal(tx, course, user_id, missing).await?)
}

/// Locks the seats of a course: the first lock of every transaction that takes or frees one.
pub(crate) async fn lock_seats(tx: &mut PgConnection, course_id: CourseId) -> Result<()> {
    let seats = sqlx::query_scalar!(
        "select course_id from enrollment.course_seats where course_id = $1 for update",
        course_id.0
    )
    .fetch_optional(tx)
    .await?;
    match seats {
        Some(_) => Ok(()),
        // A publish makes the row before it flips the pointer.
        None => Err(not_published()),
    }
}

/// The student's enrollment in a course, whatever its status.
pub(crate) async fn existing(
    tx: &mut PgConnection,
    course_id: CourseId,
    user_id: UserId,
) -> Result<Option<EnrollmentRow>> {
    Ok(sqlx::query_as!(
        EnrollmentRow,
        "select * from enrollment.enrollments where course_id = $1 and user_id = $2 for update",
        course_id.0,
        user_id.0
    )
    .fetch_optional(tx)
    .await?)
}

/// The seat, who sits on it and what follows, in one statement, which may well be a transaction of its own: others wait for
/// the lock it takes. It does nothing when all seats are taken or the student has one.
async fn take_seat(
    state: &State,
    tx: &mut PgConnection,
    course: &Course,
    user_id: UserId,
    run_id: Option<&str>,
) -> Result<Option<EnrollmentRow>> {
    // Enrollment and epoch are for the statement to fill in.
    let created = EnrollmentCreated {
        enrollment_id: 0,
        epoch: 0,
        course_id: course.id,
        user_id: user_id.0,
        instructor_id: course.instructor_id,
        course_title: course.title.clone(),
    };
    let created = to_json(&created)?;
    let instructor_id = course.instructor_id.into();
    let start = start(state, course.id.into(), user_id, instructor_id, None)?;
    Ok(sqlx::query_as!(
        EnrollmentRow,
        r#"with room as (
             select course_id from enrollment.course_seats
             where course_id = $1 and (max is null or taken < max) and not exists (
                 select from enrollment.enrollments where course_id = $1 and user_id = $2 and status <> 'dropped')
             for update),
         student as (
             insert into enrollment.enrollments as known
                 (course_id, user_id, status, onboarding, run_id, event_id, instructor_id)
             select course_id, $2, 'active', case when $3::text is null then 'accepted' else 'running' end, $3, $4, $5
             from room
             on conflict (course_id, user_id) do update set status = 'active', epoch = known.epoch + 1,
                 enrolled_at = now(), completed_at = null, dropped_at = null, onboarding = excluded.onboarding,
                 run_id = excluded.run_id, event_id = excluded.event_id, instructor_id = excluded.instructor_id
             where known.status = 'dropped'
             returning *),
         seat as (
             update enrollment.course_seats as seats set taken = seats.taken + 1 from student
             where seats.course_id = student.course_id)
         select id as "id!", course_id as "course_id!", user_id as "user_id!", status as "status!",
             enrolled_at as "enrolled_at!", epoch as "epoch!", completed_at, dropped_at, onboarding as "onboarding!",
             run_id, event_id, instructor_id as "instructor_id!"
         from student, lateral (
             select platform.put_event($4, 'enrollment.created', 'enrollment-' || id,
                     $6::jsonb || jsonb_build_object('enrollment_id', id, 'epoch', epoch), $7),
                 case when $3 is null then platform.put_start($8, $9, $10,
                     $11::jsonb || jsonb_build_object('epoch', epoch), $12) end
         ) as left_in_the_outbox"#,
        course.id,
        user_id.0,
        run_id,
        Uuid::now_v7(),
        course.instructor_id,
        created,
        outbox::headers(),
        start.workflow_id,
        start.workflow_type,
        start.task_queue,
        start.input,
        start.options()?
    )
    .fetch_optional(tx)
    .await?)
}

/// Why there was no seat.
async fn refusal(
    tx: &mut PgConnection,
    course: &Course,
    user_id: UserId,
    missing: Vec<i64>,
) -> Result<Error> {
    let seated = sqlx::query_scalar!(
        "select id from enrollment.enrollments where course_id = $1 and user_id = $2 and status <> 'dropped'",
        course.id,
        user_id.0
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(id) = seated {
        return Ok(already_enrolled(id.into()));
    }
    let has_room = sqlx::query_scalar!(
        r#"select max is null or taken < max as "has_room!" from enrollment.course_seats where course_id = $1"#,
        course.id
    )
    .fetch_optional(tx)
    .await?;
    Ok(match has_room {
        Some(true) if course.status() == CourseStatus::Published && !missing.is_empty() => Error::new(
            &codes::PREREQUISITE_MISSING,
            "complete the courses this one builds on first",
        )
        .with_fact("missing", missing),
        Some(_) if course.status() == CourseStatus::Published => {
            Error::new(&codes::COURSE_FULL, "all seats of this course are taken")
        }
        // A publish makes the row of the seats before it flips the pointer.
        _ => not_published(),
    })
}

async fn missing_prerequisites(
    tx: &mut PgConnection,
    prerequisites: &[i64],
    user_id: UserId,
) -> Result<Vec<i64>> {
    if prerequisites.is_empty() {
        return Ok(Vec::new());
    }
    let completed = sqlx::query_scalar!(
        "select course_id from enrollment.enrollments
         where user_id = $1 and course_id = any($2) and status = 'completed'",
        user_id.0,
        prerequisites
    )
    .fetch_all(tx)
    .await?;
    let missing = prerequisites.iter().filter(|id| !completed.contains(id));
    Ok(missing.copied().collect())
}

pub(crate) fn already_enrolled(enrollment_id: EnrollmentId) -> Error {
    Error::new(&codes::ALREADY_ENROLLED, "the student is enrolled in this course")
        .with_fact("enrollment_id", enrollment_id.0)
}

fn not_published() -> Error {
    Error::new(&codes::NOT_PUBLISHED, "the course is not published")
}

/// The start of an epoch's workflow, through the typed contract.
pub(crate) fn start(
    state: &State,
    course_id: CourseId,
    user_id: UserId,
    instructor_id: UserId,
    epoch: Option<i32>,
) -> Result<Start> {
    let input = EnrollInput {
        course_id,
        user_id,
        epoch,
        analytics_wait_ms: state.analytics_wait_ms,
        settings: state.settings.clone(),
    };
    Ok(Start {
        workflow_id: workflow_id(course_id, user_id),
        workflow_type: WORKFLOW_TYPE.to_owned(),
        task_queue: TASK_QUEUE.to_owned(),
        input: to_json(&input)?,
        options: StartOptions {
            execution_timeout_seconds: EXECUTION_TIMEOUT.as_secs(),
            course_id: course_id.0,
            instructor_id: instructor_id.0,
            summary: format!("Enroll student {user_id} in course {course_id}"),
            after_completion: AfterCompletion::StartAgain,
            ..StartOptions::default()
        },
    })
}
