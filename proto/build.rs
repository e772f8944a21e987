//! Compiles the `.proto` files without a system `protoc` and gives every message the JSON form of the HTTP contract.

use std::{env, fmt::Write as _, fs, path::PathBuf};

use prost_types::{
    FieldDescriptorProto, FileDescriptorSet, field_descriptor_proto::Label, field_descriptor_proto::Type,
};

const FILES: [&str; 10] = [
    "smartcourse/common.proto",
    "smartcourse/user.proto",
    "smartcourse/course.proto",
    "smartcourse/content.proto",
    "smartcourse/assistant.proto",
    "smartcourse/enrollment.proto",
    "smartcourse/progress.proto",
    "smartcourse/notification.proto",
    "smartcourse/analytics.proto",
    "smartcourse/events.proto",
];

/// Optional fields the HTTP contract leaves out when they are absent; all others are written as `null`.
const LEFT_OUT_WHEN_ABSENT: [&str; 3] = [
    ".smartcourse.course.LessonContent.",
    ".smartcourse.assistant.Citation.",
    ".smartcourse.course.Quiz.",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=smartcourse");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(
        out.join("descriptors.bin"),
        prost::Message::encode_to_vec(&descriptors),
    )?;
    fs::write(out.join("wire.rs"), wire_names(&descriptors))?;

    let grpc = env::var_os("CARGO_FEATURE_GRPC").is_some();
    let mut builder = tonic_prost_build::configure()
        .build_client(grpc)
        .build_server(grpc)
        .message_attribute(
            ".smartcourse",
            "#[derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema)]",
        )
        .enum_attribute(
            ".smartcourse",
            "#[derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema)]",
        )
        .enum_attribute(".smartcourse", "#[serde(rename_all = \"snake_case\")]")
        .field_attribute(
            ".smartcourse.course.Question.correct",
            "#[serde(skip_serializing_if = \"Vec::is_empty\")]",
        );
    for file in &descriptors.file {
        for message in &file.message_type {
            for field in &message.field {
                let path = format!(".{}.{}.{}", file.package(), message.name(), field.name());
                for attribute in json_attributes(&path, field) {
                    builder = builder.field_attribute(&path, attribute);
                }
            }
        }
    }
    builder.compile_fds(descriptors)?;
    Ok(())
}

/// Enumerations travel as numbers in gRPC and as snake_case words in JSON; times as RFC 3339 strings.
fn json_attributes(path: &str, field: &FieldDescriptorProto) -> Vec<String> {
    let optional = field.proto3_optional();
    let mut attributes = vec!["#[serde(default)]".to_owned()];
    if field.r#type() == Type::Enum {
        assert!(
            field.label() != Label::Repeated,
            "{path}: repeated enumerations have no JSON form here"
        );
        let rust = rust_path(field.type_name());
        let (module, schema) = if optional {
            ("optional_enum", format!("Option<{rust}>"))
        } else {
            ("required_enum", rust.clone())
        };
        attributes.push(format!(
            "#[serde(serialize_with = \"crate::json::{module}::serialize::<{rust}, _>\", \
             deserialize_with = \"crate::json::{module}::deserialize::<{rust}, _>\")]"
        ));
        attributes.push(format!("#[schema(value_type = {schema})]"));
    } else if field.type_name() == ".google.protobuf.Timestamp" {
        attributes.push("#[serde(with = \"crate::json::timestamp\")]".to_owned());
        attributes.push("#[schema(value_type = Option<String>, format = DateTime)]".to_owned());
    }
    if optional && LEFT_OUT_WHEN_ABSENT.iter().any(|prefix| path.starts_with(prefix)) {
        attributes.push("#[serde(skip_serializing_if = \"Option::is_none\")]".to_owned());
    }
    attributes
}

/// `.smartcourse.course.Level` → `crate::course::Level`.
fn rust_path(type_name: &str) -> String {
    type_name.replace(".smartcourse.", "crate::").replace('.', "::")
}

/// One `impl Wire` per enumeration: its words in JSON and in the database.
fn wire_names(descriptors: &FileDescriptorSet) -> String {
    let mut code = String::new();
    for file in descriptors
        .file
        .iter()
        .filter(|file| file.package().starts_with("smartcourse"))
    {
        for enumeration in &file.enum_type {
            let prefix = format!("{}_", screaming(enumeration.name()));
            let rust = rust_path(&format!(".{}.{}", file.package(), enumeration.name()));
            let words: Vec<(String, String)> = enumeration
                .value
                .iter()
                .map(|value| {
                    let word = value
                        .name()
                        .strip_prefix(&prefix)
                        .unwrap_or(value.name())
                        .to_lowercase();
                    (camel(&word), word)
                })
                .collect();
            let _ = writeln!(
                code,
                "impl crate::Wire for {rust} {{\n    fn as_text(self) -> &'static str {{\n        match self {{"
            );
            for (variant, word) in &words {
                let _ = writeln!(code, "            Self::{variant} => \"{word}\",");
            }
            code.push_str(
                "        }\n    }\n    fn from_text(text: &str) -> Option<Self> {\n        match text {\n",
            );
            for (variant, word) in &words {
                let _ = writeln!(code, "            \"{word}\" => Some(Self::{variant}),");
            }
            code.push_str("            _ => None,\n        }\n    }\n}\n");
        }
    }
    code
}

fn screaming(name: &str) -> String {
    let mut out = String::new();
    for (index, letter) in name.char_indices() {
        if letter.is_uppercase() && index > 0 {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

fn camel(word: &str) -> String {
    word.split('_')
        .map(|part| part[..1].to_uppercase() + &part[1..])
        .collect()
}
