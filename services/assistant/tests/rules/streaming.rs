//! When an answer is told, and what becomes of it when nobody listens any more.

use std::sync::{Arc, Mutex};

use futures::{StreamExt as _, TryStreamExt as _, channel::mpsc, stream::BoxStream};
use smartcourse_platform::{
    Error,
    grpc::{Actor, Transport},
    ports::answers::{Answerer, Citation, Part, Question, Statement},
};
use smartcourse_proto::{
    assistant::{AskEvent, AskEventKind, AskRequest, TurnRef, Usage},
    stubs::AssistantStub,
};
use smartcourse_tests::{events, refusal, wait_for};
use tonic::Status;

use crate::{ANN, BO, COURSE, Events, Harness, TEXT, harness_with};

/// What an answerer says, when the test lets it.
type Says = mpsc::UnboundedSender<Result<Part, Error>>;

struct Prompted(Mutex<Option<mpsc::UnboundedReceiver<Result<Part, Error>>>>);

impl Answerer for Prompted {
    fn name(&self) -> &str {
        "prompted"
    }

    fn most(&self, _: &Question<'_>) -> Usage {
        Usage::default()
    }

    fn answer<'a>(&'a self, _: Question<'a>) -> BoxStream<'a, Result<Part, Error>> {
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

fn statement(quote: &str) -> Result<Part, Error> {
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

impl Harness {
    /// The events of a turn after so many of them.
    async fn followed(&self, user: Actor, id: &str, n: i32, after: i64) -> Result<Vec<AskEvent>, Status> {
        follow(&self.assistant, user, id, n, after)
            .await?
            .try_collect()
            .await
    }
}

async fn follow(
    assistant: &AssistantStub<Transport>,
    user: Actor,
    id: &str,
    n: i32,
    after: i64,
) -> Result<Events, Status> {
    let turn = TurnRef {
        conversation_id: id.to_owned(),
        n,
        after,
    };
    Ok(Box::pin(assistant.follow_turn(user.request(turn)).await?))
}

#[tokio::test]
async fn who_lost_the_connection_goes_on_where_it_broke() {
    let (harness, says) = prompted().await;
    goes_on_where_it_broke(&harness, &harness.assistant, says).await;
}

#[tokio::test]
async fn who_comes_back_to_another_process_goes_on_there() {
    let (harness, says) = prompted().await;
    goes_on_where_it_broke(&harness, &harness.another, says).await;
    wait_for("nothing to be under way", async || {
        let left = sqlx::query_scalar::<_, i64>("select count(*) from assistant.under_way");
        let left = left.fetch_one(&harness.pool).await?;
        Ok(if left == 0 {
            Ok(())
        } else {
            Err(format!("{left} answers"))
        })
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn who_follows_what_breaks_off_is_told() {
    for is_there in [true, false] {
        let (harness, says) = prompted().await;
        let mut told = harness.asked().await;
        says.unbounded_send(statement("Every step has a compensation."))
            .unwrap();
        let heard = told_until(&mut told, "Every step has a compensation. [1]").await;
        let (id, n) = (heard[0].answer.clone().unwrap().conversation_id, heard[0].turn);
        let there = if is_there {
            &harness.assistant
        } else {
            &harness.another
        };
        let mut followed = follow(there, ANN, &id, n, 0).await.unwrap();
        told_until(&mut followed, "Every step has a compensation. [1]").await;
        says.unbounded_send(Err(Error::internal("a test"))).unwrap();
        let last = followed.next().await.unwrap();
        assert_eq!(refusal(last).code(), "unavailable", "not that all has arrived");
    }
}

#[tokio::test]
async fn what_a_process_told_that_is_gone_is_not_followed() {
    let harness = crate::harness().await;
    sqlx::query(
        "insert into assistant.under_way (user_id, conversation_id, turn, events, told_at)
         values (10, 'c-1', 1, '[]', now() - interval '1 minute')",
    )
    .execute(&harness.pool)
    .await
    .unwrap();
    assert_eq!(
        refusal(harness.followed(ANN, "c-1", 1, 0).await).code(),
        "not_found"
    );
}

async fn goes_on_where_it_broke(harness: &Harness, there: &AssistantStub<Transport>, says: Says) {
    let mut told = harness.asked().await;
    says.unbounded_send(statement("Every step has a compensation."))
        .unwrap();
    let mut heard = told_until(&mut told, "Every ").await;
    drop(told);
    let (id, n) = (heard[0].answer.clone().unwrap().conversation_id, heard[0].turn);
    let after = heard.last().unwrap().n;
    assert_eq!((n, after), (1, heard.len() as i64), "events are counted");
    let mut rest = follow(there, ANN, &id, n, after).await.unwrap();
    let others = follow(there, BO, &id, n, 0).await.unwrap().next().await.unwrap();
    assert_eq!(refusal(others).code(), "not_found");
    heard.push(rest.next().await.unwrap().unwrap());
    // What comes about meanwhile is heard, too.
    says.unbounded_send(statement("It undoes the step.")).unwrap();
    drop(says);
    heard.extend(rest.try_collect::<Vec<_>>().await.unwrap());
    assert_eq!(heard.last().unwrap().kind(), AskEventKind::Done);
    harness.kept(&id).await;
    for after in 0..=heard.len() {
        let again = harness.followed(ANN, &id, n, after as i64).await.unwrap();
        assert_eq!(again, heard[after..], "kept, it has the same events");
    }
    for (user, id, n) in [
        (BO, id.as_str(), n),
        (ANN, id.as_str(), n + 1),
        (ANN, "c-1", n),
        (ANN, id.as_str(), 0),
    ] {
        assert_eq!(
            refusal(harness.followed(user, id, n, 0).await).code(),
            "not_found"
        );
    }
}

#[tokio::test]
async fn turns_asked_at_once_have_numbers_of_their_own() {
    let harness = crate::harness().await;
    let id = harness.begun(ANN, "What is a saga?").await;
    let ask = |question: &'static str| harness.ask(ANN, question, Some(&id));
    let (one, other) = tokio::join!(ask("What undoes a step?"), ask("What has a compensation?"));
    one.and(other).unwrap();
    let turns = harness.get(ANN, &id).await.unwrap().turns;
    let mut numbers: Vec<i32> = turns.iter().map(|turn| turn.n).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3]);
    for turn in turns {
        let events = harness.followed(ANN, &id, turn.n, 0).await.unwrap();
        assert_eq!(events.last().unwrap().answer, turn.answer);
    }
}

#[tokio::test]
async fn a_turn_of_an_earlier_version_is_followed_by_its_place() {
    let harness = crate::harness().await;
    let id = harness.begun(ANN, "What is a saga?").await;
    let forget = "update platform.documents set body = jsonb_set(body, '{turns,0}', (body #> '{turns,0}') - 'n' - 'statements')";
    sqlx::query(forget).execute(&harness.pool).await.unwrap();
    sqlx::query("update assistant.conversations set begun = null")
        .execute(&harness.pool)
        .await
        .unwrap();
    let next = harness.ask(ANN, "What undoes a step?", Some(&id)).await.unwrap();
    let turns = harness.get(ANN, &id).await.unwrap().turns;
    assert_eq!(turns.iter().map(|turn| turn.n).collect::<Vec<_>>(), [0, 2]);
    for (n, answer) in [(1, turns[0].answer.clone().unwrap()), (2, next)] {
        let events = harness.followed(ANN, &id, n, 0).await.unwrap();
        let words: String = events.iter().map(|event| event.token.as_str()).collect();
        assert_eq!(words, answer.answer);
        let cited: Vec<_> = events.iter().filter_map(|event| event.citation.clone()).collect();
        assert_eq!(cited, answer.citations);
    }
}
