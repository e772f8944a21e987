//! One error type with a kind and a stable code, projected three ways: problem+json ([`http`]), gRPC status
//! ([`grpc`]) and Temporal application failure (in the activities crate, by [`Kind::is_retryable`]).

pub mod codes;
mod grpc;
mod http;

use std::{borrow::Cow, sync::Arc};

pub use codes::{Code, Kind};
use smartcourse_proto::common::FieldError;

use crate::unseen::{deceives, is_seen};

/// The result of anything that can fail with a code.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure with its code and a sentence for people. `Display` shows the detail only; the cause is in `source()`, so that
/// a log of the chain repeats nothing.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
struct Inner {
    kind: Kind,
    code: Cow<'static, str>,
    detail: String,
    fields: Vec<FieldError>,
    /// Ids that belong to the answer, such as `enrollment_id`.
    facts: Vec<(String, serde_json::Value)>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure of the given code.
    pub fn new(code: &'static Code, detail: impl Into<String>) -> Self {
        Self::from_parts(code.kind, Cow::Borrowed(code.code), detail.into())
    }

    pub(crate) fn from_parts(kind: Kind, code: Cow<'static, str>, detail: String) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                code,
                detail,
                fields: Vec::new(),
                facts: Vec::new(),
                source: None,
            }),
        }
    }

    /// A fault of ours; the detail is logged and never leaves the process.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(&codes::INTERNAL, detail)
    }

    /// The refusal of a late write for a version that was discarded.
    pub fn discarded(version: i32) -> Self {
        Self::new(
            &codes::VERSION_DISCARDED,
            format!("version {version} was discarded"),
        )
    }

    /// The same error for somebody else: the cause stays where it came up.
    #[must_use]
    pub fn without_cause(&self) -> Self {
        let mut inner = self.inner.clone();
        inner.source = None;
        Self { inner }
    }

    /// Attaches the cause, which is kept to be shown.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into().into());
        self
    }

    /// Attaches the fields that were refused.
    #[must_use]
    pub fn with_fields(mut self, fields: Vec<FieldError>) -> Self {
        self.inner.fields = fields;
        self
    }

    /// Attaches a fact the caller needs, as a member of the problem document.
    #[must_use]
    pub fn with_fact(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.inner.facts.push((name.to_owned(), value.into()));
        self
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.inner.kind
    }

    /// The stable code, one that [`codes!`](crate::codes) declared.
    pub fn code(&self) -> &str {
        &self.inner.code
    }

    /// The sentence for people.
    pub fn detail(&self) -> &str {
        &self.inner.detail
    }

    /// The refused fields.
    pub fn fields(&self) -> &[FieldError] {
        &self.inner.fields
    }

    /// The attached facts.
    pub fn facts(&self) -> &[(String, serde_json::Value)] {
        &self.inner.facts
    }

    /// Whether this is the given code.
    pub fn is(&self, code: &Code) -> bool {
        self.code() == code.code
    }

    /// The whole chain of causes in one line, for logs.
    pub fn chain(&self) -> String {
        let mut line = format!("{}: {}", self.code(), self.detail());
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            line.push_str(": ");
            line.push_str(&cause.to_string());
            source = cause.source();
        }
        line
    }
}

/// A value of ours as JSON. Fails with `internal` when it has no form in JSON, such as a map whose keys are no texts.
pub fn to_json(value: &impl serde::Serialize) -> Result<serde_json::Value> {
    serde_json::to_value(value).map_err(|error| Error::internal("a value has no form in JSON").because(error))
}

/// Reasons in one text for people: the first twenty, and how many more there are; none when there is none.
pub fn first_few(reasons: impl Iterator<Item = String>) -> Option<String> {
    const SHOWN: usize = 20;
    let mut reasons: Vec<String> = reasons.collect();
    if let Some(more @ 1..) = reasons.len().checked_sub(SHOWN) {
        reasons.truncate(SHOWN);
        reasons.push(format!("and {more} more"));
    }
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// Whether a text has control characters other than line breaks and tabs.
fn has_control(text: &str) -> bool {
    text.chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

/// Collects everything that is wrong with a request, so that one answer names it all: the first [`Problems::MOST`] of it.
#[derive(Debug, Default)]
pub struct Problems(Vec<FieldError>);

impl Problems {
    /// As many as anybody mends at once. A body of a hundred thousand wrong values must not become as many sentences.
    pub const MOST: usize = 100;

    /// Records one problem.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        if self.0.len() == Self::MOST {
            return;
        }
        self.0.push(FieldError {
            field: field.into(),
            message: message.into(),
        });
    }

    /// Records a problem unless the condition holds.
    pub fn require(&mut self, holds: bool, field: impl Into<String>, message: impl Into<String>) {
        if !holds {
            self.add(field, message);
        }
    }

    /// A text in one line, such as a title: 1 to `max` characters once trimmed, some of which are seen, and none of them a control
    /// character or one that [deceives].
    pub fn name(&mut self, field: &str, value: &str, max: usize) {
        if value.chars().any(char::is_control) {
            self.add(
                field,
                "must not contain line breaks, tabs or other control characters",
            );
        } else if value.contains(deceives) {
            self.add(
                field,
                "must not contain characters that nobody sees or that turn the direction of the text",
            );
        } else if !is_seen(value) {
            self.add(field, "must not be empty");
        } else {
            self.text(field, value, max);
        }
    }

    /// A text that must have 1 to `max` characters once trimmed; of the control characters, line breaks and tabs may be in it.
    pub fn text(&mut self, field: &str, value: &str, max: usize) {
        if value.trim().is_empty() && !has_control(value) {
            self.add(field, "must not be empty");
        } else {
            self.words(field, value, max);
        }
    }

    /// The same, but it may be empty: words to look for.
    pub fn words(&mut self, field: &str, value: &str, max: usize) {
        let length = value.chars().count();
        if has_control(value) {
            self.add(field, "must not contain control characters");
        } else if length > max {
            self.add(field, format!("must have at most {max} characters, has {length}"));
        }
    }

    /// Requires a [`text`](Self::text) of a request that can have no other problem.
    pub fn only_text(field: &str, value: &str, max: usize) -> Result<()> {
        let mut problems = Self::default();
        problems.text(field, value, max);
        problems.finish()
    }

    /// The `validation_failed` error of a request that has this one problem.
    pub fn one(field: impl Into<String>, message: impl Into<String>) -> Error {
        let (field, message) = (field.into(), message.into());
        let detail = format!("{field} {message}");
        Error::new(&codes::VALIDATION_FAILED, detail).with_fields(vec![FieldError { field, message }])
    }

    /// `Ok` when nothing was recorded, else one `validation_failed` error.
    pub fn finish(self) -> Result<()> {
        let detail = match self.0.as_slice() {
            [] => return Ok(()),
            [one] => format!("{} {}", one.field, one.message),
            many if many.len() == Self::MOST => format!("{} fields or more are wrong", Self::MOST),
            many => format!("{} fields are wrong", many.len()),
        };
        Err(Error::new(&codes::VALIDATION_FAILED, detail).with_fields(self.0))
    }
}
