//! The publish step of this service and its compensation. Both take the course's lock, so that they come one after the
//! other: a prepare that arrives after the discard of its version finds the tombstone and is refused.

use smartcourse_platform::{
    Error, Result, fault,
    grpc::Actor,
    postgres::{self, Tx},
};
use smartcourse_proto::{
    Wire as _,
    course::{Content, ManifestRequest},
    ids::{CourseId, VersionId},
};

use crate::State;

/// First key of the advisory lock: "prog". The second is the course.
const LOCK: i32 = 0x7072_6f67;

async fn locked(state: &State, course_id: CourseId) -> Result<Tx> {
    let mut tx = postgres::begin(&state.pool).await?;
    postgres::lock(&mut tx, LOCK, course_id.0).await?;
    Ok(tx)
}

/// The lessons of a version as columns, in the order of the course.
#[derive(Default)]
struct Lessons {
    ids: Vec<String>,
    positions: Vec<i32>,
    types: Vec<String>,
}

impl Lessons {
    fn of(content: &Content) -> Self {
        let mut lessons = Self::default();
        for (position, lesson) in (0..).zip(content.modules.iter().flat_map(|module| &module.lessons)) {
            lessons.ids.push(lesson.id.clone());
            lessons.positions.push(position);
            lessons.types.push(lesson.r#type().as_text().to_owned());
        }
        lessons
    }
}

/// Writes one row per lesson of the version; a second time it writes the same rows.
pub(crate) async fn prepare(state: &State, version: VersionId) -> Result<()> {
    let request = ManifestRequest {
        course_id: version.course_id.0,
        version: version.version,
    };
    let manifest = state.course.get_manifest(Actor::Service.request(request)).await?;
    let content = manifest.content;
    let content = content.ok_or_else(|| Error::internal("a manifest without content"))?;
    let lessons = Lessons::of(&content);
    let mut tx = locked(state, version.course_id).await?;
    let discarded = sqlx::query_scalar!(
        r#"select exists (select from progress.tombstones where course_id = $1 and version = $2) as "discarded!""#,
        version.course_id.0,
        version.version
    )
    .fetch_one(&mut *tx)
    .await?;
    if discarded {
        return Err(Error::discarded(version.version));
    }
    sqlx::query!(
        "insert into progress.course_lessons (course_id, version, lesson_id, position, type)
         select $1, $2, * from unnest($3::text[], $4::int[], $5::text[])
         on conflict (course_id, version, lesson_id) do nothing",
        version.course_id.0,
        version.version,
        &lessons.ids,
        &lessons.positions,
        &lessons.types
    )
    .execute(&mut *tx)
    .await?;
    fault::commit(tx, "progress.prepare_course").await?;
    Ok(())
}

/// Undoes the preparation of a version for good: removes its rows, and refuses it from now on.
pub(crate) async fn discard(state: &State, version: VersionId) -> Result<()> {
    let mut tx = locked(state, version.course_id).await?;
    sqlx::query!(
        "insert into progress.tombstones (course_id, version) values ($1, $2) on conflict do nothing",
        version.course_id.0,
        version.version
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "delete from progress.course_lessons where course_id = $1 and version = $2",
        version.course_id.0,
        version.version
    )
    .execute(&mut *tx)
    .await?;
    fault::commit(tx, "progress.discard_course").await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use smartcourse_proto::course::{Lesson, LessonType, Module};

    use super::*;

    #[test]
    fn lessons_are_numbered_through_all_modules() {
        let lesson = |id: &str| Lesson {
            id: id.to_owned(),
            r#type: LessonType::Text.into(),
            ..Lesson::default()
        };
        let module = |lessons| Module {
            lessons,
            ..Module::default()
        };
        let content = Content {
            modules: vec![module(vec![lesson("a"), lesson("b")]), module(vec![lesson("c")])],
            ..Content::default()
        };
        let lessons = Lessons::of(&content);
        assert_eq!(
            (lessons.ids, lessons.positions),
            (vec!["a".into(), "b".into(), "c".into()], vec![0, 1, 2])
        );
        assert_eq!(lessons.types, ["text"; 3]);
    }
}
