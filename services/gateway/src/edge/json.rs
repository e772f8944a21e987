//! JSON bodies as messages: weighed before they are decoded, and wrong ones refused with the path of what is wrong.

use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::Value;
use smartcourse_platform::{
    Error, Result,
    error::{Problems, to_json},
};

use crate::codes;

/// How deep a body may be nested, and how many values it may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) depth: usize,
    pub(crate) values: usize,
}

impl Shape {
    /// How many values the text has. Nothing is built for it, so a million empty objects cost their bytes and no more.
    /// Whether it is JSON is for the parser to say.
    pub(crate) fn weigh(self, text: &[u8]) -> Result<usize> {
        let (mut depth, mut values, mut opened) = (0_usize, 1_usize, false);
        let mut bytes = text.iter();
        while let Some(byte) = bytes.next() {
            if byte.is_ascii_whitespace() {
                continue;
            }
            // Each value within brackets has a comma before it, except for the first.
            if *byte == b',' || (opened && !matches!(byte, b'}' | b']')) {
                values += 1;
            }
            opened = matches!(byte, b'{' | b'[');
            match byte {
                b'"' => skip_string(&mut bytes),
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > self.depth {
                return Err(too_complex(format!(
                    "is nested more than {} levels deep",
                    self.depth
                )));
            }
            if values > self.values {
                return Err(too_complex(format!("has more than {} values", self.values)));
            }
        }
        Ok(values)
    }
}

fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

/// The refusal of a text with the character NUL.
pub(crate) fn nul() -> Error {
    Error::new(&codes::VALIDATION_FAILED, "no text may have the character NUL")
}

fn too_complex(what: String) -> Error {
    Error::new(&codes::BODY_TOO_COMPLEX, format!("the body {what}"))
}

/// The text as a message: 400 when it is no JSON, 422 with the path when a value has the wrong type. No text of a message has
/// the one character that databases do not take; what is no part of it may.
pub(crate) fn parse<T: DeserializeOwned + Serialize>(text: &[u8]) -> Result<T> {
    let message = decode(text)?;
    // Only what may have one is looked through.
    if text.windows(NUL.len()).any(|part| part == NUL) && has_nul(&to_json(&message)?) {
        return Err(nul());
    }
    Ok(message)
}

/// The character NUL as JSON writes it.
const NUL: &[u8] = b"\\u0000";

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| name.contains('\0') || has_nul(value)),
        _ => false,
    }
}

/// What the text says of a few fields of a message.
pub(crate) fn decode<T: DeserializeOwned>(text: &[u8]) -> Result<T> {
    let start = text.iter().find(|byte| !byte.is_ascii_whitespace());
    // A list would be taken as the fields of a struct in their order.
    if start != Some(&b'{') {
        serde_json::from_slice::<IgnoredAny>(text).map_err(malformed)?;
        return Err(Problems::one("body", "must be a JSON object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let cause = error.into_inner();
        if !cause.is_data() {
            return malformed(cause);
        }
        Problems::one(path, without_position(&cause))
    })?;
    reader.end().map_err(malformed)?;
    Ok(value)
}

fn malformed(error: serde_json::Error) -> Error {
    Error::new(
        &codes::MALFORMED_REQUEST,
        format!("the body is not JSON: {error}"),
    )
}

/// What is wrong, without the line and column that only make sense next to the bytes.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ")
        .map_or(text.as_str(), |(what, _)| what)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use smartcourse_proto::course::{CreateCourseRequest, PutContentRequest};

    use super::*;

    fn status<T: DeserializeOwned + Serialize + std::fmt::Debug>(text: &str) -> (u16, String) {
        let error = parse::<T>(text.as_bytes()).expect_err("is refused");
        (
            error.http_status().as_u16(),
            error
                .fields()
                .first()
                .map(|field| field.field.clone())
                .unwrap_or_default(),
        )
    }

    #[test]
    fn good_bodies_are_read() {
        let request: CreateCourseRequest =
            parse(br#" {"title":"T","level":"beginner","unknown":1} "#).expect("is read");
        assert_eq!(request.title, "T");
    }

    #[test]
    fn broken_json_is_400() {
        for text in [
            "",
            "{",
            "nonsense",
            r#"{"title":"T"} trailing"#,
            "{\"title\":\"\u{0}\"}",
        ] {
            assert_eq!(status::<CreateCourseRequest>(text).0, 400, "{text}");
        }
    }

    #[test]
    fn no_text_of_a_message_has_a_nul() {
        assert_eq!(status::<CreateCourseRequest>(r#"{"title":"\u0000"}"#).0, 422);
        for text in [r#"{"title":"T","x":"\u0000"}"#, r#"{"title":"\\u0000"}"#] {
            parse::<CreateCourseRequest>(text.as_bytes()).expect(text);
        }
    }

    #[test]
    fn wrong_types_are_422_with_the_path() {
        assert_eq!(
            status::<CreateCourseRequest>(r#"{"title":7}"#),
            (422, "title".to_owned())
        );
        assert_eq!(
            status::<CreateCourseRequest>(r#"{"level":"wizard"}"#),
            (422, "level".to_owned())
        );
        assert_eq!(
            status::<CreateCourseRequest>(r#"["T"]"#),
            (422, "body".to_owned())
        );
        let nested = r#"{"modules":[{"title":"M","lessons":[{"title":"L","type":"song"}]}]}"#;
        assert_eq!(
            status::<PutContentRequest>(nested),
            (422, "modules[0].lessons[0].type".to_owned())
        );
    }

    #[test]
    fn a_body_is_weighed_by_what_stands_outside_of_its_texts() {
        let shape = Shape { depth: 3, values: 8 };
        let weigh = |text: &str| shape.weigh(text.as_bytes());
        assert_eq!(weigh(r#"{"a":[1,2,{"b":null}]}"#).expect("is within"), 6);
        assert_eq!(weigh(r#"{"a":"[[[[\"{{{{,,,,,,,,,,\\"}"#).expect("is within"), 2);
        assert_eq!(weigh("[ {}, [ ], \"\" ]").expect("is within"), 4);
        for text in [
            "[[[[]]]]",
            "[1,2,3,4,5,6,7,8]",
            "[ {}, {}, {}, {}, {}, {}, {}, {} ]",
            r#"{"a":{"b":{"c":{}}}}"#,
        ] {
            let error = weigh(text).expect_err(text);
            assert!(error.is(&codes::BODY_TOO_COMPLEX) && error.http_status().as_u16() == 413);
        }
        // The parser refuses what is no JSON; no text makes the weigher fail.
        for text in ["", "]]]]", "\"\\", "{\"", "}{"] {
            weigh(text).expect("is within");
        }
    }
}
