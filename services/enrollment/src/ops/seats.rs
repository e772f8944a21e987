//! Seats: how many, and how many are taken.

use smartcourse_platform::{Error, Result, error::Problems, grpc::Actor};
use smartcourse_proto::{
    course::Seats,
    enrollment::{CourseSeats, SeatsOf, SetSeatLimitRequest},
    ids::CourseId,
};

use crate::{State, codes};

/// The seats of a course; one nobody prepared yet has none taken and no limit.
pub(crate) async fn get(state: &State, course_id: CourseId) -> Result<Seats> {
    let seats = sqlx::query_as!(
        Seats,
        "select max, taken from enrollment.course_seats where course_id = $1",
        course_id.0
    )
    .fetch_optional(&state.pool)
    .await?;
    Ok(seats.unwrap_or_default())
}

struct SeatsRow {
    course_id: i64,
    max: Option<i32>,
    taken: i32,
}

/// The seats of many courses at once, for lists; courses nobody prepared yet are left out.
pub(crate) async fn get_many(state: &State, course_ids: &[i64]) -> Result<SeatsOf> {
    let mut connection = state.reader.connection().await?;
    let rows = match course_ids {
        // One id is planned once; a list each time, since its length decides.
        [id] => {
            sqlx::query_as!(
                SeatsRow,
                "select course_id, max, taken from enrollment.course_seats where course_id = $1",
                id
            )
            .fetch_all(&mut *connection)
            .await?
        }
        _ => {
            sqlx::query_as!(
                SeatsRow,
                "select course_id, max, taken from enrollment.course_seats where course_id = any($1)",
                course_ids
            )
            .fetch_all(&mut *connection)
            .await?
        }
    };
    connection.done();
    let items = rows.into_iter().map(|row| CourseSeats {
        course_id: row.course_id,
        seats: Some(Seats {
            max: row.max,
            taken: row.taken,
        }),
    });
    Ok(SeatsOf {
        items: items.collect(),
    })
}

/// Sets the limit. Lowering it below what is taken keeps everybody in and lets nobody else in.
pub(crate) async fn set_limit(state: &State, actor: Actor, request: SetSeatLimitRequest) -> Result<Seats> {
    actor.require_admin(|| Error::new(&codes::FORBIDDEN, "the course service sets the limit"))?;
    let SetSeatLimitRequest { course_id, max } = request;
    if max.is_some_and(|max| max < 1) {
        return Err(Problems::one("max_enrollments", "must be at least 1"));
    }
    // From here on the row is not only the work of the version that prepared it.
    Ok(sqlx::query_as!(
        Seats,
        "insert into enrollment.course_seats (course_id, max) values ($1, $2)
         on conflict (course_id) do update set max = excluded.max, prepared_version = null
         returning max, taken",
        course_id,
        max
    )
    .fetch_one(&state.pool)
    .await?)
}
