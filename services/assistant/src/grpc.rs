//! `smartcourse.assistant.AssistantService`: decode, operate, encode.

use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt as _};
use smartcourse_platform::{
    grpc::{Actor, Reply, from_service, reply},
    unbroken,
};
use smartcourse_proto::{
    assistant::{assistant_service_server::AssistantService, *},
    common::Swept,
};
use tonic::{Request, Status};

use crate::{State, ops};

/// The gRPC face of the service.
pub struct Api(pub(crate) Arc<State>);

/// The events of an answer: what it is about, its sources, its words, the whole.
fn events(answer: Answer) -> Vec<AskEvent> {
    let meta = Answer {
        answer: String::new(),
        citations: Vec::new(),
        ..answer.clone()
    };
    let event = |kind: AskEventKind| AskEvent {
        kind: kind.into(),
        ..AskEvent::default()
    };
    let mut events = vec![AskEvent {
        answer: Some(meta),
        ..event(AskEventKind::Meta)
    }];
    events.extend(answer.citations.iter().map(|citation| AskEvent {
        citation: Some(citation.clone()),
        ..event(AskEventKind::Citation)
    }));
    let words = answer.answer.split_inclusive(char::is_whitespace);
    events.extend(words.map(|word| AskEvent {
        token: word.to_owned(),
        ..event(AskEventKind::Token)
    }));
    events.push(AskEvent {
        answer: Some(answer),
        ..event(AskEventKind::Done)
    });
    events
}

#[tonic::async_trait]
impl AssistantService for Api {
    type AskStream = BoxStream<'static, Result<AskEvent, Status>>;

    async fn ask(&self, request: Request<AskRequest>) -> Reply<Self::AskStream> {
        // The turn is kept before the first word is sent: a reader who drops off finds it in the conversation.
        let answer = ops::ask::ask(&self.0, Actor::of(&request), request.into_inner()).await;
        reply(answer.map(|answer| stream::iter(events(answer).into_iter().map(Ok)).boxed()))
    }
    async fn list_conversations(
        &self,
        request: Request<ListConversationsRequest>,
    ) -> Reply<ConversationPage> {
        reply(ops::conversations::list(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn get_conversation(&self, request: Request<ConversationRef>) -> Reply<Conversation> {
        reply(ops::conversations::get(&self.0, Actor::of(&request), &request.into_inner().id).await)
    }
    async fn delete_conversation(&self, request: Request<ConversationRef>) -> Reply<()> {
        let (state, actor) = (Arc::clone(&self.0), Actor::of(&request));
        let id = request.into_inner().id;
        reply(unbroken(async move { ops::conversations::delete(&state, actor, &id).await }).await)
    }
    async fn sweep(&self, request: Request<()>) -> Reply<Swept> {
        from_service(request)?;
        reply(ops::sweep::sweep(&self.0).await)
    }
}
