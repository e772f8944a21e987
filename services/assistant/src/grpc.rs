//! `smartcourse.assistant.AssistantService`: decode, operate, encode.

use std::sync::Arc;

use futures::{FutureExt as _, StreamExt as _, future, stream::BoxStream};
use smartcourse_platform::{
    grpc::{Actor, Reply, from_service, reply},
    unbroken,
};
use smartcourse_proto::{
    assistant::{assistant_service_server::AssistantService, *},
    common::{Restarted, Swept},
    course::{Lesson, ReportStepRequest},
};
use tonic::{Request, Status};
use tracing::Instrument as _;

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
            let events = told.follow();
            let show = ops::elsewhere::show(self.0.pool.clone(), user, id, turn, told.follow());
            tokio::spawn(show.in_current_span());
            // From here on the turn is finished and kept, whoever hangs up.
            let end = unbroken(ops::ask::finish(Arc::clone(&self.0), asked, told));
            let failed = end.map(|end| end.err().map(|error| Err(error.into())));
            let failed = failed.into_stream().filter_map(future::ready);
            events.map(Ok).chain(failed).boxed()
        }))
    }
    type FollowTurnStream = BoxStream<'static, Result<AskEvent, Status>>;

    async fn follow_turn(&self, request: Request<TurnRef>) -> Reply<Self::FollowTurnStream> {
        let actor = Actor::of(&request);
        reply(ops::follow::follow(&self.0, actor, request.into_inner()))
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
    async fn generate(&self, request: Request<GenerateRequest>) -> Reply<GenerationAccepted> {
        reply(ops::generations::generate(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn get_generation(&self, request: Request<GenerationRef>) -> Reply<Generation> {
        reply(ops::generations::get(&self.0, request.into_inner()).await)
    }
    async fn cancel_generation(&self, request: Request<GenerationRef>) -> Reply<Generation> {
        reply(ops::generations::cancel(&self.0, request.into_inner()).await)
    }
    async fn take_draft(&self, request: Request<TakeDraftRequest>) -> Reply<Lesson> {
        reply(ops::generations::take(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn begin_generation(&self, request: Request<BeginGenerationRequest>) -> Reply<()> {
        reply(ops::generations::begin(&self.0, from_service(request)?).await)
    }
    async fn plan_generation(&self, request: Request<GenerationRef>) -> Reply<GenerationPlan> {
        reply(ops::generations::plan(&self.0, from_service(request)?).await)
    }
    async fn draft_lesson(&self, request: Request<DraftLessonRequest>) -> Reply<()> {
        reply(ops::generations::draft_lesson(&self.0, from_service(request)?).await)
    }
    async fn complete_generation(&self, request: Request<GenerationRef>) -> Reply<()> {
        reply(ops::generations::complete(&self.0, from_service(request)?).await)
    }
    async fn finish_generation(&self, request: Request<FinishGenerationRequest>) -> Reply<()> {
        reply(ops::generations::finish(&self.0, from_service(request)?).await)
    }
    async fn report_generation(&self, request: Request<ReportStepRequest>) -> Reply<()> {
        reply(ops::generations::report(&self.0, from_service(request)?).await)
    }
    async fn list_open_generations(
        &self,
        request: Request<ListOpenGenerationsRequest>,
    ) -> Reply<OpenGenerations> {
        reply(ops::generations::open(&self.0, from_service(request)?).await)
    }
    async fn restart_generation(&self, request: Request<RestartGenerationRequest>) -> Reply<Restarted> {
        reply(ops::generations::restart(&self.0, from_service(request)?).await)
    }
    async fn sweep(&self, request: Request<()>) -> Reply<Swept> {
        from_service(request)?;
        reply(ops::sweep::sweep(&self.0).await)
    }
}
