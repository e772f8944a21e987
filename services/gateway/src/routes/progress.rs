//! What learners do: complete lessons, try quizzes, see where they stand.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use smartcourse_platform::{Result, error::Problems};
use smartcourse_proto::{
    json::integer,
    progress::{
        AttemptResult, CompleteLessonRequest, CourseProgress, GetProgressRequest, QuestionAnswer,
        SubmitAttemptRequest,
    },
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    auth::SignedIn,
    edge::{Body, Id, IdempotencyKey, Json, PathOf, Query},
    state::App,
};

pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(complete))
        .routes(routes!(attempt))
        .routes(routes!(get))
}

/// The course a lesson is completed in.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Completion {
    #[serde(default, deserialize_with = "integer::optional")]
    #[schema(value_type = i64)]
    course_id: Option<i64>,
}

/// Answers to a quiz.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Attempt {
    #[serde(default, deserialize_with = "integer::optional")]
    #[schema(value_type = i64)]
    course_id: Option<i64>,
    /// By question id.
    #[schema(value_type = BTreeMap<String, Given>, example = json!({"q1": "b", "q2": ["a", "c"], "q3": "history"}))]
    answers: Option<BTreeMap<String, Given>>,
}

/// An option id or a text, or several option ids.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "must be a string or a list of strings")]
pub(crate) enum Given {
    /// One option, or the text.
    One(String),
    /// Options.
    Many(Vec<String>),
}

impl Given {
    fn values(self) -> Vec<String> {
        match self {
            Self::One(value) => vec![value],
            Self::Many(values) => values,
        }
    }
}

/// Whose progress.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProgressQuery {
    /// A student of the course; only its owner and administrators may name another than themselves.
    user_id: Option<i64>,
}

/// The value of a field the body has to have.
fn required<T>(field: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Problems::one(field, "is missing"))
}

/// Complete a lesson; twice is the same as once
#[utoipa::path(post, path = "/progress/lessons/{lesson_id}/complete", tag = "progress", security(("bearer" = [])),
    params(("lesson_id" = String, Path, description = "The lesson")), request_body = Completion,
    responses((status = 200, body = CourseProgress)))]
async fn complete(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf(lesson_id): PathOf<String>,
    mut body: Body,
) -> Result<Json<CourseProgress>> {
    let sent: Completion = body.json().await?;
    let request = actor.request(CompleteLessonRequest {
        course_id: required("course_id", sent.course_id)?,
        lesson_id,
    });
    Ok(Json(app.stubs.progress.complete_lesson(request).await?))
}

/// Submit an attempt at a quiz; it is graded on the server
#[utoipa::path(post, path = "/progress/lessons/{lesson_id}/attempts", tag = "progress", security(("bearer" = [])),
    params(("lesson_id" = String, Path, description = "The quiz lesson"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key answers the same attempt")),
    request_body = Attempt, responses((status = 200, body = AttemptResult)))]
async fn attempt(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf(lesson_id): PathOf<String>,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    mut body: Body,
) -> Result<Json<AttemptResult>> {
    let sent: Attempt = body.json().await?;
    let answers = required("answers", sent.answers)?.into_iter();
    let answers = answers.map(|(question_id, given)| QuestionAnswer {
        question_id,
        values: given.values(),
    });
    let request = actor.request(SubmitAttemptRequest {
        course_id: required("course_id", sent.course_id)?,
        lesson_id,
        answers: answers.collect(),
        idempotency_key,
    });
    Ok(Json(app.stubs.progress.submit_attempt(request).await?))
}

/// See the progress in a course
#[utoipa::path(get, path = "/progress/courses/{id}", tag = "progress", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), ProgressQuery),
    responses((status = 200, body = CourseProgress)))]
async fn get(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    Query(query): Query<ProgressQuery>,
) -> Result<Json<CourseProgress>> {
    let request = actor.request(GetProgressRequest {
        course_id: id.0,
        user_id: query.user_id.unwrap_or(0),
    });
    Ok(Json(app.stubs.progress.get_progress(request).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the body extractor does: the value, or the path and what is wrong there.
    fn parse(text: &str) -> Result<Attempt, (String, String)> {
        let mut reader = serde_json::Deserializer::from_str(text);
        serde_path_to_error::deserialize(&mut reader)
            .map_err(|error| (error.path().to_string(), error.into_inner().to_string()))
    }

    #[test]
    fn answers_are_strings_or_lists_of_them() {
        let attempt =
            parse(r#"{"course_id":1,"answers":{"q1":"b","q2":["a","c"],"q3":[]}}"#).expect("is read");
        let answers: Vec<(String, Vec<String>)> = attempt
            .answers
            .expect("is there")
            .into_iter()
            .map(|(id, given)| (id, given.values()))
            .collect();
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        let expected: [(String, Vec<String>); 3] = [
            ("q1".to_owned(), values(&["b"])),
            ("q2".to_owned(), values(&["a", "c"])),
            ("q3".to_owned(), values(&[])),
        ];
        assert_eq!(answers, expected);
    }

    #[test]
    fn a_wrong_answer_type_is_named_with_its_path() {
        for value in ["7", r#"["a",7]"#, "null", "{}"] {
            let text = format!(r#"{{"course_id":1,"answers":{{"q1":{value}}}}}"#);
            let (path, message) = parse(&text).expect_err("is refused");
            assert_eq!(path, "answers.q1", "{text}");
            assert!(
                message.starts_with("must be a string or a list of strings"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_missing_field_is_named() {
        let error = required("course_id", None::<i64>).expect_err("is refused");
        assert_eq!(error.http_status().as_u16(), 422);
        assert_eq!(error.fields()[0].field, "course_id");
    }
}
