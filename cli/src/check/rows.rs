//! What the rows of one service say of those of another.

use anyhow::Result;
use sqlx::{AssertSqlSafe, PgConnection};

use super::Finding;

/// What must be true, and a query that says of each thing whether it is.
const RULES: [(&str, &str); 9] = [
    (
        "the version readers see was published",
        "select c.id || '/v' || c.published_version as id, exists (
             select from course.versions v
             where v.course_id = c.id and v.version = c.published_version and v.state = 'published') as ok
         from course.courses c where c.published_version is not null",
    ),
    (
        "its files and texts are kept",
        "select c.id || '/v' || c.published_version as id, exists (
             select from content.versions v where v.course_id = c.id and v.version = c.published_version
                 and v.state = 'open' and v.retired_at is null) as ok
         from course.courses c where c.published_version is not null",
    ),
    (
        "its lessons can be completed",
        "select c.id || '/v' || c.published_version as id, exists (
             select from progress.course_lessons l
             where l.course_id = c.id and l.version = c.published_version) as ok
         from course.courses c where c.published_version is not null",
    ),
    (
        "as many seats are taken as students have",
        "select 'course ' || course_id as id, coalesce(taken, 0) = coalesce(students, 0) as ok
         from enrollment.course_seats full join (
             select course_id, count(*) filter (where status <> 'dropped') as students
             from enrollment.enrollments group by course_id) enrolled using (course_id)",
    ),
    (
        "students and their courses are known",
        "select 'enrollment ' || e.id as id, exists (select from course.courses c where c.id = e.course_id)
             and exists (select from \"user\".users u where u.id = e.user_id) as ok
         from enrollment.enrollments e",
    ),
    (
        "students who were let in can learn",
        "select 'enrollment ' || e.id as id, exists (
             select from progress.enrollments p where p.enrollment_id = e.id and p.epoch >= e.epoch) as ok
         from enrollment.enrollments e where e.status <> 'dropped' and e.onboarding = 'completed'",
    ),
    (
        "learners have an enrollment",
        "select 'enrollment ' || p.enrollment_id as id, exists (
             select from enrollment.enrollments e where e.id = p.enrollment_id) as ok
         from progress.enrollments p",
    ),
    (
        "who completed a course has its certificate",
        "select 'enrollment ' || enrollment_id as id, exists (
             select from progress.certificates c where c.enrollment_id = done.enrollment_id) as ok
         from (select enrollment_id from progress.enrollments where completed_at is not null
               union select id from enrollment.enrollments where status = 'completed') done",
    ),
    (
        "no group was given more than the log has",
        "select 'group ' || g.name as id, g.position <= greatest(0, (select max(position) from platform.events),
             (select max(position) from platform.event_partitions),
             (select max(last_position) from platform.event_archives)) as ok
         from platform.event_groups g",
    ),
];

/// Asks all of them.
pub(super) async fn look(connection: &mut PgConnection) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (rule, query) in RULES {
        let query = format!(
            "select count(*), coalesce(array_agg(id order by id) filter (where not ok), '{{}}') from ({query}) one"
        );
        let (checked, violations): (i64, Vec<String>) = sqlx::query_as(AssertSqlSafe(query))
            .fetch_one(&mut *connection)
            .await?;
        findings.push(Finding {
            rule,
            checked: checked.unsigned_abs(),
            violations,
        });
    }
    Ok(findings)
}
