//! The refusals of each operation: which statuses it can answer beside those its handler names, by what it takes and who may
//! call it.

use utoipa::{
    ToSchema,
    openapi::{
        Components, Content, Ref, RefOr, Response, ResponseBuilder,
        path::{HttpMethod, Operation, Parameter, ParameterIn},
    },
};

use super::ProblemDocument;

/// A status, its name below `/components/responses`, and when it comes.
struct Refusal {
    status: u16,
    name: &'static str,
    description: &'static str,
    /// Whether an operation can answer it.
    of: fn(&Asked<'_>) -> bool,
}

const REFUSALS: [Refusal; 15] = [
    Refusal {
        status: 400,
        name: "Malformed",
        description: "The body is not what its type says.",
        of: |asked| asked.has_body,
    },
    Refusal {
        status: 401,
        name: "Unauthenticated",
        description: "The token, or what was sent in its place, does not count.",
        of: |asked| !asked.is_probe,
    },
    Refusal {
        status: 403,
        name: "Forbidden",
        description: "The caller may not do this.",
        of: |asked| asked.is_signed,
    },
    Refusal {
        status: 404,
        name: "NotFound",
        description: "What the request names is not there, or not for the caller.",
        of: |asked| asked.has(|_| true) || asked.has_body,
    },
    Refusal {
        status: 408,
        name: "Slow",
        description: "The body did not arrive in time.",
        of: |asked| asked.has_body,
    },
    Refusal {
        status: 409,
        name: "Conflict",
        description: "What is there does not allow it.",
        of: |asked| asked.writes,
    },
    Refusal {
        status: 412,
        name: "Stale",
        description: "Another edit came first: `If-Match` names an entity tag that is not current.",
        of: |asked| asked.has(|parameter| parameter.name == "If-Match"),
    },
    Refusal {
        status: 413,
        name: "TooLarge",
        description: "The body is larger than the limit, or too complex.",
        of: |asked| asked.has_body,
    },
    Refusal {
        status: 415,
        name: "UnsupportedType",
        description: "The type of the body or of the file is not taken.",
        of: |asked| asked.has_body,
    },
    Refusal {
        status: 416,
        name: "NoSuchRange",
        description: "The file has none of the bytes that were asked for.",
        of: |asked| asked.has(|parameter| parameter.name == "Range"),
    },
    Refusal {
        status: 422,
        name: "Invalid",
        description: "A value is of the wrong type, out of its range, or not possible; `errors` names the fields.",
        of: |asked| asked.writes || asked.has(|parameter| parameter.parameter_in != ParameterIn::Path),
    },
    Refusal {
        status: 429,
        name: "TooMany",
        description: "The caller is over a limit and may come again after `Retry-After` seconds.",
        of: |asked| !asked.is_probe,
    },
    Refusal {
        status: 500,
        name: "Internal",
        description: "A fault of ours; the log has it under `trace_id`.",
        of: |_| true,
    },
    Refusal {
        status: 503,
        name: "Unavailable",
        description: "Something that is needed does not answer, or the platform has too much to do; again later.",
        of: |_| true,
    },
    Refusal {
        status: 504,
        name: "Timeout",
        description: "There was no answer in time; again later.",
        of: |asked| !asked.is_probe,
    },
];

/// What decides how an operation can refuse.
struct Asked<'a> {
    operation: &'a Operation,
    has_body: bool,
    /// Whether it needs a token.
    is_signed: bool,
    writes: bool,
    is_probe: bool,
}

impl<'a> Asked<'a> {
    fn new(method: &HttpMethod, operation: &'a Operation) -> Self {
        let tagged = |name| operation.tags.iter().flatten().any(|tag| tag == name);
        // One that may also be called without a token names an empty requirement beside it.
        let needs_none =
            |requirement| serde_json::to_value(requirement).is_ok_and(|value| value == serde_json::json!({}));
        let security = operation.security.iter().flatten();
        Self {
            has_body: operation.request_body.is_some(),
            is_signed: operation.security.is_some() && !security.clone().any(needs_none),
            writes: !matches!(method, HttpMethod::Get),
            is_probe: tagged("operations"),
            operation,
        }
    }

    /// Whether it has a parameter like this.
    fn has(&self, like: impl Fn(&Parameter) -> bool) -> bool {
        let parameters = self.operation.parameters.iter().flatten();
        parameters
            .into_iter()
            .any(|parameter| matches!(parameter, RefOr::T(parameter) if like(parameter)))
    }
}

/// Puts the refusals where operations refer to them.
pub(super) fn declare(components: &mut Components) {
    for Refusal {
        name, description, ..
    } in &REFUSALS
    {
        let schema = Ref::from_schema_name(ProblemDocument::name());
        let response: Response = ResponseBuilder::new()
            .description(*description)
            .content("application/problem+json", Content::new(Some(schema)))
            .build();
        components.responses.insert((*name).to_owned(), response.into());
    }
}

/// Adds to an operation how it can refuse, unless its handler says so in other words.
pub(super) fn add(method: &HttpMethod, operation: &mut Operation) {
    let asked = Asked::new(method, operation);
    let refusals: Vec<&Refusal> = REFUSALS.iter().filter(|refusal| (refusal.of)(&asked)).collect();
    for refusal in refusals {
        let responses = &mut operation.responses.responses;
        let refusal_of = RefOr::Ref(Ref::from_response_name(refusal.name));
        responses.entry(refusal.status.to_string()).or_insert(refusal_of);
    }
}
