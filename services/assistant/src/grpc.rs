//! `smartcourse.assistant.AssistantService`: decode, operate, encode.

use std::sync::Arc;

use futures::{
    FutureExt as _, StreamExt as _, future,
    stream::{self, BoxStream},
};
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

#[tonic::async_trait]
impl AssistantService for Api {
    type AskStream = BoxStream<'static, Result<AskEvent, Status>>;

    async fn ask(&self, request: Request<AskRequest>) -> Reply<Self::AskStream> {
        let asked = ops::ask::begin(&self.0, Actor::of(&request), request.into_inner()).await;
        reply(asked.map(|asked| {
            let (user, id, turn) = (asked.user, asked.conversation.id.clone(), asked.turn);
            let told = self.0.under_way.begin(user, &id, turn);
            let events = self.0.under_way.follow(user, &id, turn, 0);
            // From here on the turn is finished and kept, whoever hangs up.
            let end = unbroken(ops::ask::finish(Arc::clone(&self.0), asked, told));
            let failed = end.map(|end| end.err().map(|error| Err(error.into())));
            let failed = failed.into_stream().filter_map(future::ready);
            let events = stream::iter(events).flatten();
            events.map(Ok).chain(failed).boxed()
        }))
    }
    type FollowTurnStream = BoxStream<'static, Result<AskEvent, Status>>;

    async fn follow_turn(&self, request: Request<TurnRef>) -> Reply<Self::FollowTurnStream> {
        let actor = Actor::of(&request);
        reply(ops::follow::follow(&self.0, actor, request.into_inner()).await)
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
    async fn list_questions(&self, request: Request<ListQuestionsRequest>) -> Reply<QuestionPage> {
        reply(ops::questions::list(&self.0, request.into_inner()).await)
    }
    async fn sweep(&self, request: Request<()>) -> Reply<Swept> {
        from_service(request)?;
        reply(ops::sweep::sweep(&self.0).await)
    }
}
