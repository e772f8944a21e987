//! The JSON form of generated messages: words for enumerations, RFC 3339 for times.

use serde::{Deserialize, Deserializer, Serializer, de};

use crate::Wire;

fn word<E: Wire>(number: i32) -> Option<&'static str> {
    E::try_from(number).ok().map(Wire::as_text)
}

fn number<'de, E: Wire, D: Deserializer<'de>>(text: &str) -> Result<i32, D::Error> {
    E::from_text(text)
        .map(Into::into)
        .ok_or_else(|| de::Error::custom(format_args!("`{text}` is not a known value")))
}

/// A plain enumeration field.
pub mod required_enum {
    use super::*;

    /// Writes the word; an unknown number is an error, never a guess.
    pub fn serialize<E: Wire, S: Serializer>(value: &i32, serializer: S) -> Result<S::Ok, S::Error> {
        let word = word::<E>(*value).ok_or_else(|| serde::ser::Error::custom("unknown enumeration value"))?;
        serializer.serialize_str(word)
    }

    /// Reads the word.
    pub fn deserialize<'de, E: Wire, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
        number::<E, D>(&String::deserialize(deserializer)?)
    }
}

/// An `optional` enumeration field: absent is `null`.
pub mod optional_enum {
    use super::*;

    /// Writes the word or `null`.
    pub fn serialize<E: Wire, S: Serializer>(value: &Option<i32>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => required_enum::serialize::<E, S>(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads the word or `null`.
    pub fn deserialize<'de, E: Wire, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i32>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| number::<E, D>(&text)).transpose()
    }
}

/// A `google.protobuf.Timestamp`: `null` or an RFC 3339 string in UTC.
pub mod timestamp {
    use prost_types::Timestamp;
    use time::{OffsetDateTime, format_description::well_known::Rfc3339};

    use super::*;

    /// Writes an RFC 3339 string or `null`.
    pub fn serialize<S: Serializer>(value: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(stamp) = value else {
            return serializer.serialize_none();
        };
        let text = to_time(stamp).and_then(|time| time.format(&Rfc3339).ok());
        let outside = || serde::ser::Error::custom("a time outside the calendar");
        serializer.serialize_str(&text.ok_or_else(outside)?)
    }

    /// Reads an RFC 3339 string or `null`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else {
            return Ok(None);
        };
        OffsetDateTime::parse(&text, &Rfc3339)
            .map(|time| Some(from_time(time)))
            .map_err(de::Error::custom)
    }

    /// The instant a protobuf timestamp names, if the calendar has it.
    pub fn to_time(stamp: &Timestamp) -> Option<OffsetDateTime> {
        let nanos = i128::from(stamp.seconds) * 1_000_000_000 + i128::from(stamp.nanos);
        OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()
    }

    /// The protobuf timestamp of an instant.
    pub fn from_time(time: OffsetDateTime) -> Timestamp {
        Timestamp {
            seconds: time.unix_timestamp(),
            nanos: time.nanosecond() as i32,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::course::{Course, CourseStatus, Level};

    #[test]
    fn enumerations_are_words_and_absent_fields_have_defaults() {
        let course = Course {
            status: CourseStatus::Published.into(),
            level: Some(Level::Beginner.into()),
            ..Course::default()
        };
        let json = serde_json::to_value(&course).expect("serialises");
        assert_eq!(json["status"], "published");
        assert_eq!(json["level"], "beginner");
        assert_eq!(json["category"], serde_json::Value::Null);
        let back: Course =
            serde_json::from_value(serde_json::json!({"title": "T", "status": "draft"})).expect("parses");
        assert_eq!(back.status(), CourseStatus::Draft);
        assert!(serde_json::from_value::<Course>(serde_json::json!({"status": "nonsense"})).is_err());
    }

    #[test]
    fn times_are_rfc_3339() {
        let course = Course {
            created_at: Some(prost_types::Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            ..Course::default()
        };
        let json = serde_json::to_value(&course).expect("serialises");
        assert_eq!(json["created_at"], "2023-11-14T22:13:20Z");
        assert_eq!(serde_json::from_value::<Course>(json).expect("parses"), course);
    }
}
