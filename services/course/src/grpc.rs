//! `smartcourse.course.CourseService`: decode, operate, encode.

use std::sync::Arc;

use smartcourse_platform::{
    grpc::{Actor, Reply, from_service, reply},
    unbroken,
};
use smartcourse_proto::{
    common::{Restarted, Swept, VersionRef},
    course::{course_service_server::CourseService, *},
};
use tonic::Request;

use crate::{State, ops};

/// The gRPC face of the service.
pub struct Api(pub(crate) Arc<State>);

#[tonic::async_trait]
impl CourseService for Api {
    async fn create_course(&self, request: Request<CreateCourseRequest>) -> Reply<Course> {
        reply(ops::courses::create(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn get_course(&self, request: Request<CourseRef>) -> Reply<Course> {
        reply(ops::read::get(&self.0, Actor::of(&request), request.into_inner().id.into()).await)
    }
    async fn get_courses(&self, request: Request<GetCoursesRequest>) -> Reply<CourseList> {
        reply(ops::read::get_many(&self.0, &from_service(request)?.ids).await)
    }
    async fn list_courses(&self, request: Request<ListCoursesRequest>) -> Reply<CoursePage> {
        reply(ops::catalogue::list(&self.0, request.into_inner()).await)
    }
    async fn update_course(&self, request: Request<UpdateCourseRequest>) -> Reply<Course> {
        let (state, actor) = (Arc::clone(&self.0), Actor::of(&request));
        // The limit of the seats is written by the enrollment service before our own commit, and the catalogue told after it.
        let update = async move { ops::courses::update(&state, actor, request.into_inner()).await };
        reply(unbroken(update).await)
    }
    async fn delete_course(&self, request: Request<DeleteCourseRequest>) -> Reply<()> {
        reply(ops::courses::delete(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn set_status(&self, request: Request<SetStatusRequest>) -> Reply<Course> {
        let (state, actor) = (Arc::clone(&self.0), Actor::of(&request));
        // The catalogue is told after the commit.
        let set = async move { ops::courses::set_status(&state, actor, request.into_inner()).await };
        reply(unbroken(set).await)
    }
    async fn get_content(&self, request: Request<GetContentRequest>) -> Reply<Content> {
        reply(ops::read::content(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn put_content(&self, request: Request<PutContentRequest>) -> Reply<Content> {
        reply(ops::drafts::put(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn add_module(&self, request: Request<AddModuleRequest>) -> Reply<Module> {
        reply(ops::drafts::add_module(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn update_module(&self, request: Request<UpdateModuleRequest>) -> Reply<Module> {
        reply(ops::drafts::update_module(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn delete_module(&self, request: Request<DeletePartRequest>) -> Reply<()> {
        reply(ops::drafts::delete_module(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn add_lesson(&self, request: Request<AddLessonRequest>) -> Reply<Lesson> {
        reply(ops::drafts::add_lesson(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn update_lesson(&self, request: Request<UpdateLessonRequest>) -> Reply<Lesson> {
        reply(ops::drafts::update_lesson(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn delete_lesson(&self, request: Request<DeletePartRequest>) -> Reply<()> {
        reply(ops::drafts::delete_lesson(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn publish(&self, request: Request<PublishRequest>) -> Reply<PublishAccepted> {
        reply(ops::publish::publish(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn get_publish(&self, request: Request<CourseRef>) -> Reply<PublishStatus> {
        reply(ops::status::get(&self.0, Actor::of(&request), request.into_inner().id.into()).await)
    }
    async fn list_publish_marks(&self, request: Request<PublishMarksRequest>) -> Reply<PublishMarks> {
        reply(ops::status::marks(&self.0, &from_service(request)?.course_ids).await)
    }
    async fn cancel_publish(&self, request: Request<CourseRef>) -> Reply<PublishStatus> {
        reply(ops::cancel::cancel(&self.0, Actor::of(&request), request.into_inner().id.into()).await)
    }
    async fn list_versions(&self, request: Request<CourseRef>) -> Reply<VersionList> {
        reply(ops::versions::list(&self.0, Actor::of(&request), request.into_inner().id.into()).await)
    }
    async fn restore(&self, request: Request<RestoreRequest>) -> Reply<PublishAccepted> {
        reply(ops::publish::restore(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn get_live_pointers(&self, request: Request<LivePointersRequest>) -> Reply<LivePointers> {
        reply(ops::read::live_pointers(&self.0, request.into_inner()).await)
    }
    async fn get_manifest(&self, request: Request<ManifestRequest>) -> Reply<Manifest> {
        reply(ops::read::manifest(&self.0, from_service(request)?).await)
    }

    async fn begin_attempt(&self, request: Request<BeginAttemptRequest>) -> Reply<Attempt> {
        reply(ops::attempts::begin(&self.0, from_service(request)?).await)
    }
    async fn report_step(&self, request: Request<ReportStepRequest>) -> Reply<()> {
        reply(ops::attempts::report(&self.0, from_service(request)?).await)
    }
    async fn validate_course(&self, request: Request<VersionRef>) -> Reply<()> {
        reply(ops::attempts::validate(&self.0, from_service(request)?).await)
    }
    async fn save_content(&self, request: Request<VersionRef>) -> Reply<()> {
        let (state, request) = (Arc::clone(&self.0), from_service(request)?);
        // Finished even when the caller is cancelled: a document written half way through would have no transaction.
        reply(unbroken(async move { ops::attempts::save_content(&state, request).await }).await)
    }
    async fn mark_published(&self, request: Request<MarkPublishedRequest>) -> Reply<()> {
        let (state, request) = (Arc::clone(&self.0), from_service(request)?);
        // The catalogue is told after the commit.
        reply(unbroken(async move { ops::flip::mark_published(&state, request).await }).await)
    }
    async fn abort_version(&self, request: Request<VersionRef>) -> Reply<AbortReply> {
        reply(ops::flip::abort(&self.0, from_service(request)?).await)
    }
    async fn delete_version(&self, request: Request<VersionRef>) -> Reply<()> {
        reply(ops::attempts::delete_version(&self.0, from_service(request)?).await)
    }
    async fn finish_attempt(&self, request: Request<FinishAttemptRequest>) -> Reply<()> {
        reply(ops::attempts::finish(&self.0, from_service(request)?).await)
    }
    async fn sweep(&self, request: Request<()>) -> Reply<Swept> {
        from_service(request)?;
        reply(ops::sweep::sweep(&self.0).await)
    }
    async fn report_worker(&self, request: Request<ReportWorkerRequest>) -> Reply<()> {
        reply(ops::workers::report(&self.0, from_service(request)?).await)
    }
    async fn get_workers(&self, request: Request<()>) -> Reply<Workers> {
        from_service(request)?;
        reply(ops::workers::any(&self.0).await.map(|living| Workers { living }))
    }
    async fn list_open_attempts(&self, request: Request<ListOpenAttemptsRequest>) -> Reply<OpenAttempts> {
        reply(ops::reconcile::open_attempts(&self.0, from_service(request)?).await)
    }
    async fn restart_attempt(&self, request: Request<RestartAttemptRequest>) -> Reply<Restarted> {
        reply(ops::reconcile::restart(&self.0, from_service(request)?).await)
    }
}
