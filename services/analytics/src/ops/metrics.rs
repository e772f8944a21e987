//! Every metric, defined once. proto/smartcourse/analytics.proto says what each means.
//!
//! An epoch counts once its `enrollment.created` was heard of. "Now" is `as_of`, the time of the newest event counted,
//! so that the same log gives the same numbers whenever it is read.

use smartcourse_platform::{Error, Result, grpc::Actor, page};
use smartcourse_proto::{
    analytics::{
        AssistantUse, CourseNumbers, EnrollmentNumbers, InstructorNumbers, PlatformNumbers, Popular,
        PopularCourse, PopularRequest, StudentNumbers,
    },
    course::CourseRef,
    ids::{CourseId, UserId},
    json::timestamp::from_time,
};
use sqlx::{PgPool, types::time::OffsetDateTime};

use crate::{State, codes};

/// Courses in the list of the platform's numbers.
const POPULAR: i64 = 10;

/// Whose enrollments and questions are counted; empty: everybody's.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Scope {
    pub(crate) course_id: Option<i64>,
    pub(crate) instructor_id: Option<i64>,
    pub(crate) user_id: Option<i64>,
}

/// The time up to which everything is counted; absent while nothing is. Read before the numbers it goes with: they may
/// have more than it says, never less.
pub(crate) async fn as_of(pool: &PgPool) -> Result<Option<OffsetDateTime>> {
    Ok(sqlx::query_scalar!("select as_of from analytics.counted")
        .fetch_optional(pool)
        .await?)
}

/// `part` of `whole`, rounded to four decimals; 0 of nothing.
pub(crate) fn ratio(part: i64, whole: i64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    ((part * 20_000 + whole) / (2 * whole)) as f64 / 10_000.0
}

pub(crate) async fn enrollments(pool: &PgPool, scope: Scope) -> Result<EnrollmentNumbers> {
    let row = sqlx::query!(
        r#"select count(*) as "total!",
               count(*) filter (where completed_at is null and dropped_at is null) as "active!",
               count(*) filter (where completed_at is not null) as "completed!",
               count(*) filter (where completed_at is null and dropped_at is not null) as "dropped!",
               round(avg(extract(epoch from completed_at - began_at)))::bigint as mean
           from analytics.enrollments
           where began_at is not null and ($1::bigint is null or course_id = $1)
             and ($2::bigint is null or instructor_id = $2) and ($3::bigint is null or user_id = $3)"#,
        scope.course_id,
        scope.instructor_id,
        scope.user_id
    )
    .fetch_one(pool)
    .await?;
    Ok(EnrollmentNumbers {
        total: row.total,
        active: row.active,
        completed: row.completed,
        dropped: row.dropped,
        completion_rate: ratio(row.completed, row.active + row.completed),
        mean_seconds_to_complete: row.mean,
    })
}

pub(crate) async fn assistant(pool: &PgPool, scope: Scope) -> Result<AssistantUse> {
    let row = sqlx::query!(
        r#"select count(*) as "asked!", count(*) filter (where refused) as "refused!" from analytics.questions q
           where ($1::bigint is null or course_id = $1) and ($3::bigint is null or user_id = $3)
             and ($2::bigint is null or exists (
                 select from analytics.courses c where c.course_id = q.course_id and c.instructor_id = $2))"#,
        scope.course_id,
        scope.instructor_id,
        scope.user_id
    )
    .fetch_one(pool)
    .await?;
    Ok(AssistantUse {
        asked: row.asked,
        answered: row.asked - row.refused,
        refused: row.refused,
    })
}

/// Courses by enrollments, most first; of one instructor if named.
async fn by_popularity(
    pool: &PgPool,
    instructor_id: Option<i64>,
    only_published: bool,
    limit: i64,
) -> Result<Vec<PopularCourse>> {
    Ok(sqlx::query_as!(
        PopularCourse,
        r#"select p.course_id, c.title, p.enrollments
           from analytics.popularity p join analytics.courses c on c.course_id = p.course_id
           where ($1::bigint is null or c.instructor_id = $1) and (c.published or not $2)
           order by p.enrollments desc, p.course_id limit $3"#,
        instructor_id,
        only_published,
        limit
    )
    .fetch_all(pool)
    .await?)
}

/// The most popular published courses.
pub(crate) async fn popular(state: &State, request: PopularRequest) -> Result<Popular> {
    let limit = page::limit(request.limit)?;
    let pool = &state.pool;
    let as_of = as_of(pool).await?;
    Ok(Popular {
        items: by_popularity(pool, None, true, limit).await?,
        as_of: as_of.map(from_time),
    })
}

/// Numbers of everybody are for administrators.
pub(crate) fn require_admin(actor: Actor) -> Result<()> {
    actor.require_admin(|| Error::new(&codes::FORBIDDEN, "only administrators see these numbers"))
}

fn require_self(actor: Actor, id: UserId) -> Result<()> {
    let refusal = || Error::new(&codes::FORBIDDEN, "these are somebody else's numbers");
    actor.require_self(id, refusal)
}

/// The numbers of the platform.
pub(crate) async fn platform(state: &State, actor: Actor) -> Result<PlatformNumbers> {
    require_admin(actor)?;
    let pool = &state.pool;
    let as_of = as_of(pool).await?;
    let everybody = Scope::default();
    let row = sqlx::query!(
        r#"select
               (select count(*) from analytics.users where role = 'student') as "students!",
               (select count(*) from analytics.users where role = 'instructor') as "instructors!",
               (select count(*) from analytics.users u join analytics.activity a using (user_id)
                 where u.role = 'student' and a.last_at > $1::timestamptz - interval '30 days') as "active_students!",
               (select count(*) from analytics.courses where published) as "published_courses!",
               (select count(*) from analytics.enrollments where began_at > $1::timestamptz - interval '1 day') as "day!",
               (select count(*) from analytics.enrollments where began_at > $1::timestamptz - interval '7 days') as "week!",
               (select count(*) from analytics.enrollments where began_at > $1::timestamptz - interval '30 days') as "month!",
               (select count(distinct enrollment_id) from analytics.enrollments where began_at is not null) as "taken!",
               (select count(distinct user_id) from analytics.enrollments where began_at is not null) as "enrolled!",
               (select count(*) from analytics.failed_publishes) as "failed_workflows!",
               (select count(*) from platform.parked_events) as "failed_events!""#,
        as_of
    )
    .fetch_one(pool)
    .await?;
    Ok(PlatformNumbers {
        students: row.students,
        active_students: row.active_students,
        instructors: row.instructors,
        published_courses: row.published_courses,
        enrollments: Some(enrollments(pool, everybody).await?),
        new_enrollments_day: row.day,
        new_enrollments_week: row.week,
        new_enrollments_month: row.month,
        courses_per_student: ratio(row.taken, row.enrolled),
        assistant: Some(assistant(pool, everybody).await?),
        failed_events: row.failed_events,
        failed_workflows: row.failed_workflows,
        popular: by_popularity(pool, None, true, POPULAR).await?,
        as_of: as_of.map(from_time),
    })
}

/// The numbers of a course, for its owner.
pub(crate) async fn course(state: &State, actor: Actor, course_id: CourseId) -> Result<CourseNumbers> {
    if !actor.is_privileged() {
        actor.user()?;
    }
    // Asked as the caller: a draft of somebody else's does not exist.
    let request = actor.request(CourseRef { id: course_id.0 });
    let course = state.course.get_course(request).await?;
    let detail = "these are the numbers of another instructor's course";
    actor.require_owner(course.instructor_id.into(), || {
        Error::new(&codes::FORBIDDEN, detail)
    })?;
    let pool = &state.pool;
    let as_of = as_of(pool).await?;
    let scope = Scope {
        course_id: Some(course_id.0),
        ..Scope::default()
    };
    let lessons = sqlx::query_scalar!(
        r#"select count(*) as "count!" from analytics.lessons where course_id = $1"#,
        course_id.0
    )
    .fetch_one(pool)
    .await?;
    Ok(CourseNumbers {
        course_id: course_id.0,
        title: course.title,
        enrollments: Some(enrollments(pool, scope).await?),
        lessons_completed: lessons,
        assistant: Some(assistant(pool, scope).await?),
        as_of: as_of.map(from_time),
    })
}

/// The numbers of an instructor, for themselves.
pub(crate) async fn instructor(
    state: &State,
    actor: Actor,
    instructor_id: UserId,
) -> Result<InstructorNumbers> {
    require_self(actor, instructor_id)?;
    let (pool, instructor_id) = (&state.pool, instructor_id.0);
    let as_of = as_of(pool).await?;
    let scope = Scope {
        instructor_id: Some(instructor_id),
        ..Scope::default()
    };
    let row = sqlx::query!(
        r#"select (select count(*) from analytics.courses where instructor_id = $1 and published) as "courses!",
               (select count(distinct user_id) from analytics.enrollments
                 where instructor_id = $1 and began_at is not null) as "students!""#,
        instructor_id
    )
    .fetch_one(pool)
    .await?;
    Ok(InstructorNumbers {
        instructor_id,
        published_courses: row.courses,
        students: row.students,
        enrollments: Some(enrollments(pool, scope).await?),
        assistant: Some(assistant(pool, scope).await?),
        courses: by_popularity(pool, Some(instructor_id), false, i64::MAX).await?,
        as_of: as_of.map(from_time),
    })
}

/// The numbers of a student, for themselves.
pub(crate) async fn student(state: &State, actor: Actor, user_id: UserId) -> Result<StudentNumbers> {
    require_self(actor, user_id)?;
    let (pool, user_id) = (&state.pool, user_id.0);
    let as_of = as_of(pool).await?;
    let scope = Scope {
        user_id: Some(user_id),
        ..Scope::default()
    };
    let row = sqlx::query!(
        r#"select (select count(*) from analytics.lessons where user_id = $1) as "lessons!",
               (select count(*) from analytics.certificates where user_id = $1) as "certificates!""#,
        user_id
    )
    .fetch_one(pool)
    .await?;
    Ok(StudentNumbers {
        user_id,
        enrollments: Some(enrollments(pool, scope).await?),
        lessons_completed: row.lessons,
        certificates: row.certificates,
        assistant: Some(assistant(pool, scope).await?),
        as_of: as_of.map(from_time),
    })
}

#[cfg(test)]
mod tests {
    use super::ratio;

    #[test]
    fn ratios_are_rounded_to_four_decimals() {
        assert_eq!(ratio(0, 0), 0.0);
        assert_eq!(ratio(1, 3), 0.3333);
        assert_eq!(ratio(2, 3), 0.6667);
        assert_eq!(ratio(7, 7), 1.0);
        assert_eq!(ratio(5, 2), 2.5);
        assert_eq!(ratio(199, 200), 0.995);
    }
}
