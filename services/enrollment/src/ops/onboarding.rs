//! What the enrollment workflow and the reconciler call. Each may come twice and has one effect.

use smartcourse_platform::{Error, Result, fault, outbox, postgres};
use smartcourse_proto::{
    common::{EpochRef, Restarted},
    enrollment::{
        EnsureRequest, Ensured, FinishedOnboarding, ListOpenOnboardingsRequest, OpenOnboarding,
        OpenOnboardings, ReportOnboardingRequest, RestartOnboardingRequest,
    },
};
use smartcourse_workflows::{activities::ONBOARDING, enrollment::workflow_id};

use crate::{
    State, codes,
    eligibility::require_student,
    model::{self, EnrollmentRow},
    ops::enroll,
};

/// Onboardings the reconciler reads at once.
const BATCH: i64 = 500;

fn ensured(row: &EnrollmentRow, nothing_to_do: bool) -> Ensured {
    Ensured {
        enrollment_id: row.id.0,
        epoch: row.epoch,
        nothing_to_do,
        event_id: row.event_id.map(|id| id.to_string()).unwrap_or_default(),
    }
}

/// Step 1: takes up the accepted epoch for this run, or takes the seat for a workflow that was started raw.
pub(crate) async fn ensure(state: &State, request: EnsureRequest) -> Result<Ensured> {
    let Some(epoch) = request.epoch else {
        return ensure_raw(state, &request).await;
    };
    let mut tx = postgres::begin(&state.pool).await?;
    let row = enroll::existing(&mut tx, request.course_id.into(), request.user_id.into()).await?;
    let row = row.ok_or_else(|| Error::new(&codes::NOT_FOUND, "there is no such enrollment"))?;
    // A later epoch whose start joined this run is taken up in place of the one that is over.
    if row.epoch < epoch || row.is_onboarded() {
        return Ok(ensured(&row, true));
    }
    take_up(&mut tx, &row, &request.run_id).await?;
    fault::commit(tx, "enrollment.ensure_enrollment").await?;
    Ok(ensured(&row, false))
}

/// The epoch belongs to this run from here on. There is one at a time, by its id, and a lost one is replaced. The steps are
/// tried from the first one again, so what failed before is told no more.
async fn take_up(tx: &mut sqlx::PgConnection, row: &EnrollmentRow, run_id: &str) -> Result<()> {
    sqlx::query!(
        "with anew as (delete from enrollment.onboarding_steps where enrollment_id = $1 and epoch = $3)
         update enrollment.enrollments set onboarding = 'running', run_id = $2 where id = $1",
        row.id.0,
        run_id,
        row.epoch
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Any Temporal client may start the workflow: the same rules and refusals as over HTTP.
async fn ensure_raw(state: &State, request: &EnsureRequest) -> Result<Ensured> {
    let user_id = request.user_id.into();
    require_student(state, user_id).await?;
    let course = enroll::course(state, request.course_id.into()).await?;
    let mut tx = postgres::begin(&state.pool).await?;
    enroll::lock_seats(&mut tx, course.id.into()).await?;
    let row = match enroll::existing(&mut tx, course.id.into(), user_id).await? {
        Some(row) if row.is_seated() => {
            let same_run = row.run_id.as_deref() == Some(request.run_id.as_str());
            match (row.is_onboarded(), same_run) {
                // The answer to this very run was lost on its way.
                (true, true) => return Ok(ensured(&row, true)),
                (true, false) => return Err(enroll::already_enrolled(row.id)),
                // Accepted another way a moment ago, and not begun: this run does it.
                (false, _) => take_up(&mut tx, &row, &request.run_id).await?,
            }
            row
        }
        // This very run took a seat, its answer was lost, and the student has left since.
        Some(row) if row.run_id.as_deref() == Some(request.run_id.as_str()) => {
            return Ok(ensured(&row, true));
        }
        _ => enroll::accept(state, &mut tx, &course, user_id, Some(&request.run_id)).await?,
    };
    fault::commit(tx, "enrollment.ensure_enrollment").await?;
    Ok(ensured(&row, false))
}

/// Records why a try of a step failed, or that one worked after others had failed.
pub(crate) async fn report(state: &State, request: ReportOnboardingRequest) -> Result<()> {
    let step = ONBOARDING.steps.iter().find(|step| step.name == request.step);
    let unknown = || Error::new(&codes::NOT_FOUND, format!("there is no step {}", request.step));
    let step = i32::from(step.ok_or_else(unknown)?.number);
    let Some(error) = request.error else {
        sqlx::query!(
            // As many tries have failed: a report of one of them that comes late changes nothing.
            "update enrollment.onboarding_steps set done = true, tries = greatest(tries, $4 - 1), reported_at = now()
             where enrollment_id = $1 and epoch = $2 and step = $3",
            request.enrollment_id,
            request.epoch,
            step,
            request.attempt
        )
        .execute(&state.pool)
        .await?;
        return Ok(());
    };
    sqlx::query!(
        "insert into enrollment.onboarding_steps (enrollment_id, epoch, step, tries, error_code, error_message)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (enrollment_id, epoch, step) do update set
             tries = greatest(onboarding_steps.tries, excluded.tries), error_code = excluded.error_code,
             error_message = excluded.error_message, done = false, reported_at = now()
         where not onboarding_steps.done or onboarding_steps.tries < excluded.tries",
        request.enrollment_id,
        request.epoch,
        step,
        request.attempt,
        error.code,
        error.message
    )
    .execute(&state.pool)
    .await?;
    Ok(())
}

/// All is set. Names the next epoch when the student dropped the course and came back meanwhile.
pub(crate) async fn finish(state: &State, request: EpochRef) -> Result<FinishedOnboarding> {
    let mut tx = postgres::begin(&state.pool).await?;
    let row = model::lock(&mut tx, request.enrollment_id.into()).await?;
    if row.epoch != request.epoch {
        let next = (row.is_seated() && !row.is_onboarded()).then_some(row.epoch);
        return Ok(FinishedOnboarding { next_epoch: next });
    }
    sqlx::query!(
        "update enrollment.enrollments set onboarding = 'completed' where id = $1",
        row.id.0
    )
    .execute(&mut *tx)
    .await?;
    fault::commit(tx, "enrollment.finish_onboarding").await?;
    Ok(FinishedOnboarding { next_epoch: None })
}

/// A page of the onboardings whose start was handed over and that have not ended.
pub(crate) async fn open(state: &State, request: ListOpenOnboardingsRequest) -> Result<OpenOnboardings> {
    let rows = sqlx::query!(
        "select id, epoch, course_id, user_id from enrollment.enrollments
         where onboarding <> 'completed' and enrolled_at < now() - make_interval(secs => $1) and id > $3
         order by id limit $2",
        f64::from(request.older_than_seconds),
        BATCH,
        request.after_enrollment_id
    )
    .fetch_all(&state.pool)
    .await?;
    let full = i64::try_from(rows.len()).is_ok_and(|count| count >= BATCH);
    let next_after_enrollment_id = rows.last().filter(|_| full).map(|row| row.id);
    let mut items = Vec::new();
    for row in rows {
        let workflow_id = workflow_id(row.course_id.into(), row.user_id.into());
        if !outbox::start_waits(&state.pool, &workflow_id).await? {
            items.push(OpenOnboarding {
                enrollment_id: row.id,
                epoch: row.epoch,
                workflow_id,
            });
        }
    }
    Ok(OpenOnboardings {
        items,
        next_after_enrollment_id,
    })
}

/// Starts the workflow of an onboarding again: its run is gone, its seat is not.
pub(crate) async fn restart(state: &State, request: RestartOnboardingRequest) -> Result<Restarted> {
    let mut tx = postgres::begin(&state.pool).await?;
    let row = model::lock(&mut tx, request.enrollment_id.into()).await?;
    if row.epoch != request.epoch || row.is_onboarded() {
        return Ok(Restarted::default());
    }
    let epoch = Some(row.epoch);
    let start = enroll::start(state, row.course_id, row.user_id, row.instructor_id, epoch)?;
    let restarted = !outbox::start_waits(&state.pool, &start.workflow_id).await?;
    if restarted {
        outbox::put_start(&mut tx, &start).await?;
    }
    tx.commit().await?;
    Ok(Restarted { restarted })
}
