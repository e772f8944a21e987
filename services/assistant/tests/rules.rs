//! The rules of questions: what is answered, from what, and whose conversations are.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::{
    future::ready,
    sync::{Arc, Mutex},
};

use futures::TryStreamExt as _;
use serde_json::json;
use smartcourse_assistant::Dependencies;
use smartcourse_platform::{
    config::Config,
    grpc::{Actor, Transport},
};
use smartcourse_proto::{
    assistant::*,
    content::{Passage, Passages, RetrieveRequest, SentenceScore},
    course::{LivePointer, LivePointers, LivePointersRequest},
    ids::UserId,
    stubs::AssistantStub,
    user::Role,
};
use smartcourse_tests::{
    Neighbours,
    engines::{answers::extractive::Extractive, documents},
    events, local, refusal,
};
use sqlx::PgPool;
use tonic::{Status, service::Routes};

const COURSE: i64 = 7;
const ANN: Actor = student(10);
const BO: Actor = student(11);

const TEXT: &str = "Every step has a compensation. It undoes the step.";

const fn student(id: i64) -> Actor {
    Actor::User {
        id: UserId(id),
        role: Role::Student,
    }
}

struct Harness {
    pool: PgPool,
    assistant: AssistantStub<Transport>,
    live: Arc<Mutex<Option<i32>>>,
    /// How well the passage fits whatever is asked.
    cosine: Arc<Mutex<f64>>,
    /// What was looked for.
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

/// With a course of one passage.
async fn harness() -> Harness {
    let pool = smartcourse_tests::migrated(&smartcourse_assistant::migrator())
        .await
        .unwrap();
    let config = Config::load(&[], None, &[]).unwrap();
    let (live, cosine) = (Arc::new(Mutex::new(Some(2))), Arc::new(Mutex::new(0.9)));
    let asked = Arc::<Mutex<Vec<(String, String)>>>::default();
    let (pointer, fits, heard) = (Arc::clone(&live), Arc::clone(&cosine), Arc::clone(&asked));
    let next_door = Neighbours::default()
        .answer(
            "smartcourse.course.CourseService/GetLivePointers",
            move |_: LivePointersRequest| {
                let live = pointer.lock().unwrap().map(|version| LivePointer {
                    course_id: COURSE,
                    version,
                    ..LivePointer::default()
                });
                ready(Ok(LivePointers {
                    items: live.into_iter().collect(),
                }))
            },
        )
        .answer(
            "smartcourse.content.ContentService/Retrieve",
            move |request: RetrieveRequest| {
                heard.lock().unwrap().push((request.before, request.question));
                ready(Ok(passages(request.version, *fits.lock().unwrap())))
            },
        );
    let deps = Dependencies {
        documents: Arc::new(documents::postgres::Postgres::new(pool.clone())),
        answerer: Arc::new(Extractive),
        course: next_door.transport(&config),
        content: next_door.transport(&config),
    };
    let service = smartcourse_assistant::service(&config, pool.clone(), deps).unwrap();
    let assistant = AssistantStub::new(local(&config, Routes::new(service).into_axum_router()));
    Harness {
        pool,
        assistant,
        live,
        cosine,
        asked,
    }
}

/// One passage of two sentences, of which the first fits.
fn passages(version: i32, cosine: f64) -> Passages {
    let end = TEXT.find(" It").unwrap();
    let sentence = |start: usize, end: usize, cosine: f64| SentenceScore {
        start: start as u32,
        end: end as u32,
        cosine,
        ..SentenceScore::default()
    };
    Passages {
        items: vec![Passage {
            lesson_id: "l1".to_owned(),
            lesson_title: "Sagas".to_owned(),
            module_title: "One".to_owned(),
            version,
            page: Some(3),
            text: TEXT.to_owned(),
            score: 1.0,
            sentences: vec![sentence(0, end, cosine), sentence(end + 1, TEXT.len(), 0.1)],
            ..Passage::default()
        }],
        model: "m".to_owned(),
        refuse_below: 0.5,
        answers: None,
    }
}

impl Harness {
    async fn events_of(&self, actor: Actor, request: AskRequest) -> Result<Vec<AskEvent>, Status> {
        self.assistant
            .ask(actor.request(request))
            .await?
            .try_collect()
            .await
    }

    /// The whole answer, the last of its events.
    /// The conversation that a question begins.
    async fn begun(&self, user: Actor, question: &str) -> String {
        self.ask(user, question, None).await.unwrap().conversation_id
    }

    async fn ask(&self, actor: Actor, question: &str, conversation: Option<&str>) -> Result<Answer, Status> {
        let request = AskRequest {
            course_id: COURSE,
            question: question.to_owned(),
            conversation_id: conversation.map(str::to_owned),
        };
        let mut events = self.events_of(actor, request).await?;
        Ok(events.pop().unwrap().answer.unwrap())
    }

    async fn get(&self, actor: Actor, id: &str) -> Result<Conversation, Status> {
        let request = ConversationRef { id: id.to_owned() };
        self.assistant.get_conversation(actor.request(request)).await
    }

    async fn delete(&self, actor: Actor, id: &str) -> Result<(), Status> {
        let request = ConversationRef { id: id.to_owned() };
        self.assistant.delete_conversation(actor.request(request)).await
    }

    async fn documents(&self) -> i64 {
        let count = "select count(*) from platform.documents";
        sqlx::query_scalar(count).fetch_one(&self.pool).await.unwrap()
    }

    async fn sweep(&self) -> u64 {
        let swept = self.assistant.sweep(Actor::Service.request(())).await;
        swept.unwrap().removed
    }

    async fn list(&self, actor: Actor) -> Vec<String> {
        let request = ListConversationsRequest::default();
        let page = self.assistant.list_conversations(actor.request(request)).await;
        let items = page.unwrap().items;
        assert!(items.iter().all(|conversation| conversation.turns.is_empty()));
        items.into_iter().map(|conversation| conversation.id).collect()
    }
}

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
    let events = harness.events_of(ANN, request).await.unwrap();
    let kinds: Vec<AskEventKind> = events.iter().map(AskEvent::kind).collect();
    assert_eq!(
        (kinds[0], kinds[1], kinds[2]),
        (AskEventKind::Meta, AskEventKind::Citation, AskEventKind::Citation)
    );
    let tokens: String = events.iter().map(|event| event.token.as_str()).collect();
    let answer = events.last().unwrap().answer.clone().unwrap();
    assert_eq!(answer.answer, tokens);
    assert_eq!(
        answer.answer,
        "Every step has a compensation. [1]\nIt undoes the step. [2]"
    );
    assert_eq!((answer.version, answer.refused), (2, false));
    let cited = &answer.citations[0];
    assert_eq!(
        (cited.lesson_id.as_str(), cited.page, cited.version),
        ("l1", Some(3), 2)
    );
    assert!(TEXT.contains(&cited.quote));
    let kept = harness.get(ANN, &answer.conversation_id).await.unwrap();
    assert_eq!(kept.title, "What undoes a step?");
    assert_eq!(kept.turns[0].answer.as_ref(), Some(&answer));
    let told = json!({
        "course_id": COURSE, "user_id": 10, "version": 2, "refused": false,
    });
    assert_eq!(
        self::events(&harness.pool, "assistant.answered").await.unwrap(),
        [told]
    );
}

#[tokio::test]
async fn what_the_course_does_not_answer_is_refused() {
    let harness = harness().await;
    *harness.cosine.lock().unwrap() = 0.4;
    let answer = harness.ask(ANN, "Who won the cup?", None).await.unwrap();
    assert!(answer.refused && answer.citations.is_empty());
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

#[tokio::test]
async fn conversations_are_their_users_own() {
    let harness = harness().await;
    let older = harness.begun(ANN, "What is a saga?").await;
    let newer = harness.begun(ANN, "What undoes a step?").await;
    assert_eq!(harness.list(ANN).await, [newer.clone(), older.clone()]);
    harness.ask(ANN, "and why?", Some(&older)).await.unwrap();
    assert_eq!(harness.list(ANN).await, [older.clone(), newer]);
    assert!(harness.list(BO).await.is_empty());
    assert_eq!(refusal(harness.get(BO, &older).await).code(), "not_found");
    assert_eq!(
        refusal(harness.ask(BO, "and why?", Some(&older)).await).code(),
        "not_found"
    );
    assert_eq!(refusal(harness.delete(BO, &older).await).code(), "not_found");
    // Nor does one go on about another course.
    let elsewhere = AskRequest {
        course_id: COURSE + 1,
        question: "and why?".to_owned(),
        conversation_id: Some(older.clone()),
    };
    assert_eq!(
        refusal(harness.events_of(ANN, elsewhere).await).code(),
        "not_found"
    );
    assert_eq!(harness.get(ANN, &older).await.unwrap().turns.len(), 2);
}

#[tokio::test]
async fn two_questions_at_once_are_both_kept() {
    let harness = harness().await;
    let id = harness.begun(ANN, "What is a saga?").await;
    let ask = |question: &'static str| harness.ask(ANN, question, Some(&id));
    let (one, other) = tokio::join!(ask("What undoes a step?"), ask("What has a compensation?"));
    one.and(other).unwrap();
    assert_eq!(harness.get(ANN, &id).await.unwrap().turns.len(), 3);
}

#[tokio::test]
async fn a_full_conversation_takes_no_more() {
    let harness = harness().await;
    let id = harness.begun(ANN, "What is a saga?").await;
    let fill = "update platform.documents set body = jsonb_set(body, '{turns}',
         (select jsonb_agg(turn) from (select body #> '{turns,0}' as turn from generate_series(1, $1)) turns))
         where collection = 'assistant.conversations'";
    let filled = async |turns: i32| {
        sqlx::query(fill)
            .bind(turns)
            .execute(&harness.pool)
            .await
            .unwrap();
    };
    filled(199).await;
    harness.ask(ANN, "What undoes a step?", Some(&id)).await.unwrap();
    assert_eq!(harness.get(ANN, &id).await.unwrap().turns.len(), 200);
    let full = refusal(harness.ask(ANN, "What undoes a step?", Some(&id)).await);
    assert_eq!(full.code(), "conversation_full");
}

#[tokio::test]
async fn what_is_written_after_a_conversation_was_deleted_is_swept() {
    let harness = harness().await;
    let kept = harness.begun(ANN, "What is a saga?").await;
    let id = harness.begun(ANN, "What undoes a step?").await;
    harness.delete(ANN, &id).await.unwrap();
    let late =
        "insert into platform.documents (collection, key, body) values ('assistant.conversations', $1, '{}')";
    let late = sqlx::query(late).bind(format!("10/{id}"));
    late.execute(&harness.pool).await.unwrap();
    assert_eq!(refusal(harness.get(ANN, &id).await).code(), "not_found");
    assert_eq!(harness.list(ANN).await, [kept.as_str()]);
    assert_eq!(harness.sweep().await, 0, "more may be written");
    let older = "update assistant.conversations set deleted_at = deleted_at - interval '25 hours'";
    sqlx::query(older).execute(&harness.pool).await.unwrap();
    assert_eq!((harness.sweep().await, harness.sweep().await), (1, 0));
    assert_eq!(harness.documents().await, 1);
    assert_eq!(harness.list(ANN).await, [kept]);
}

#[tokio::test]
async fn what_is_deleted_is_gone() {
    let harness = harness().await;
    let id = harness.begun(ANN, "What is a saga?").await;
    harness.delete(ANN, &id).await.unwrap();
    assert_eq!(refusal(harness.get(ANN, &id).await).code(), "not_found");
    assert_eq!(refusal(harness.delete(ANN, &id).await).code(), "not_found");
    assert_eq!(
        refusal(harness.ask(ANN, "and why?", Some(&id)).await).code(),
        "not_found"
    );
    assert!(harness.list(ANN).await.is_empty());
    assert_eq!(harness.documents().await, 0);
}
