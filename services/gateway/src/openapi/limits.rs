//! What requests may hold, as constraints of the document: what a schema allows a service takes, and what a schema forbids it
//! refuses. The numbers are those the services check; where a rule has no form in a schema, a description tells it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use smartcourse_platform::page;
use smartcourse_proto::limits;

use super::Files;
use crate::edge::KEY_MAX;

/// Within a class: what breaks a line or turns its text, which `Problems::name` takes nowhere.
const DECEIVING: &str =
    r"\u0000-\u001f\u007f-\u009f\u180e\u200b\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb";
/// The same: what else nobody sees.
const UNSEEN: &str = r"\s\u00ad\u034f\u115f\u1160\u17b4\u17b5\u200c-\u200f\u2800\u3164\ufe00-\ufe0f\uffa0";
/// Lines with something to read in them: what `Problems::text` takes.
const TEXT: &str = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$";
/// The same, or blank: what `Problems::words` takes.
const WORDS: &str = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$";
/// Any text there can be.
const NO_NUL: &str = r"^[^\u0000]*$";
/// A language (BCP 47).
const LANGUAGE: &str = "([A-Za-z]{2,3}|[A-Za-z]{5,8})(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?(-([0-9A-Za-z]{5,8}|[0-9][0-9A-Za-z]{3}))?";

/// A line with something to read in it: what `Problems::name` takes.
fn seen() -> String {
    format!("[^{DECEIVING}]*[^{DECEIVING}{UNSEEN}][^{DECEIVING}]*")
}

/// The same, or nothing.
fn line_or_none() -> String {
    format!("^({})?$", seen())
}

fn line(max: usize) -> Value {
    json!({ "minLength": 1, "maxLength": max, "pattern": format!("^{}$", seen()) })
}

fn text(max: usize) -> Value {
    json!({ "minLength": 1, "maxLength": max, "pattern": TEXT })
}

fn words(max: usize) -> Value {
    json!({ "maxLength": max, "pattern": WORDS })
}

fn matches(pattern: &str) -> Value {
    json!({ "pattern": pattern })
}

/// Places below `/components/schemas`, and what is said there.
fn fields() -> Vec<(&'static str, Value)> {
    let at_least_one = || json!({ "minimum": 1 });
    let part_id = format!("^[0-9A-Za-z_-]{{0,{}}}$", limits::PART_ID);
    let amount = format!("^[0-9]{{1,{}}}(\\.[0-9]{{1,2}})?$", limits::PRICE_DIGITS);
    vec![
        (
            "RegisterRequest/properties/email",
            json!({ "format": "email", "maxLength": limits::EMAIL }),
        ),
        (
            "RegisterRequest/properties/password",
            json!({
                "format": "password", "minLength": limits::PASSWORD.start(), "maxLength": limits::PASSWORD.end(),
            }),
        ),
        ("RegisterRequest/properties/full_name", line(limits::PERSON)),
        (
            "RegisterRequest/properties/role",
            json!({ "$ref": null, "type": "string", "enum": ["student", "instructor"] }),
        ),
        (
            "LoginRequest/properties/password",
            json!({ "format": "password" }),
        ),
        (
            "RefreshRequest/properties/refresh_token",
            json!({ "minLength": 1 }),
        ),
        ("CreateCourseRequest/properties/title", line(limits::TITLE)),
        (
            "CreateCourseRequest/properties/description",
            text(limits::DESCRIPTION),
        ),
        ("CreateCourseRequest/properties/category", line(limits::CATEGORY)),
        ("CreateCourseRequest/properties/max_enrollments", at_least_one()),
        (
            "CreateCourseRequest/properties/language",
            matches(&format!("^{LANGUAGE}$")),
        ),
        ("UpdateCourseRequest/properties/title", line(limits::TITLE)),
        (
            "UpdateCourseRequest/properties/description",
            text(limits::DESCRIPTION),
        ),
        ("UpdateCourseRequest/properties/category", line(limits::CATEGORY)),
        ("UpdateCourseRequest/properties/max_enrollments", at_least_one()),
        (
            "UpdateCourseRequest/properties/language",
            matches(&format!("^({LANGUAGE})?$")),
        ),
        ("Money/properties/amount", matches(&amount)),
        ("Money/properties/currency", matches("^[A-Z]{3}$")),
        (
            "PutContentRequest/properties/modules",
            json!({ "maxItems": limits::MODULES }),
        ),
        ("Module/properties/id", matches(&part_id)),
        ("Module/properties/title", line(limits::TITLE)),
        ("Lesson/properties/id", matches(&part_id)),
        ("Lesson/properties/title", line(limits::TITLE)),
        ("AddModuleRequest/properties/title", line(limits::TITLE)),
        ("UpdateModuleRequest/properties/title", line(limits::TITLE)),
        ("AddLessonRequest/properties/title", line(limits::TITLE)),
        ("UpdateLessonRequest/properties/title", line(limits::TITLE)),
        (
            "Quiz/properties/pass_percent",
            json!({ "minimum": 0, "maximum": 100 }),
        ),
        ("Quiz/properties/max_attempts", at_least_one()),
        (
            "Question/properties/id",
            json!({ "maxLength": limits::QUIZ_ID, "pattern": line_or_none() }),
        ),
        ("Question/properties/prompt", text(limits::QUIZ_TEXT)),
        ("Question/properties/points", json!({ "minimum": 0 })),
        ("Question/properties/correct", json!({ "minItems": 1 })),
        ("Choice/properties/id", line(limits::QUIZ_ID)),
        ("Choice/properties/text", text(limits::QUIZ_TEXT)),
        (
            "Attempt/properties/answers",
            json!({ "propertyNames": { "pattern": NO_NUL } }),
        ),
        ("Given/oneOf/0", json!({ "maxLength": limits::GIVEN_TEXT })),
        ("Given/oneOf/1", json!({ "maxItems": limits::GIVEN })),
        ("Given/oneOf/1/items", json!({ "maxLength": limits::GIVEN_TEXT })),
        ("AskRequest/properties/question", text(limits::QUESTION)),
        (
            "GenerateRequest/properties/lesson_ids/items",
            words(limits::PART_ID),
        ),
        ("TakeDraftRequest/properties/title", line(limits::TITLE)),
        ("BeginUploadRequest/properties/size_bytes", at_least_one()),
        (
            "BeginUploadRequest/properties/filename",
            json!({ "maxLength": limits::FILENAME }),
        ),
        (
            "BeginUploadRequest/properties/sha256",
            matches("^[0-9A-Fa-f]{64}$"),
        ),
        (
            "BeginUploadRequest/properties/content_type",
            json!({ "maxLength": limits::CONTENT_TYPE, "pattern": line_or_none() }),
        ),
        (
            "Preferences/properties/phone",
            matches(r"^(\+[1-9][0-9]{6,14})?$"),
        ),
        ("Preferences/properties/push_key", json!({ "readOnly": true })),
    ]
}

/// Fields without which a request is refused. Some of these schemas are answers, too, which always have them.
const REQUIRED: [(&str, &[&str]); 20] = [
    ("RegisterRequest", &["email", "password", "full_name", "role"]),
    ("LoginRequest", &["email", "password"]),
    ("RefreshRequest", &["refresh_token"]),
    ("SetRoleRequest", &["role"]),
    ("CreateCourseRequest", &["title", "description"]),
    ("SetStatusRequest", &["status"]),
    ("Money", &["amount", "currency"]),
    ("Module", &["title"]),
    ("Lesson", &["title", "type"]),
    ("AddModuleRequest", &["title"]),
    ("AddLessonRequest", &["title", "type"]),
    ("Question", &["kind", "prompt"]),
    ("Choice", &["id", "text"]),
    ("AskRequest", &["question"]),
    ("GenerateRequest", &["kind"]),
    ("TakeDraftRequest", &["to_module_id"]),
    ("BeginUploadRequest", &["filename", "size_bytes"]),
    ("AssetForm", &["file"]),
    ("Completion", &["course_id"]),
    ("Attempt", &["course_id", "answers"]),
];

/// Parameters of a path, or of any path, by their name.
fn parameters() -> Vec<(Option<&'static str>, &'static str, Value)> {
    vec![
        (
            None,
            "limit",
            json!({ "minimum": 0, "maximum": page::MAX_LIMIT, "default": page::DEFAULT_LIMIT }),
        ),
        (
            None,
            "Idempotency-Key",
            json!({ "minLength": 1, "maxLength": KEY_MAX, "pattern": "^[!-~]([ -~]*[!-~])?$" }),
        ),
        (Some("/courses"), "q", words(limits::CATALOGUE_WORDS)),
        (Some("/courses"), "category", words(limits::CATEGORY)),
        (Some("/search"), "q", text(limits::SEARCH_WORDS)),
        (Some("/conversations"), "q", words(limits::SEARCH_WORDS)),
        (Some("/analytics/trends"), "from", day()),
        (Some("/analytics/trends"), "to", day()),
    ]
}

/// A day of 1970 or later.
fn day() -> Value {
    json!({ "format": "date", "pattern": "^(19[7-9][0-9]|[2-9][0-9]{3})-[0-9]{2}-[0-9]{2}$" })
}

/// Writes all of it into the document. What a rule names is there: a test says so.
pub(super) fn apply(document: &mut Value) {
    for (place, rule) in fields() {
        if let Some(schema) = document.pointer_mut(&format!("/components/schemas/{place}")) {
            merge(schema, rule);
        }
    }
    for (name, fields) in REQUIRED {
        if let Some(schema) = document.pointer_mut(&format!("/components/schemas/{name}")) {
            merge(schema, json!({ "required": fields }));
        }
    }
    for (path, parameter) in parameters_of(document) {
        for (at, name, rule) in parameters() {
            if at.is_none_or(|at| at == path) && parameter["name"] == name {
                merge(&mut parameter["schema"], rule);
            }
        }
        // A header cannot have one.
        if parameter["in"] != "header" {
            refuse_nul(&mut parameter["schema"]);
        }
    }
    for name in sent(document) {
        refuse_nul(&mut document["components"]["schemas"][name]);
    }
}

/// The schemas of bodies, and those they are made of.
fn sent(document: &Value) -> BTreeSet<String> {
    let operations = document["paths"].as_object().into_iter().flatten();
    let operations = operations.flat_map(|(_, item)| item.as_object().into_iter().flatten());
    let mut found = BTreeSet::new();
    let mut open: Vec<&Value> = operations
        .map(|(_, operation)| &operation["requestBody"])
        .collect();
    while let Some(value) = open.pop() {
        let name = value["$ref"]
            .as_str()
            .and_then(|to| to.strip_prefix("#/components/schemas/"));
        if let Some(name) = name
            && found.insert(name.to_owned())
        {
            open.push(&document["components"]["schemas"][name]);
        }
        open.extend(value.as_object().into_iter().flatten().map(|(_, member)| member));
        open.extend(value.as_array().into_iter().flatten());
    }
    found
}

/// Says of files what those in force allow.
pub(super) fn apply_files(document: &mut Value, files: &Files) {
    let names = files.extensions.iter().map(|extension| {
        let letters = extension
            .chars()
            .map(|letter| match letter.is_ascii_alphabetic() {
                true => format!("[{}{letter}]", letter.to_ascii_uppercase()),
                false => letter.to_string(),
            });
        letters.collect::<String>()
    });
    let names: Vec<String> = names.collect();
    let pattern = format!(r"^[^{DECEIVING}/\\]*\.({})$", names.join("|"));
    for (field, rule) in [
        ("size_bytes", json!({ "maximum": files.max_bytes })),
        ("filename", matches(&pattern)),
    ] {
        let place = format!("/components/schemas/BeginUploadRequest/properties/{field}");
        if let Some(schema) = document.pointer_mut(&place) {
            merge(schema, rule);
        }
    }
}

/// Texts of which nothing more is said, here and below.
fn refuse_nul(schema: &mut Value) {
    let is_text = schema["type"] == "string" || schema["type"] == json!(["string", "null"]);
    let is_said = is_text && (schema.get("pattern").is_some() || schema.get("enum").is_some());
    match schema {
        Value::Object(_) if is_said || schema["format"] == "binary" => {}
        Value::Object(members) if is_text => {
            members.insert("pattern".to_owned(), NO_NUL.into());
        }
        Value::Object(members) => members.values_mut().for_each(refuse_nul),
        Value::Array(items) => items.iter_mut().for_each(refuse_nul),
        _ => {}
    }
}

/// The parameters of all operations, each with its path.
fn parameters_of(document: &mut Value) -> impl Iterator<Item = (String, &mut Value)> {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let operations = item.as_object_mut().into_iter().flatten();
        let parameters = operations.flat_map(|(_, operation)| {
            operation
                .get_mut("parameters")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
        });
        parameters.map(move |parameter| (path.clone(), parameter))
    })
}

/// Merges a patch (RFC 7396) of one level.
fn merge(schema: &mut Value, patch: Value) {
    let (Value::Object(schema), Value::Object(patch)) = (schema, patch) else {
        return;
    };
    for (key, value) in patch {
        match value {
            Value::Null => schema.remove(&key),
            value => schema.insert(key, value),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_about_something() {
        let mut document = crate::openapi();
        for (place, _) in fields() {
            assert!(
                document
                    .pointer(&format!("/components/schemas/{place}"))
                    .is_some(),
                "{place}"
            );
        }
        for (name, required) in REQUIRED {
            let schema = &document["components"]["schemas"][name];
            for field in required {
                assert!(schema["properties"].get(field).is_some(), "{name}.{field}");
            }
        }
        let known: Vec<(String, Value)> = parameters_of(&mut document)
            .map(|(path, parameter)| (path, parameter["name"].clone()))
            .collect();
        for (at, name, _) in parameters() {
            let found = known
                .iter()
                .any(|(path, known)| known == name && at.is_none_or(|at| at == path));
            assert!(found, "{at:?} {name}");
        }
    }

    #[test]
    fn the_names_of_files_follow_what_is_taken() {
        let mut document = crate::openapi();
        let files = Files {
            max_bytes: 1024,
            extensions: vec!["md", "mp4"],
        };
        apply_files(&mut document, &files);
        let begin = &document["components"]["schemas"]["BeginUploadRequest"]["properties"];
        assert_eq!(begin["size_bytes"]["maximum"], 1024);
        let pattern = begin["filename"]["pattern"].as_str().expect("a pattern");
        assert!(pattern.ends_with(r"\.([Mm][Dd]|[Mm][Pp]4)$"), "{pattern}");
    }
}
