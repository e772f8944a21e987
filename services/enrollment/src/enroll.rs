//! Taking a seat: the same rules for every door, checked under the lock of the course's seats.

use std::sync::Arc;

use smartcourse_platform::{
    Error, Result,
    error::codes,
    fault,
    grpc::Actor,
    outbox::{self, AfterCompletion, Start, StartOptions},
};
use smartcourse_proto::{
    course::{Course, CourseStatus, GetCourseRequest},
    enrollment::{EnrollRequest, Enrollment},
    events::EnrollmentCreated,
    user::Role,
};
use smartcourse_workflows::{
    TASK_QUEUE,
    enrollment::{EXECUTION_TIMEOUT, EnrollInput, workflow_id},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    State,
    model::{self, EnrollmentRow},
};

/// The registered type of the enrollment workflow.
const WORKFLOW_TYPE: &str = "Enrollment";

/// Takes a seat and asks for the workflow that follows, in one transaction.
pub(crate) async fn enroll(state: &State, actor: Actor, request: EnrollRequest) -> Result<Enrollment> {
    let user_id = student(actor, request.user_id)?;
    let course = course(state, request.course_id).await?;
    refuse_early(state, course.id, user_id).await?;
    let mut tx = state.pool.begin().await?;
    let row = accept(state, &mut tx, &course, user_id).await?;
    fault::point("enrollment.enroll", "before_commit");
    tx.commit().await?;
    fault::point("enrollment.enroll", "after_commit");
    Ok(model::outside(row, &[], &state.temporal))
}

/// Who is to be enrolled: students themselves; a service of ours and administrators may name somebody.
fn student(actor: Actor, user_id: i64) -> Result<i64> {
    match actor {
        Actor::User {
            id,
            role: Role::Student,
        } if user_id == 0 || user_id == id.0 => Ok(id.0),
        _ if actor.is_privileged() && user_id != 0 => Ok(user_id),
        _ => {
            actor.user()?;
            Err(Error::new(&codes::FORBIDDEN, "only students enroll, themselves"))
        }
    }
}

/// The course as it is now. It is read before the lock is taken: whoever waits for a seat waits for nothing else.
pub(crate) async fn course(state: &State, id: i64) -> Result<Arc<Course>> {
    let read = async {
        let request = Actor::Service.request(GetCourseRequest { id });
        let course = state.course.clone().get_course(request).await?;
        Ok(Arc::new(course.into_inner()))
    };
    state.courses.read(id, read).await
}

/// Answers without the lock what can be: whoever comes too late to a rush does not hold up those who still find a seat.
async fn refuse_early(state: &State, course_id: i64, user_id: i64) -> Result<()> {
    let seen = sqlx::query!(
        r#"select coalesce(s.taken >= s.max, false) as "full!", e.id as "enrollment_id?"
           from enrollment.course_seats s
           left join enrollment.enrollments e on e.course_id = s.course_id and e.user_id = $2 and e.status <> 'dropped'
           where s.course_id = $1"#,
        course_id,
        user_id
    )
    .fetch_optional(&state.pool)
    .await?;
    match seen {
        None => Ok(()),
        Some(row) => match row.enrollment_id {
            Some(id) => Err(already_enrolled(id)),
            None if row.full => Err(course_full()),
            None => Ok(()),
        },
    }
}

/// Takes the seat, and leaves the workflow's start in the outbox.
pub(crate) async fn accept(
    state: &State,
    tx: &mut PgConnection,
    course: &Course,
    user_id: i64,
) -> Result<EnrollmentRow> {
    lock_seats(tx, course.id).await?;
    let row = take_seat(tx, course, user_id, None).await?;
    outbox::put_start(tx, &start(state, &row)?).await?;
    Ok(row)
}

/// Locks the seats of a course: the first lock of every transaction that takes or frees one.
pub(crate) async fn lock_seats(tx: &mut PgConnection, course_id: i64) -> Result<()> {
    let seats = sqlx::query_scalar!(
        "select course_id from enrollment.course_seats where course_id = $1 for update",
        course_id
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
    course_id: i64,
    user_id: i64,
) -> Result<Option<EnrollmentRow>> {
    Ok(sqlx::query_as!(
        EnrollmentRow,
        "select * from enrollment.enrollments where course_id = $1 and user_id = $2 for update",
        course_id,
        user_id
    )
    .fetch_optional(tx)
    .await?)
}

/// Checks every rule and takes a seat; `run_id` is set when a workflow that was started raw does it. The caller has the
/// lock of the seats.
pub(crate) async fn take_seat(
    tx: &mut PgConnection,
    course: &Course,
    user_id: i64,
    run_id: Option<&str>,
) -> Result<EnrollmentRow> {
    if let Some(row) = existing(tx, course.id, user_id).await?
        && row.is_seated()
    {
        return Err(already_enrolled(row.id));
    }
    if course.status() != CourseStatus::Published {
        return Err(not_published());
    }
    check_prerequisites(tx, &course.prerequisites, user_id).await?;
    let event_id = Uuid::now_v7();
    // The seat and who sits on it are one statement: it does nothing when all are taken.
    let row = sqlx::query_as!(
        EnrollmentRow,
        "with seat as (
             update enrollment.course_seats set taken = taken + 1
             where course_id = $1 and (max is null or taken < max) returning course_id)
         insert into enrollment.enrollments as known
             (course_id, user_id, status, onboarding, run_id, event_id, instructor_id)
         select course_id, $2, 'active', case when $3::text is null then 'accepted' else 'running' end, $3, $4, $5 from seat
         on conflict (course_id, user_id) do update set status = 'active', epoch = known.epoch + 1, enrolled_at = now(),
             completed_at = null, dropped_at = null, onboarding = excluded.onboarding, run_id = excluded.run_id,
             event_id = excluded.event_id, instructor_id = excluded.instructor_id
         returning *",
        course.id,
        user_id,
        run_id,
        event_id,
        course.instructor_id
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(course_full)?;
    let created = EnrollmentCreated {
        enrollment_id: row.id,
        epoch: row.epoch,
        course_id: course.id,
        user_id,
        instructor_id: course.instructor_id,
        course_title: course.title.clone(),
    };
    outbox::put_event_as(
        tx,
        event_id,
        "enrollment.created",
        &model::event_key(row.id),
        &created,
    )
    .await?;
    Ok(row)
}

async fn check_prerequisites(tx: &mut PgConnection, prerequisites: &[i64], user_id: i64) -> Result<()> {
    if prerequisites.is_empty() {
        return Ok(());
    }
    let completed = sqlx::query_scalar!(
        "select course_id from enrollment.enrollments
         where user_id = $1 and course_id = any($2) and status = 'completed'",
        user_id,
        prerequisites
    )
    .fetch_all(tx)
    .await?;
    let missing: Vec<i64> = prerequisites
        .iter()
        .copied()
        .filter(|id| !completed.contains(id))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        &codes::PREREQUISITE_MISSING,
        "complete the courses this one builds on first",
    )
    .with_fact("missing", missing))
}

pub(crate) fn already_enrolled(enrollment_id: i64) -> Error {
    Error::new(&codes::ALREADY_ENROLLED, "the student is enrolled in this course")
        .with_fact("enrollment_id", enrollment_id)
}

fn course_full() -> Error {
    Error::new(&codes::COURSE_FULL, "all seats of this course are taken")
}

fn not_published() -> Error {
    Error::new(&codes::NOT_PUBLISHED, "the course is not published")
}

/// The start of an epoch's workflow, through the typed contract.
pub(crate) fn start(state: &State, row: &EnrollmentRow) -> Result<Start> {
    let input = EnrollInput {
        course_id: row.course_id,
        user_id: row.user_id,
        epoch: Some(row.epoch),
        analytics_wait_ms: state.analytics_wait_ms,
        settings: state.settings.clone(),
    };
    Ok(Start {
        workflow_id: workflow_id(row.course_id, row.user_id),
        workflow_type: WORKFLOW_TYPE.to_owned(),
        task_queue: TASK_QUEUE.to_owned(),
        input: serde_json::to_value(input)
            .map_err(|error| Error::internal("an input is JSON").because(error))?,
        options: StartOptions {
            execution_timeout_seconds: EXECUTION_TIMEOUT.as_secs(),
            course_id: row.course_id,
            instructor_id: row.instructor_id,
            summary: format!("Enroll student {} in course {}", row.user_id, row.course_id),
            after_completion: AfterCompletion::StartAgain,
        },
    })
}
