//! `smartcourse.content.ContentService`: decode, operate, encode.

use std::sync::Arc;

use futures::stream::BoxStream;
use smartcourse_platform::grpc::{Actor, Reply, from_service, reply};
use smartcourse_proto::{
    common::{Swept, VersionRef},
    content::{content_service_server::ContentService, *},
};
use tonic::{Request, Status, Streaming};

use crate::{
    State,
    ops::{
        self,
        discard::{Part, discard},
    },
};

/// The gRPC face of the service.
pub struct Api(pub(crate) Arc<State>);

#[tonic::async_trait]
impl ContentService for Api {
    type ReadAssetStream = BoxStream<'static, Result<AssetPart, Status>>;
    type EmbedLessonStream = BoxStream<'static, Result<EmbedProgress, Status>>;

    async fn upload_asset(&self, request: Request<Streaming<AssetPart>>) -> Reply<Asset> {
        reply(ops::upload::upload(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn get_asset(&self, request: Request<GetAssetRequest>) -> Reply<Asset> {
        reply(ops::assets::get(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn read_asset(&self, request: Request<ReadAssetRequest>) -> Reply<Self::ReadAssetStream> {
        reply(ops::assets::read(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn begin_upload(&self, request: Request<BeginUploadRequest>) -> Reply<Upload> {
        reply(ops::part_uploads::begin(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn get_upload(&self, request: Request<UploadRef>) -> Reply<Upload> {
        reply(ops::part_uploads::get(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn send_part(&self, request: Request<Streaming<AssetPart>>) -> Reply<()> {
        reply(ops::part_uploads::send(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn complete_upload(&self, request: Request<UploadRef>) -> Reply<Asset> {
        let (state, actor) = (Arc::clone(&self.0), Actor::of(&request));
        reply(ops::complete_upload::complete(state, actor, request.into_inner()).await)
    }
    async fn delete_upload(&self, request: Request<UploadRef>) -> Reply<()> {
        reply(ops::part_uploads::delete(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn preview_publish(&self, request: Request<PreviewRequest>) -> Reply<Preview> {
        let (actor, course_id) = (Actor::of(&request), request.into_inner().course_id);
        reply(ops::preview::preview(&self.0, actor, course_id.into()).await)
    }
    async fn search(&self, request: Request<SearchRequest>) -> Reply<SearchPage> {
        reply(ops::search::search(&self.0, request.into_inner()).await)
    }
    async fn list_candidates(&self, request: Request<CandidatesRequest>) -> Reply<Candidates> {
        reply(ops::search::candidates(&self.0, from_service(request)?).await)
    }
    async fn retrieve(&self, request: Request<RetrieveRequest>) -> Reply<Passages> {
        reply(ops::retrieve::retrieve(&self.0, request.into_inner()).await)
    }
    async fn list_readable_lessons(&self, request: Request<VersionRef>) -> Reply<ReadableLessons> {
        reply(ops::readable::lessons(&self.0, from_service(request)?.into()).await)
    }
    async fn read_lesson(&self, request: Request<ReadLessonRequest>) -> Reply<Passages> {
        reply(ops::readable::read(&self.0, from_service(request)?).await)
    }
    async fn get_lesson_transcript(
        &self,
        request: Request<LessonTranscriptRequest>,
    ) -> Reply<LessonTranscript> {
        reply(ops::transcript::get(&self.0, Actor::of(&request), request.into_inner()).await)
    }

    async fn check_assets(&self, request: Request<VersionRef>) -> Reply<()> {
        reply(ops::copy_assets::check(&self.0, from_service(request)?.into()).await)
    }
    async fn upload_assets(&self, request: Request<VersionRef>) -> Reply<CopiedAssets> {
        reply(ops::copy_assets::copy_all(&self.0, from_service(request)?.into()).await)
    }
    async fn plan_extraction(&self, request: Request<PlanRequest>) -> Reply<LessonPlan> {
        reply(ops::plan_extraction::plan(&self.0, from_service(request)?).await)
    }
    async fn extract_lesson(&self, request: Request<LessonRef>) -> Reply<ExtractReply> {
        reply(ops::extract::extract(&self.0, from_service(request)?).await)
    }
    async fn plan_embedding(&self, request: Request<PlanRequest>) -> Reply<LessonPlan> {
        reply(ops::embed::plan(&self.0, from_service(request)?).await)
    }
    async fn embed_lesson(&self, request: Request<LessonRef>) -> Reply<Self::EmbedLessonStream> {
        let lesson = from_service(request)?;
        reply(Ok(ops::embed::lesson(Arc::clone(&self.0), lesson)))
    }
    async fn mark_ai_ready(&self, request: Request<VersionRef>) -> Reply<Readiness> {
        reply(ops::ready::mark(&self.0, from_service(request)?.into()).await)
    }
    async fn index_course(&self, request: Request<VersionRef>) -> Reply<IndexReply> {
        reply(ops::ready::index(&self.0, from_service(request)?.into()).await)
    }
    async fn sweep(&self, request: Request<()>) -> Reply<Swept> {
        from_service(request)?;
        reply(ops::sweep::sweep(&self.0).await)
    }
    async fn discard_files(&self, request: Request<VersionRef>) -> Reply<()> {
        reply(discard(&self.0, from_service(request)?.into(), Part::Files).await)
    }
    async fn discard_chunks(&self, request: Request<VersionRef>) -> Reply<()> {
        reply(discard(&self.0, from_service(request)?.into(), Part::Chunks).await)
    }
    async fn discard_vectors(&self, request: Request<VersionRef>) -> Reply<()> {
        reply(discard(&self.0, from_service(request)?.into(), Part::Vectors).await)
    }
    async fn discard_index(&self, request: Request<VersionRef>) -> Reply<()> {
        reply(discard(&self.0, from_service(request)?.into(), Part::Index).await)
    }
}
