//! The OpenAPI 3.1 document, made from the handlers and messages, and the pages that show it without a network.

mod limits;
mod pages;
mod problems;

pub use pages::Errors;
pub(crate) use pages::pages;
use serde_json::Value;
use smartcourse_proto::common::FieldError;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, InfoBuilder, OpenApi, RefOr,
        path::HttpMethod,
        schema::Schema,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::config::Gateway;

/// An error (RFC 9457); more members may hold ids that belong to it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes problem documents, which the platform writes")]
struct ProblemDocument {
    /// Where the code is explained.
    r#type: String,
    /// The name of the status.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What went wrong, for people.
    detail: String,
    /// What went wrong, for programs: a stable word.
    code: String,
    /// The id of the request.
    trace_id: String,
    /// The fields that were refused.
    errors: Vec<FieldError>,
}

/// Fields of request messages that come from the path or a header.
const FROM_ELSEWHERE: [&str; 10] = [
    "id",
    "course_id",
    "module_id",
    "lesson_id",
    "part_id",
    "generation_id",
    "address",
    "if_match",
    "idempotency_key",
    "set_prerequisites",
];

/// Which files are taken.
#[derive(Debug, Clone)]
pub struct Files {
    /// Bytes of the largest: larger ones are refused before they are read.
    pub max_bytes: u64,
    /// Extensions of their names, without the dot.
    pub extensions: Vec<&'static str>,
}

/// Adds what no handler says: name, security scheme, problems, limits; and takes out what only gRPC needs.
pub(crate) fn finish(mut document: OpenApi) -> Value {
    document.info = InfoBuilder::new()
        .title("SmartCourse")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Courses that are published by durable workflows and answer questions about themselves.",
        ))
        .build();
    let components = document.components.get_or_insert_with(Components::new);
    for (name, schema) in &mut components.schemas {
        if let RefOr::T(schema) = schema {
            tidy(name, schema);
        }
    }
    components
        .schemas
        .insert(ProblemDocument::name().into_owned(), ProblemDocument::schema());
    components
        .schemas
        .insert(FieldError::name().into_owned(), FieldError::schema());
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    problems::declare(components);
    for item in document.paths.paths.values_mut() {
        let operations = [
            (HttpMethod::Get, &mut item.get),
            (HttpMethod::Put, &mut item.put),
            (HttpMethod::Post, &mut item.post),
            (HttpMethod::Delete, &mut item.delete),
            (HttpMethod::Patch, &mut item.patch),
        ];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            problems::add(&method, operation);
            // Handlers are named within their module; ids are for the whole document.
            if let (Some([tag, ..]), Some(id)) = (operation.tags.as_deref(), &operation.operation_id) {
                operation.operation_id = Some(format!("{tag}_{id}"));
            }
        }
    }
    // Made of derived types: it always serialises. An empty document would show at once.
    let mut document = serde_json::to_value(document).unwrap_or_default();
    limits::apply(&mut document);
    document
}

/// Says of files what those in force allow.
pub(crate) fn with_files(mut document: Value, files: &Files) -> Value {
    limits::apply_files(&mut document, files);
    document
}

/// Says with each JSON body of these routes how much it may be.
pub(crate) fn bound(document: &mut OpenApi, config: &Gateway, bytes: usize) {
    let limits = format!(
        "At most {bytes} bytes, {} levels deep, {} values.",
        config.max_json_depth, config.max_json_values
    );
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.put, &mut item.post, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            if let Some(RefOr::T(body)) = &mut operation.request_body
                && body.content.contains_key("application/json")
            {
                body.description = Some(limits.clone());
            }
        }
    }
}

fn tidy(name: &str, schema: &mut Schema) {
    let Schema::Object(object) = schema else { return };
    if name.ends_with("Request") {
        for field in FROM_ELSEWHERE {
            object.properties.remove(field);
            object.required.retain(|required| required != field);
        }
    }
    if let Some(words) = &mut object.enum_values {
        words.retain(|word| word != "unspecified");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn the_document_is_3_1_and_complete() {
        let document: Value = crate::openapi();
        assert!(
            document["openapi"]
                .as_str()
                .is_some_and(|version| version.starts_with("3.1"))
        );
        assert_eq!(
            document["components"]["securitySchemes"]["bearer"]["scheme"],
            "bearer"
        );
        for path in [
            "/auth/login",
            "/courses/{id}/publish/events",
            "/courses/{id}/assets",
            "/search",
            "/readyz",
        ] {
            assert!(document["paths"].get(path).is_some(), "{path}");
        }
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in found {
            assert!(
                document.pointer(&reference[1..]).is_some(),
                "{reference} is missing"
            );
        }
        let operations: Vec<&str> = document["paths"]
            .as_object()
            .expect("paths")
            .values()
            .flat_map(|item| item.as_object().expect("an item").values())
            .filter_map(|operation| operation["operationId"].as_str())
            .collect();
        let unique: std::collections::HashSet<_> = operations.iter().collect();
        assert_eq!(unique.len(), operations.len(), "{operations:?}");
    }
}
