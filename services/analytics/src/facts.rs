//! Events → facts: a statement for each kind of fact, whatever the number of events. Each event has its own row or its own
//! columns, so that events of different keys may come in any order and twice. Those of one key come in order: where two of
//! them set the same column, the last one stands.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use smartcourse_platform::{Result, error::to_json, events::Event};
use smartcourse_proto::events::{
    AssistantAnswered, CertificateIssued, CourseArchived, CourseCompleted, CoursePublishFailed,
    CoursePublished, EnrollmentCreated, EnrollmentDropped, ProgressUpdated, UserRegistered, UserRoleChanged,
};
use sqlx::{
    PgConnection,
    types::{Json, time::OffsetDateTime},
};
use uuid::Uuid;

/// How the payload of an event is read.
type Read = fn(&Event) -> Result<Value>;

/// The types that count.
const TYPES: [(&str, Read); 11] = [
    (REGISTERED, read::<UserRegistered>),
    (ROLE_CHANGED, read::<UserRoleChanged>),
    (PUBLISHED, read::<CoursePublished>),
    (ARCHIVED, read::<CourseArchived>),
    (PUBLISH_FAILED, read::<CoursePublishFailed>),
    (ENROLLED, read::<EnrollmentCreated>),
    (DROPPED, read::<EnrollmentDropped>),
    (LESSON_COMPLETED, read::<ProgressUpdated>),
    (COMPLETED, read::<CourseCompleted>),
    (CERTIFIED, read::<CertificateIssued>),
    (ASKED, read::<AssistantAnswered>),
];
const REGISTERED: &str = "user.registered";
const ROLE_CHANGED: &str = "user.role_changed";
const PUBLISHED: &str = "course.published";
const ARCHIVED: &str = "course.archived";
const PUBLISH_FAILED: &str = "course.publish_failed";
const ENROLLED: &str = "enrollment.created";
const DROPPED: &str = "enrollment.dropped";
const LESSON_COMPLETED: &str = "progress.updated";
const COMPLETED: &str = "course.completed";
const CERTIFIED: &str = "certificate.issued";
const ASKED: &str = "assistant.answered";

/// Whether events of this type count.
pub(crate) fn count(event_type: &str) -> bool {
    TYPES.iter().any(|(known, _)| *known == event_type)
}

/// The payload with every field of its message, so that columns can be read from it by name.
fn read<T: DeserializeOwned + Serialize>(event: &Event) -> Result<Value> {
    to_json(&event.read::<T>()?)
}

/// Events in their order, a column each, for `unnest`.
#[derive(Default)]
struct Columns<'e> {
    ids: Vec<Uuid>,
    types: Vec<&'e str>,
    payloads: Vec<Json<Value>>,
    times: Vec<OffsetDateTime>,
}

impl<'e> Columns<'e> {
    /// The events of these types, unless there are none.
    fn of(events: &[&'e Event], wanted: &[&str]) -> Result<Option<Self>> {
        let mut columns = Self::default();
        for event in events {
            let known = TYPES.iter().find(|(known, _)| *known == event.event_type);
            if let Some((known, read)) = known
                && wanted.contains(known)
            {
                columns.ids.push(event.id);
                columns.types.push(known);
                columns.payloads.push(Json(read(event)?));
                columns.times.push(event.created_at);
            }
        }
        Ok((!columns.ids.is_empty()).then_some(columns))
    }
}

/// The statements, for one set of tables: those readers see, or those a rebuild fills.
macro_rules! facts {
    ($(#[$doc:meta])* $name:ident, $tables:literal) => {
        $(#[$doc])*
        pub(crate) async fn $name(tx: &mut PgConnection, events: &[&Event]) -> Result<()> {
            if let Some(of) = Columns::of(events, &[REGISTERED])? {
                sqlx::query!(
                    "insert into " + $tables + "users (user_id, role, registered_at)
                     select r.user_id, r.role, e.at from unnest($1::jsonb[], $2::timestamptz[]) e (payload, at),
                         jsonb_populate_record(null::analytics.users, e.payload) r
                     on conflict do nothing",
                    &of.payloads as &[Json<Value>],
                    &of.times
                )
                .execute(&mut *tx)
                .await?;
            }
            if let Some(of) = Columns::of(events, &[ROLE_CHANGED])? {
                sqlx::query!(
                    "update " + $tables + "users u set role = last.role from (
                         select distinct on (user_id) (e.payload ->> 'user_id')::bigint as user_id, e.payload ->> 'to' as role
                         from unnest($1::jsonb[]) with ordinality e (payload, n) order by user_id, n desc) last
                     where u.user_id = last.user_id",
                    &of.payloads as &[Json<Value>]
                )
                .execute(&mut *tx)
                .await?;
            }
            // A republish is the same course.
            if let Some(of) = Columns::of(events, &[PUBLISHED])? {
                sqlx::query!(
                    "with published as (
                         select r.course_id, r.instructor_id, r.title, e.n
                         from unnest($1::jsonb[]) with ordinality e (payload, n),
                             jsonb_populate_record(null::analytics.courses, e.payload) r
                     ), listed as (
                         insert into " + $tables + "popularity (course_id, enrollments)
                         select distinct course_id, 0 from published on conflict do nothing
                     )
                     insert into " + $tables + "courses (course_id, instructor_id, title, published)
                     select distinct on (course_id) course_id, instructor_id, title, true from published
                     order by course_id, n desc
                     on conflict (course_id) do update set title = excluded.title, published = true",
                    &of.payloads as &[Json<Value>]
                )
                .execute(&mut *tx)
                .await?;
            }
            // Behind those that were published: a course whose last event says so is archived.
            if let Some(of) = Columns::of(events, &[PUBLISHED, ARCHIVED])? {
                sqlx::query!(
                    "update " + $tables + "courses c set published = false from (
                         select distinct on (course_id) (e.payload ->> 'course_id')::bigint as course_id, e.type
                         from unnest($1::text[], $2::jsonb[]) with ordinality e (type, payload, n)
                         order by course_id, n desc) last
                     where c.course_id = last.course_id and last.type = $3",
                    &of.types as &[&str],
                    &of.payloads as &[Json<Value>],
                    ARCHIVED
                )
                .execute(&mut *tx)
                .await?;
            }
            if let Some(of) = Columns::of(events, &[PUBLISH_FAILED])? {
                sqlx::query!(
                    "insert into " + $tables + "failed_publishes (event_id, course_id, version, code, failed_at)
                     select e.id, r.course_id, r.version, r.code, e.at
                     from unnest($1::uuid[], $2::jsonb[], $3::timestamptz[]) e (id, payload, at),
                         jsonb_populate_record(null::analytics.failed_publishes, e.payload) r
                     on conflict do nothing",
                    &of.ids,
                    &of.payloads as &[Json<Value>],
                    &of.times
                )
                .execute(&mut *tx)
                .await?;
            }
            if let Some(of) = Columns::of(events, &[ENROLLED])? {
                sqlx::query!(
                    "with begun as (
                         select distinct on (r.enrollment_id, r.epoch)
                             r.enrollment_id, r.epoch, r.course_id, r.user_id, r.instructor_id, e.at
                         from unnest($1::jsonb[], $2::timestamptz[]) with ordinality e (payload, at, n),
                             jsonb_populate_record(null::analytics.enrollments, e.payload) r
                         order by r.enrollment_id, r.epoch, e.n desc
                     ), counted as (
                         insert into " + $tables + "popularity as p (course_id, enrollments)
                         select b.course_id, count(*) from begun b where (
                             select k.began_at from " + $tables + "enrollments k
                             where k.enrollment_id = b.enrollment_id and k.epoch = b.epoch) is null
                         group by b.course_id order by b.course_id
                         on conflict (course_id) do update set enrollments = p.enrollments + excluded.enrollments
                     )
                     insert into " + $tables + "enrollments
                         (enrollment_id, epoch, course_id, user_id, instructor_id, began_at)
                     select enrollment_id, epoch, course_id, user_id, instructor_id, at from begun
                     on conflict (enrollment_id, epoch) do update
                         set instructor_id = excluded.instructor_id, began_at = excluded.began_at",
                    &of.payloads as &[Json<Value>],
                    &of.times
                )
                .execute(&mut *tx)
                .await?;
            }
            if let Some(of) = Columns::of(events, &[DROPPED, COMPLETED])? {
                sqlx::query!(
                    "insert into " + $tables + "enrollments as known
                         (enrollment_id, epoch, course_id, user_id, dropped_at, completed_at)
                     select r.enrollment_id, r.epoch, min(r.course_id), min(r.user_id),
                         max(e.at) filter (where e.type = $4), max(e.at) filter (where e.type = $5)
                     from unnest($1::text[], $2::jsonb[], $3::timestamptz[]) e (type, payload, at),
                         jsonb_populate_record(null::analytics.enrollments, e.payload) r
                     group by r.enrollment_id, r.epoch
                     on conflict (enrollment_id, epoch) do update
                         set dropped_at = coalesce(excluded.dropped_at, known.dropped_at),
                             completed_at = coalesce(excluded.completed_at, known.completed_at)",
                    &of.types as &[&str],
                    &of.payloads as &[Json<Value>],
                    &of.times,
                    DROPPED,
                    COMPLETED
                )
                .execute(&mut *tx)
                .await?;
            }
            if let Some(of) = Columns::of(events, &[LESSON_COMPLETED])? {
                sqlx::query!(
                    "insert into " + $tables + "lessons (enrollment_id, lesson_id, course_id, user_id, completed_at)
                     select r.enrollment_id, r.lesson_id, r.course_id, r.user_id, e.at
                     from unnest($1::jsonb[], $2::timestamptz[]) e (payload, at),
                         jsonb_populate_record(null::analytics.lessons, e.payload) r
                     on conflict do nothing",
                    &of.payloads as &[Json<Value>],
                    &of.times
                )
                .execute(&mut *tx)
                .await?;
            }
            if let Some(of) = Columns::of(events, &[CERTIFIED])? {
                sqlx::query!(
                    "insert into " + $tables + "certificates (code, course_id, user_id, issued_at)
                     select r.code, r.course_id, r.user_id, e.at
                     from unnest($1::jsonb[], $2::timestamptz[]) e (payload, at),
                         jsonb_populate_record(null::analytics.certificates, e.payload) r
                     on conflict do nothing",
                    &of.payloads as &[Json<Value>],
                    &of.times
                )
                .execute(&mut *tx)
                .await?;
            }
            if let Some(of) = Columns::of(events, &[ASKED])? {
                sqlx::query!(
                    "insert into " + $tables + "questions (event_id, course_id, user_id, refused, asked_at)
                     select e.id, r.course_id, r.user_id, r.refused, e.at
                     from unnest($1::uuid[], $2::jsonb[], $3::timestamptz[]) e (id, payload, at),
                         jsonb_populate_record(null::analytics.questions, e.payload) r
                     on conflict do nothing",
                    &of.ids,
                    &of.payloads as &[Json<Value>],
                    &of.times
                )
                .execute(&mut *tx)
                .await?;
            }
            if let Some(of) = Columns::of(events, &[ENROLLED, LESSON_COMPLETED, ASKED])? {
                sqlx::query!(
                    "insert into " + $tables + "activity as known (user_id, last_at)
                     select (e.payload ->> 'user_id')::bigint, max(e.at)
                     from unnest($1::jsonb[], $2::timestamptz[]) e (payload, at) group by 1
                     on conflict (user_id) do update set last_at = greatest(known.last_at, excluded.last_at)",
                    &of.payloads as &[Json<Value>],
                    &of.times
                )
                .execute(&mut *tx)
                .await?;
            }
            if let Some(last) = events.iter().map(|event| event.created_at).max() {
                sqlx::query!(
                    "insert into " + $tables + "counted as known (as_of) values ($1)
                     on conflict (one) do update set as_of = greatest(known.as_of, excluded.as_of)",
                    last
                )
                .execute(&mut *tx)
                .await?;
            }
            Ok(())
        }
    };
}

facts!(
    /// Counts events for readers.
    counted,
    "analytics."
);
facts!(
    /// Counts events again, beside what readers see.
    rebuilt,
    "analytics.rebuilt_"
);
