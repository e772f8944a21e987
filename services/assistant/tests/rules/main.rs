//! The rules of questions: what is answered, from what, and whose conversations are; and where a draft that is made stands.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod asking;
mod conversations;
mod generating;
mod questions;
mod spending;
mod streaming;

use std::{
    future::ready,
    sync::{Arc, Mutex},
};

use futures::{TryStreamExt as _, stream::BoxStream};
use smartcourse_assistant::Dependencies;
use smartcourse_platform::{
    config::Config,
    grpc::{Actor, Transport},
    ports::answers::Answerer,
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
    local, no_temporal,
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

/// The events of an answer, as they come.
type Events = BoxStream<'static, Result<AskEvent, Status>>;

struct Harness {
    pool: PgPool,
    assistant: AssistantStub<Transport>,
    /// Another process of it.
    another: AssistantStub<Transport>,
    live: Arc<Mutex<Option<i32>>>,
    /// How well the passage fits whatever is asked.
    cosine: Arc<Mutex<f64>>,
    /// What was looked for.
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

/// With a course of one passage, which is quoted.
async fn harness() -> Harness {
    harness_with(Arc::new(Extractive), &[]).await
}

async fn harness_with(answerer: Arc<dyn Answerer>, settings: &[(&str, &str)]) -> Harness {
    let pool = smartcourse_tests::migrated(&smartcourse_assistant::migrator())
        .await
        .unwrap();
    let settings = settings
        .iter()
        .map(|(name, value)| (format!("SMARTCOURSE_ASSISTANT__{name}"), (*value).to_owned()));
    let settings: Vec<_> = settings.collect();
    let config = Config::load(&[smartcourse_assistant::config::CONFIG], None, &settings).unwrap();
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
    let process = || {
        let deps = Dependencies {
            documents: Arc::new(documents::postgres::Postgres::new(pool.clone())),
            answerer: Arc::clone(&answerer),
            workflows: no_temporal().unwrap(),
            course: next_door.transport(&config),
            content: next_door.transport(&config),
        };
        let service = smartcourse_assistant::service(&config, pool.clone(), deps).unwrap();
        AssistantStub::new(local(&config, Routes::new(service).into_axum_router()))
    };
    let (assistant, another) = (process(), process());
    Harness {
        pool,
        assistant,
        another,
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
        language: "en".to_owned(),
        ..Passages::default()
    }
}

impl Harness {
    async fn stream(&self, actor: Actor, request: AskRequest) -> Result<Events, Status> {
        Ok(Box::pin(self.assistant.ask(actor.request(request)).await?))
    }

    async fn events_of(&self, actor: Actor, request: AskRequest) -> Result<Vec<AskEvent>, Status> {
        self.stream(actor, request).await?.try_collect().await
    }

    /// The conversation that a question begins.
    async fn begun(&self, user: Actor, question: &str) -> String {
        self.ask(user, question, None).await.unwrap().conversation_id
    }

    /// The whole answer, the last of its events.
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
        self.search(actor, "").await
    }

    /// The conversations that have these words.
    async fn search(&self, actor: Actor, q: &str) -> Vec<String> {
        let request = ListConversationsRequest {
            q: q.to_owned(),
            ..ListConversationsRequest::default()
        };
        let page = self.assistant.list_conversations(actor.request(request)).await;
        let items = page.unwrap().items;
        assert!(items.iter().all(|conversation| conversation.turns.is_empty()));
        items.into_iter().map(|conversation| conversation.id).collect()
    }
}
