//! When an answer is told, and what becomes of it when nobody listens any more.

use std::sync::{Arc, Mutex};

use futures::{StreamExt as _, channel::mpsc, stream::BoxStream};
use smartcourse_platform::{
    Error, Result,
    ports::answers::{Answerer, Citation, Part, Question, Statement},
};
use smartcourse_proto::assistant::{AskEvent, AskEventKind, AskRequest, Usage};
use smartcourse_tests::{events, refusal, wait_for};

use crate::{ANN, COURSE, Events, Harness, TEXT, harness_with};

/// What an answerer says, when the test lets it.
type Says = mpsc::UnboundedSender<Result<Part>>;

struct Prompted(Mutex<Option<mpsc::UnboundedReceiver<Result<Part>>>>);

impl Answerer for Prompted {
    fn name(&self) -> &str {
        "prompted"
    }

    fn most(&self, _: &Question<'_>) -> Usage {
        Usage::default()
    }

    fn answer<'a>(&'a self, _: Question<'a>) -> BoxStream<'a, Result<Part>> {
        self.0.lock().unwrap().take().unwrap().boxed()
    }
}

async fn prompted() -> (Harness, Says) {
    let (says, heard) = mpsc::unbounded();
    (
        harness_with(Arc::new(Prompted(Mutex::new(Some(heard)))), &[]).await,
        says,
    )
}

fn statement(quote: &str) -> Result<Part> {
    assert!(TEXT.contains(quote));
    Ok(Part::Statement(Statement {
        text: quote.to_owned(),
        citations: vec![Citation {
            passage: 0,
            quote: quote.to_owned(),
            score: 0.5,
        }],
    }))
}

impl Harness {
    async fn asked(&self) -> Events {
        let request = AskRequest {
            course_id: COURSE,
            question: "What undoes a step?".to_owned(),
            conversation_id: None,
        };
        self.stream(ANN, request).await.unwrap()
    }

    /// The answers of the conversation with this one, once it is kept.
    async fn kept(&self, id: &str) -> Vec<String> {
        let kept = wait_for("the turn", async || {
            let kept = self.get(ANN, id).await;
            Ok(kept.map_err(|status| status.to_string()))
        });
        let turns = kept.await.unwrap().turns.into_iter();
        turns.map(|turn| turn.answer.unwrap().answer).collect()
    }
}

/// What is told until the words so far are these.
async fn told_until(told: &mut Events, words: &str) -> Vec<AskEvent> {
    let mut events: Vec<AskEvent> = Vec::new();
    while events
        .iter()
        .map(|event| event.token.as_str())
        .collect::<String>()
        != words
    {
        events.push(told.next().await.unwrap().unwrap());
    }
    events
}

#[tokio::test]
async fn a_statement_is_told_before_the_next_one_exists() {
    let (harness, says) = prompted().await;
    let mut told = harness.asked().await;
    let first = told.next().await.unwrap().unwrap();
    assert_eq!(first.kind(), AskEventKind::Meta, "before anything is said");
    says.unbounded_send(statement("Every step has a compensation."))
        .unwrap();
    let events = told_until(&mut told, "Every step has a compensation. [1]").await;
    assert_eq!(
        events[0].citation.as_ref().unwrap().n,
        1,
        "its source before its words"
    );
    says.unbounded_send(statement("It undoes the step.")).unwrap();
    let events = told_until(&mut told, "\nIt undoes the step. [2]").await;
    assert_eq!(events[0].citation.as_ref().unwrap().n, 2);
    drop(says);
    let done = told.next().await.unwrap().unwrap();
    let answer = done.answer.clone().unwrap();
    assert_eq!(done.kind(), AskEventKind::Done);
    assert_eq!(
        answer.answer,
        "Every step has a compensation. [1]\nIt undoes the step. [2]"
    );
    assert!(told.next().await.is_none());
    assert_eq!(harness.kept(&answer.conversation_id).await, [answer.answer]);
}

#[tokio::test]
async fn what_nobody_listens_to_any_more_is_finished_and_kept_once() {
    let (harness, says) = prompted().await;
    let mut told = harness.asked().await;
    let meta = told.next().await.unwrap().unwrap();
    says.unbounded_send(statement("Every step has a compensation."))
        .unwrap();
    told_until(&mut told, "Every ").await;
    drop(told);
    says.unbounded_send(statement("It undoes the step.")).unwrap();
    drop(says);
    let kept = harness.kept(&meta.answer.unwrap().conversation_id).await;
    assert_eq!(
        kept,
        ["Every step has a compensation. [1]\nIt undoes the step. [2]"]
    );
    let announced = events(&harness.pool, "assistant.answered").await.unwrap();
    assert_eq!(announced.len(), 1);
}

#[tokio::test]
async fn what_breaks_off_is_no_turn() {
    let (harness, says) = prompted().await;
    let mut told = harness.asked().await;
    says.unbounded_send(statement("Every step has a compensation."))
        .unwrap();
    let meta = told_until(&mut told, "Every ").await.swap_remove(0);
    says.unbounded_send(Err(Error::internal("a test"))).unwrap();
    let last = told.collect::<Vec<_>>().await.pop().unwrap();
    assert_eq!(refusal(last).code(), "internal");
    let id = meta.answer.unwrap().conversation_id;
    assert_eq!(refusal(harness.get(ANN, &id).await).code(), "not_found");
    assert!(
        events(&harness.pool, "assistant.answered")
            .await
            .unwrap()
            .is_empty()
    );
}
