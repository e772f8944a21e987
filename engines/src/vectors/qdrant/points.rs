//! Points, and the fields they are found by.

use std::collections::HashMap;

use qdrant_client::qdrant::{
    Condition, Filter, PointId, PointStruct, ScoredPoint, Value, r#match::MatchValue, value::Kind,
};
use smartcourse_platform::{
    Error, Result,
    ports::{
        Unit,
        vectors::{Near, Vector},
    },
};
use smartcourse_proto::ids::VersionId;
use uuid::Uuid;

/// What the ids of points are made in, so that a unit has the same one whoever writes it.
const UNITS: Uuid = Uuid::from_u128(0x6f1d_3f0c_52e4_4b5e_9d0e_7b1c_51a8_e9c4);

pub(super) const COURSE: &str = "course_id";
pub(super) const VERSION: &str = "version";
pub(super) const LESSON: &str = "lesson_id";
pub(super) const ANCHOR: &str = "anchor";

/// What a version has.
pub(super) fn of(version: VersionId) -> Filter {
    Filter::must([
        is(COURSE, version.course_id.to_string()),
        Condition::matches(VERSION, i64::from(version.version)),
    ])
}

/// Points whose field is this text. The library would search for a text with a space by its words.
pub(super) fn is(field: &str, text: impl Into<String>) -> Condition {
    Condition::matches(field, MatchValue::Keyword(text.into()))
}

/// The id of a unit. Its lesson's length keeps apart what would read alike.
pub(super) fn id(version: VersionId, lesson_id: &str, anchor: &str) -> PointId {
    let unit = format!("{version}/{}/{lesson_id}/{anchor}", lesson_id.len());
    Uuid::new_v5(&UNITS, unit.as_bytes()).to_string().into()
}

pub(super) fn point(version: VersionId, lesson_id: &str, vector: &Vector, id: PointId) -> PointStruct {
    let fields: HashMap<String, Value> = HashMap::from([
        (COURSE.to_owned(), version.course_id.to_string().into()),
        (VERSION.to_owned(), i64::from(version.version).into()),
        (LESSON.to_owned(), lesson_id.into()),
        (ANCHOR.to_owned(), vector.anchor.as_str().into()),
    ]);
    PointStruct::new(id, vector.embedding.clone(), fields)
}

pub(super) fn near(mut point: ScoredPoint) -> Result<Near> {
    let mut text = |field: &str| match point.payload.remove(field).and_then(|value| value.kind) {
        Some(Kind::StringValue(text)) => Ok(text),
        _ => Err(Error::internal(format!(
            "a point of the vector store has no {field}"
        ))),
    };
    Ok(Near {
        unit: Unit::new(text(LESSON)?, text(ANCHOR)?),
        score: point.score,
    })
}
