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

/// Messages within messages. Serde would also take a list as the fields of one in their order; only an object is one here.
pub mod object {
    use std::{fmt, marker::PhantomData};

    use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};

    use super::*;

    struct Object<T>(T);

    struct ObjectVisitor<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(ObjectVisitor(PhantomData))
        }
    }

    impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
        type Value = Object<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Object)
        }
    }

    /// Reads a message or `null`.
    pub fn optional<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let message = Option::<Object<T>>::deserialize(deserializer)?;
        Ok(message.map(|Object(message)| message))
    }

    /// Reads a list of messages.
    pub fn many<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
        let messages = Vec::<Object<T>>::deserialize(deserializer)?;
        Ok(messages.into_iter().map(|Object(message)| message).collect())
    }
}

/// Whole numbers. JSON may also write 3 as `3.0`, which is the same to its schemas, so it is the same here.
pub mod integer {
    use std::{fmt, marker::PhantomData};

    use serde::de::{Unexpected, Visitor};

    use super::*;

    struct Whole<T>(T);

    struct WholeVisitor<T>(PhantomData<T>);

    impl<'de, T: TryFrom<i64>> Deserialize<'de> for Whole<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_i64(WholeVisitor(PhantomData))
        }
    }

    impl<T: TryFrom<i64>> Visitor<'_> for WholeVisitor<T> {
        type Value = Whole<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number within its range")
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<Whole<T>, E> {
            let refusal = |_| E::invalid_value(Unexpected::Signed(number), &self);
            T::try_from(number).map(Whole).map_err(refusal)
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole<T>, E> {
            match i64::try_from(number) {
                Ok(number) => self.visit_i64(number),
                Err(_) => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
            }
        }

        fn visit_f64<E: de::Error>(self, number: f64) -> Result<Whole<T>, E> {
            let bound = 2_f64.powi(63);
            if number.fract() == 0.0 && (-bound..bound).contains(&number) {
                self.visit_i64(number as i64)
            } else {
                Err(E::invalid_value(Unexpected::Float(number), &self))
            }
        }
    }

    /// Reads a number.
    pub fn required<'de, T: TryFrom<i64>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        Whole::deserialize(deserializer).map(|Whole(number)| number)
    }

    /// Reads a number or `null`.
    pub fn optional<'de, T: TryFrom<i64>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let number = Option::<Whole<T>>::deserialize(deserializer)?;
        Ok(number.map(|Whole(number)| number))
    }

    /// Reads a list of numbers.
    pub fn many<'de, T: TryFrom<i64>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
        let numbers = Vec::<Whole<T>>::deserialize(deserializer)?;
        Ok(numbers.into_iter().map(|Whole(number)| number).collect())
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
    use crate::course::{Course, CourseStatus, Level, Module};

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
    fn a_message_within_another_is_an_object() {
        let read = |text: &str| serde_json::from_str::<Module>(text);
        let module =
            read(r#"{"lessons": [{"title": "L", "content": {"markdown": "M"}}, {}]}"#).expect("parses");
        assert_eq!(module.lessons.len(), 2);
        for text in [
            r#"{"lessons": [["l1", "L"]]}"#,
            r#"{"lessons": [{"content": [null]}]}"#,
            r#"{"lessons": [null]}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_whole_number_may_have_a_point() {
        let read = |text: &str| serde_json::from_str::<Course>(text);
        let course =
            read(r#"{"id": 7.0, "max_enrollments": 3e1, "prerequisites": [1, 2.0]}"#).expect("parses");
        assert_eq!(
            (course.id, course.max_enrollments, course.prerequisites),
            (7, Some(30), vec![1, 2])
        );
        for text in [
            r#"{"id": 7.5}"#,
            r#"{"id": 1e19}"#,
            r#"{"id": 9223372036854775808}"#,
            r#"{"id": "7"}"#,
            r#"{"id": null}"#,
            r#"{"max_enrollments": 2147483648}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
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
