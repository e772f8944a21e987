//! The OpenAPI 3.1 document, made from the handlers and messages, and the pages that show it without a network.

use axum::{
    Router,
    http::header,
    response::{Html, IntoResponse},
    routing::get,
};
use html_escape::encode_text;
use smartcourse_platform::error::Code;
use smartcourse_proto::common::FieldError;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, Content, InfoBuilder, OpenApi, Ref, RefOr, ResponseBuilder,
        path::Operation,
        schema::Schema,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{config::Gateway, state::App};

const DOCS: &str = include_str!("docs/index.html");
const ERRORS: &str = include_str!("docs/errors.html");

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
const FROM_ELSEWHERE: [&str; 9] = [
    "id",
    "course_id",
    "module_id",
    "lesson_id",
    "part_id",
    "address",
    "if_match",
    "idempotency_key",
    "set_prerequisites",
];

/// Adds what no handler says: name, security scheme, problems; and takes out what only gRPC needs.
pub(crate) fn finish(mut document: OpenApi) -> OpenApi {
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
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.patch,
        ];
        for operation in operations.into_iter().flatten() {
            // Handlers are named within their module; ids are for the whole document.
            if let (Some([tag, ..]), Some(id)) = (operation.tags.as_deref(), &operation.operation_id) {
                operation.operation_id = Some(format!("{tag}_{id}"));
            }
            add_problem(operation);
        }
    }
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

fn add_problem(operation: &mut Operation) {
    let schema = Ref::from_schema_name(ProblemDocument::name());
    let response = ResponseBuilder::new()
        .description("A problem; /docs/errors lists the codes")
        .content("application/problem+json", Content::new(Some(schema)))
        .build();
    operation
        .responses
        .responses
        .insert("default".to_owned(), response.into());
}

/// What `/docs/errors` tells of: every code of every service.
#[derive(Debug, Clone)]
pub struct Errors {
    /// What an answer can have as its `code`.
    pub codes: Vec<&'static Code>,
    /// What marks a lesson in the status of a publish, and what it means.
    pub warnings: &'static [(&'static str, &'static str)],
}

/// `/openapi.json`, `/docs` and `/docs/errors`.
pub(crate) fn pages(document: &OpenApi, errors: &Errors) -> Router<App> {
    // Made of derived types: it always serialises. An empty document would show at once.
    let json = document.to_json().unwrap_or_default();
    let errors = ERRORS.replace("<!-- codes -->", &error_rows(errors));
    Router::new()
        .route(
            "/openapi.json",
            get(async move || ([(header::CONTENT_TYPE, "application/json")], json).into_response()),
        )
        .route("/docs", get(async || page(DOCS.to_owned())))
        .route("/docs/errors", get(async move || page(errors)))
}

/// A page that loads nothing from anywhere but here.
fn page(html: String) -> impl IntoResponse {
    let policy =
        "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(html))
}

/// A row per code, with the code as anchor: the `type` of a problem leads there.
fn error_rows(errors: &Errors) -> String {
    let mut rows = String::from("<h2>Codes</h2><dl>");
    for code in &errors.codes {
        let status = smartcourse_platform::Error::new(code, "").http_status().as_u16();
        let term = code.code;
        rows += &format!(
            "<dt id=\"{term}\"><code>{term}</code> <span>{status}</span></dt><dd>{}<br><b>{}</b></dd>",
            encode_text(code.cause),
            encode_text(code.remedy)
        );
    }
    rows += "</dl><h2>Warnings</h2><p>They mark a lesson in the status of a publish.</p><dl>";
    for (term, text) in errors.warnings {
        rows += &format!(
            "<dt id=\"{term}\"><code>{term}</code></dt><dd>{}</dd>",
            encode_text(text)
        );
    }
    rows + "</dl>"
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
        let document: Value = serde_json::to_value(crate::openapi()).expect("is JSON");
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

    #[test]
    fn every_code_has_an_anchor() {
        let errors = super::Errors {
            codes: crate::codes::ALL.to_vec(),
            warnings: &[],
        };
        let rows = super::error_rows(&errors);
        for code in errors.codes {
            assert!(rows.contains(&format!("id=\"{}\"", code.code)));
        }
    }
}
