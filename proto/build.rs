//! Compiles the `.proto` files without a system `protoc` and gives every message the JSON form of the HTTP contract.

use std::{env, fmt::Write as _, fs, path::PathBuf};

use prost_types::{
    FieldDescriptorProto, FileDescriptorSet, field_descriptor_proto::Label, field_descriptor_proto::Type,
};

const FILES: [&str; 11] = [
    "smartcourse/common.proto",
    "smartcourse/user.proto",
    "smartcourse/course.proto",
    "smartcourse/content.proto",
    "smartcourse/assistant.proto",
    "smartcourse/enrollment.proto",
    "smartcourse/progress.proto",
    "smartcourse/notification.proto",
    "smartcourse/analytics.proto",
    "smartcourse/operations.proto",
    "smartcourse/events.proto",
];

/// Optional fields the HTTP contract leaves out when they are absent; all others are written as `null`.
const LEFT_OUT_WHEN_ABSENT: [&str; 4] = [
    ".smartcourse.assistant.Answer.",
    ".smartcourse.course.LessonContent.",
    ".smartcourse.assistant.Citation.",
    ".smartcourse.course.Quiz.",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=smartcourse");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let bytes = prost::Message::encode_to_vec(&descriptors);
    fs::write(out.join("descriptors.bin"), bytes)?;
    fs::write(out.join("wire.rs"), wire_names(&descriptors))?;
    let stubs = stubs(&descriptors) + &all_stubs(&descriptors);
    fs::write(out.join("stubs.rs"), stubs)?;

    let grpc = env::var_os("CARGO_FEATURE_GRPC").is_some();
    let mut builder = tonic_prost_build::configure()
        .build_client(grpc)
        .build_server(grpc)
        .type_attribute(".smartcourse", "#[derive(serde::Serialize, serde::Deserialize)]")
        .type_attribute(
            ".smartcourse",
            "#[cfg_attr(feature = \"openapi\", derive(utoipa::ToSchema))]",
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

/// Enumerations travel as numbers in gRPC and as snake_case words in JSON; times as RFC 3339 strings; whole numbers may be
/// written with a point; messages are objects.
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
        attributes.push(schema_attribute(&schema));
    } else if field.type_name() == ".google.protobuf.Timestamp" {
        attributes.push("#[serde(with = \"crate::json::timestamp\")]".to_owned());
        attributes.push(schema_attribute("Option<String>, format = DateTime"));
    }
    // A map is a list of entries to the compiler, and an object in JSON.
    if field.r#type() == Type::Message
        && field.type_name().starts_with(".smartcourse.")
        && !field.type_name().ends_with("Entry")
    {
        let which = if field.label() == Label::Repeated {
            "many"
        } else {
            "optional"
        };
        attributes.push(format!(
            "#[serde(deserialize_with = \"crate::json::object::{which}\")]"
        ));
    }
    if matches!(field.r#type(), Type::Int32 | Type::Int64) {
        let which = match (field.label(), optional) {
            (Label::Repeated, _) => "many",
            (_, true) => "optional",
            (_, false) => "required",
        };
        attributes.push(format!(
            "#[serde(deserialize_with = \"crate::json::integer::{which}\")]"
        ));
    }
    if optional && LEFT_OUT_WHEN_ABSENT.iter().any(|prefix| path.starts_with(prefix)) {
        attributes.push("#[serde(skip_serializing_if = \"Option::is_none\")]".to_owned());
    }
    attributes
}

/// What the JSON schema of a field says instead of its Rust type.
fn schema_attribute(value_type: &str) -> String {
    format!("#[cfg_attr(feature = \"openapi\", schema(value_type = {value_type}))]")
}

/// `.smartcourse.course.Level` → `crate::course::Level`.
fn rust_path(type_name: &str) -> String {
    type_name.replace(".smartcourse.", "crate::").replace('.', "::")
}

/// One `impl Wire` per enumeration: its words in JSON and in the database.
fn wire_names(descriptors: &FileDescriptorSet) -> String {
    let mut code = String::new();
    let ours = descriptors
        .file
        .iter()
        .filter(|file| file.package().starts_with("smartcourse"));
    for (file, enumeration) in ours.flat_map(|file| file.enum_type.iter().map(move |of| (file, of))) {
        let prefix = format!("{}_", screaming(enumeration.name()));
        let rust = rust_path(&format!(".{}.{}", file.package(), enumeration.name()));
        let each = |line: fn(&str, &str) -> String| -> String {
            let names = enumeration.value.iter().map(|value| value.name());
            let words = names.map(|name| name.strip_prefix(&prefix).unwrap_or(name).to_lowercase());
            words.map(|word| line(&camel(&word), &word)).collect()
        };
        let texts = each(|variant, word| format!("Self::{variant} => \"{word}\","));
        let values = each(|variant, word| format!("\"{word}\" => Some(Self::{variant}),"));
        let _ = writeln!(
            code,
            "impl crate::Wire for {rust} {{
                fn as_text(self) -> &'static str {{ match self {{ {texts} }} }}
                fn from_text(text: &str) -> Option<Self> {{ match text {{ {values} _ => None }} }}
            }}
            /// A word of a database column; one nobody knows is unspecified.
            impl From<String> for {rust} {{
                fn from(word: String) -> Self {{ <Self as crate::Wire>::from_text(&word).unwrap_or_default() }}
            }}"
        );
    }
    code
}

/// One stub per service: each method takes the stub as it is and answers what the answer holds.
fn stubs(descriptors: &FileDescriptorSet) -> String {
    let mut code = String::new();
    for file in &descriptors.file {
        let package = rust_path(&format!(".{}", file.package()));
        for service in &file.service {
            let name = service.name().trim_end_matches("Service");
            let module = format!("{package}::{}", snake(service.name()));
            let client = format!("{module}_client::{}Client", service.name());
            let server = format!("{module}_server::{}Server", service.name());
            let _ = writeln!(
                code,
                "/// Calls `{}`.\n#[derive(Debug, Clone)]\npub struct {name}Stub<T>({client}<T>);\n\
                 impl<T: Channel> {name}Stub<T>\nwhere\n    T::ResponseBody: Body<Data = Bytes> + Send + 'static,\n    \
                 <T::ResponseBody as Body>::Error: Into<StdError> + Send,\n{{\n    \
                 /// Over this way to the service.\n    pub fn new(way: T) -> Self {{\n        Self::limited(way, MAX_MESSAGE)\n    }}\n    \
                 /// The same, with another limit for what is sent, in bytes.\n    \
                 pub fn limited(way: T, sent: usize) -> Self {{\n        Self({client}::new(way)\
                 .max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(sent))\n    }}",
                service.name()
            );
            for method in &service.method {
                let (input, output) = (message(method.input_type()), message(method.output_type()));
                let request = match method.client_streaming() {
                    true => format!("impl IntoStreamingRequest<Message = {input}>"),
                    false => format!("impl IntoRequest<{input}>"),
                };
                let answer = match method.server_streaming() {
                    true => format!("Streaming<{output}>"),
                    false => output,
                };
                let _ = writeln!(
                    code,
                    "    /// `{service}.{method}`\n    pub async fn {rust}(&self, request: {request}) -> Result<{answer}, Status> {{\n        \
                     self.0.clone().{rust}(request).await.map(tonic::Response::into_inner)\n    }}",
                    service = service.name(),
                    method = method.name(),
                    rust = snake(method.name()),
                );
            }
            code.push_str("}\n");
            let _ = writeln!(
                code,
                "impl<A> {server}<A> {{\n    /// A server that takes and sends what the stub does.\n    \
                 pub fn limited(api: A) -> Self {{\n        Self::new(api)\
                 .max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE)\n    }}\n}}"
            );
        }
    }
    code
}

/// The names of all services, and a stub of each.
fn all_stubs(descriptors: &FileDescriptorSet) -> String {
    let services = descriptors.file.iter().flat_map(|file| {
        file.service.iter().map(|service| {
            let name = service.name().trim_end_matches("Service").to_owned();
            (name, format!("{}.{}", file.package(), service.name()))
        })
    });
    let services: Vec<(String, String)> = services.collect();
    let each = |line: &dyn Fn(&str, &str) -> String| -> String {
        let lines = services.iter().map(|(name, protobuf)| line(name, protobuf));
        lines.collect::<Vec<_>>().join("\n")
    };
    format!(
        "/// The name of a service.\n#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]\npub enum ServiceName {{\n{variants}\n}}\n\
         impl ServiceName {{\n/// Every service.\npub const ALL: [Self; {count}] = [{all}];\n\
         /// Its name in settings and addresses, such as `user`.\npub fn as_str(self) -> &'static str {{\nmatch self {{\n{short}\n}}\n}}\n\
         /// Its name in the protocol, which health checks ask for.\npub fn protobuf(self) -> &'static str {{\nmatch self {{\n{protobuf}\n}}\n}}\n}}\n\
         /// A stub of every service.\n#[derive(Debug, Clone)]\npub struct Stubs<T> {{\n{fields}\n}}\n\
         impl<T: Channel> Stubs<T>\nwhere\n    T::ResponseBody: Body<Data = Bytes> + Send + 'static,\n    \
         <T::ResponseBody as Body>::Error: Into<StdError> + Send,\n{{\n\
         /// Over the channel to each.\n\
         pub fn new(channel: impl Fn(ServiceName) -> T) -> Self {{\nSelf {{\n{made}\n}}\n}}\n}}\n",
        count = services.len(),
        variants = each(&|name, protobuf| format!("/// `{protobuf}`\n{name},")),
        all = each(&|name, _| format!("Self::{name},")),
        short = each(&|name, _| format!("Self::{name} => \"{}\",", snake(name))),
        protobuf = each(&|name, protobuf| format!("Self::{name} => \"{protobuf}\",")),
        fields = each(&|name, protobuf| format!("/// Of `{protobuf}`.\npub {}: {name}Stub<T>,", snake(name))),
        made = each(&|name, _| format!("{}: {name}Stub::new(channel(ServiceName::{name})),", snake(name))),
    )
}

/// The type of a message; nothing is `()`.
fn message(type_name: &str) -> String {
    match type_name {
        ".google.protobuf.Empty" => "()".to_owned(),
        other => rust_path(other),
    }
}

fn snake(name: &str) -> String {
    screaming(name).to_lowercase()
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
