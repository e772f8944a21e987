//! What is answered, from what.

use serde_json::json;
use smartcourse_platform::grpc::Actor;
use smartcourse_proto::assistant::{AskEvent, AskEventKind, AskRequest};
use smartcourse_tests::{events, refusal};

use crate::{ANN, COURSE, TEXT, harness};

#[tokio::test]
async fn what_is_not_published_is_not_asked_about() {
    let harness = harness().await;
    *harness.live.lock().unwrap() = None;
    let refused = refusal(harness.ask(ANN, "What is a saga?", None).await);
    assert_eq!(refused.code(), "not_published");
    assert!(harness.list(ANN).await.is_empty());
    assert!(harness.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_names_where_it_stands() {
    let harness = harness().await;
    let request = AskRequest {
        course_id: COURSE,
        question: " What undoes a step? ".to_owned(),
        conversation_id: None,
    };
    let told = harness.events_of(ANN, request).await.unwrap();
    let kinds: Vec<AskEventKind> = told.iter().map(AskEvent::kind).collect();
    assert_eq!(
        (kinds[0], kinds[1], kinds[2]),
        (AskEventKind::Meta, AskEventKind::Citation, AskEventKind::Token)
    );
    let tokens: String = told.iter().map(|event| event.token.as_str()).collect();
    let answer = told.last().unwrap().answer.clone().unwrap();
    assert_eq!(answer.answer, tokens);
    assert_eq!(
        answer.answer,
        "Every step has a compensation. [1]\nIt undoes the step. [2]"
    );
    assert_eq!((answer.version, answer.refused), (2, false));
    assert_eq!(
        (answer.engine.as_deref(), answer.note),
        (Some("extractive"), None)
    );
    let cited = &answer.citations[0];
    assert_eq!(
        (cited.lesson_id.as_str(), cited.page, cited.version),
        ("l1", Some(3), 2)
    );
    assert!(TEXT.contains(&cited.quote));
    let kept = harness.get(ANN, &answer.conversation_id).await.unwrap();
    assert_eq!(kept.title, "What undoes a step?");
    assert_eq!(kept.turns[0].answer.as_ref(), Some(&answer));
    let announced = json!({
        "course_id": COURSE, "user_id": 10, "version": 2, "refused": false, "usage": null,
    });
    assert_eq!(
        events(&harness.pool, "assistant.answered").await.unwrap(),
        [announced]
    );
}

#[tokio::test]
async fn what_the_course_does_not_answer_is_refused() {
    let harness = harness().await;
    *harness.cosine.lock().unwrap() = 0.4;
    let answer = harness.ask(ANN, "Who won the cup?", None).await.unwrap();
    assert!(answer.refused && answer.citations.is_empty() && answer.engine.is_none());
    assert_eq!(
        answer.answer,
        "The course material does not answer this question."
    );
    let told = events(&harness.pool, "assistant.answered").await.unwrap();
    assert_eq!(told[0]["refused"], true);
    // It is a turn nevertheless.
    let kept = harness.get(ANN, &answer.conversation_id).await.unwrap();
    assert_eq!(kept.turns.len(), 1);
}

#[tokio::test]
async fn a_fragment_is_looked_for_with_the_question_before_it() {
    let harness = harness().await;
    let first = harness.ask(ANN, "What undoes a step?", None).await.unwrap();
    let second = harness
        .ask(ANN, "and why?", Some(&first.conversation_id))
        .await
        .unwrap();
    assert_eq!(second.conversation_id, first.conversation_id);
    let asked = harness.asked.lock().unwrap().clone();
    let told = |(before, question): &(String, String)| format!("{before}|{question}");
    let asked: Vec<String> = asked.iter().map(told).collect();
    assert_eq!(asked, ["|What undoes a step?", "What undoes a step?|and why?"]);
    // A courtesy is answered without the course, and nothing leans on it.
    let thanks = harness
        .ask(ANN, "thanks!", Some(&first.conversation_id))
        .await
        .unwrap();
    assert!(thanks.refused && thanks.citations.is_empty() && thanks.answer.starts_with("You are welcome"));
    assert_eq!(harness.asked.lock().unwrap().len(), 2);
    let kept = harness.get(ANN, &first.conversation_id).await.unwrap();
    let questions: Vec<&str> = kept.turns.iter().map(|turn| turn.question.as_str()).collect();
    assert_eq!(questions, ["What undoes a step?", "and why?", "thanks!"]);
}

#[tokio::test]
async fn whoever_asks_has_signed_in_and_asks_something() {
    let harness = harness().await;
    for (actor, question, code) in [
        (Actor::Anonymous, "What is a saga?", "unauthenticated"),
        (ANN, " ", "validation_failed"),
    ] {
        assert_eq!(refusal(harness.ask(actor, question, None).await).code(), code);
    }
    let long = "a".repeat(2001);
    let refused = refusal(harness.ask(ANN, &long, None).await);
    assert_eq!(refused.fields()[0].field, "question");
}
