//! What answers may take on a day, and what is told of it.

use std::sync::Arc;

use futures::{
    StreamExt as _,
    future::join_all,
    stream::{self, BoxStream},
};
use serde_json::{Value, json};
use smartcourse_platform::{
    Error, Result,
    ports::answers::{Answerer, Citation, Part, Question, Statement},
};
use smartcourse_proto::assistant::{Answer, AnswerNote, Usage};
use smartcourse_tests::{events, refusal};

use crate::{ANN, BO, Harness, harness_with};

/// A model that may take a hundred tokens for an answer, and takes forty; of some questions it says nothing good.
struct Paid;

impl Answerer for Paid {
    fn name(&self) -> &str {
        "paid"
    }

    fn most(&self, _: &Question<'_>) -> Usage {
        usage(80, 20, 1_000_000)
    }

    fn answer<'a>(&'a self, question: Question<'a>) -> BoxStream<'a, Result<Part>> {
        let statement = Part::Statement(Statement {
            text: "Steps are undone.".to_owned(),
            citations: vec![Citation {
                passage: 0,
                quote: "It undoes the step.".to_owned(),
                score: 0.5,
            }],
        });
        let parts = match (question.may_cost, question.text) {
            (false, _) => vec![Ok(Part::Quoted(AnswerNote::LimitReached)), Ok(statement)],
            (true, "fail") => vec![Ok(spent()), Err(Error::internal("a test"))],
            (true, "twice") => vec![Ok(spent()), Ok(statement), Ok(spent())],
            (true, _) => vec![Ok(statement), Ok(spent())],
        };
        stream::iter(parts).boxed()
    }
}

fn usage(input_tokens: i64, output_tokens: i64, cost_millionths: i64) -> Usage {
    Usage {
        model: "m".to_owned(),
        input_tokens,
        output_tokens,
        cost_millionths,
    }
}

fn spent() -> Part {
    Part::Spent(usage(30, 10, 400_000))
}

async fn with(settings: &[(&str, &str)]) -> Harness {
    harness_with(Arc::new(Paid), settings).await
}

impl Harness {
    async fn asks(&self, user: smartcourse_platform::grpc::Actor) -> Answer {
        self.ask(user, "What undoes a step?", None).await.unwrap()
    }

    /// Tokens and money of today, of each scope.
    async fn taken(&self) -> Vec<(String, i64, i64, i64)> {
        let query = "select scope, id, tokens, cost_millionths from assistant.spending order by scope, id";
        sqlx::query_as(query).fetch_all(&self.pool).await.unwrap()
    }
}

fn is_limited(answer: &Answer) -> bool {
    let is_noted = answer
        .note
        .is_some_and(|note| note == i32::from(AnswerNote::LimitReached));
    assert_eq!(
        answer.engine.as_deref(),
        Some(if is_noted { "extractive" } else { "paid" })
    );
    assert_eq!(answer.citations.len(), 1, "it is answered all the same");
    is_noted
}

#[tokio::test]
async fn what_an_answer_took_is_counted_and_told() {
    let harness = with(&[]).await;
    let answer = harness.ask(ANN, "twice", None).await.unwrap();
    assert!(!is_limited(&answer));
    let row = |scope: &str, id| (scope.to_owned(), id, 80, 800_000);
    assert_eq!(
        harness.taken().await,
        [row("all", 0), row("course", 7), row("user", 10)]
    );
    let told: Value = events(&harness.pool, "assistant.answered").await.unwrap()[0]["usage"].clone();
    assert_eq!(
        told,
        json!({"model": "m", "input_tokens": 60, "output_tokens": 20, "cost_millionths": 800_000})
    );
}

#[tokio::test]
async fn at_a_limit_the_course_is_quoted() {
    for (setting, limit, others_too) in [
        ("USER_TOKENS_PER_DAY", "150", false),
        ("USER_COST_PER_DAY", "1.5", false),
        ("COURSE_TOKENS_PER_DAY", "150", true),
        ("COURSE_COST_PER_DAY", "1.5", true),
        ("TOKENS_PER_DAY", "150", true),
        ("COST_PER_DAY", "1.5", true),
    ] {
        let harness = with(&[("USER_TOKENS_PER_DAY", "0"), (setting, limit)]).await;
        // 40 are taken of the first, 80 of the second, and with the 100 a third may take it would be more than 150.
        let limited = [
            is_limited(&harness.asks(ANN).await),
            is_limited(&harness.asks(ANN).await),
            is_limited(&harness.asks(ANN).await),
            is_limited(&harness.asks(BO).await),
        ];
        assert_eq!(limited, [false, false, true, others_too], "{setting}");
        let told = events(&harness.pool, "assistant.answered").await.unwrap();
        assert_eq!(told[2]["usage"], Value::Null, "{setting}");
    }
}

#[tokio::test]
async fn those_who_ask_at_once_stay_below_a_limit() {
    let harness = with(&[("COURSE_TOKENS_PER_DAY", "250")]).await;
    let asked = join_all((0..12).map(|_| harness.asks(ANN))).await;
    let written = asked.iter().filter(|answer| !is_limited(answer)).count();
    let taken = harness.taken().await;
    assert!((2..=6).contains(&written), "{written}");
    assert!(
        taken
            .iter()
            .all(|(_, _, tokens, _)| *tokens == 40 * written as i64),
        "{taken:?}"
    );
}

#[tokio::test]
async fn what_fails_costs_what_it_took() {
    let harness = with(&[]).await;
    assert_eq!(refusal(harness.ask(ANN, "fail", None).await).code(), "internal");
    assert!(
        harness
            .taken()
            .await
            .iter()
            .all(|(_, _, tokens, _)| *tokens == 40)
    );
}

#[tokio::test]
async fn old_days_are_forgotten() {
    let harness = with(&[]).await;
    harness.asks(ANN).await;
    let older = "update assistant.spending set day = day - 40 where scope = 'user'";
    sqlx::query(older).execute(&harness.pool).await.unwrap();
    assert_eq!((harness.sweep().await, harness.taken().await.len()), (1, 2));
}
