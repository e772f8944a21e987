//! The course service on a real PostgreSQL; next door there is somebody who keeps the limits of seats, and no Temporal.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use smartcourse_course::{Dependencies, config::CONFIG};
use smartcourse_platform::{
    Error, Result,
    config::Config,
    error::codes,
    grpc::{Actor, Transport},
    ports::workflows::{ListedRun, RunInfo, RunState, Schedule, Start, Workflows},
};
use smartcourse_proto::{
    common::{Problem, VersionRef},
    course::*,
    enrollment::SetSeatLimitRequest,
    ids::UserId,
    stubs::CourseStub,
    user::Role,
};
use smartcourse_tests::{Neighbours, engines::documents, local};
use sqlx::PgPool;
use tonic::{Status, service::Routes};

use crate::kept::Kept;

/// Whose the courses are.
pub(crate) const TEACHER: Actor = user(7, Role::Instructor);
pub(crate) const COLLEAGUE: Actor = user(8, Role::Instructor);
pub(crate) const STUDENT: Actor = user(9, Role::Student);

pub(crate) const fn user(id: i64, role: Role) -> Actor {
    Actor::User { id: UserId(id), role }
}

/// The service and what surrounds it.
pub(crate) struct Harness {
    pub(crate) pool: PgPool,
    pub(crate) course: CourseStub<Transport>,
    /// What processes share.
    pub(crate) kept: Arc<Kept>,
    limits: Arc<Mutex<Vec<SetSeatLimitRequest>>>,
}

impl Harness {
    pub(crate) async fn build() -> Self {
        let pool = smartcourse_tests::migrated(&smartcourse_course::migrator())
            .await
            .unwrap();
        let config = Config::load(&[CONFIG], None, &[]).unwrap();
        let limits = Arc::<Mutex<Vec<SetSeatLimitRequest>>>::default();
        let told = Arc::clone(&limits);
        let neighbours = Neighbours::default().answer(
            "smartcourse.enrollment.EnrollmentService/SetSeatLimit",
            move |request: SetSeatLimitRequest| {
                told.lock().unwrap().push(request);
                async { Ok(Seats::default()) }
            },
        );
        let kept = Arc::<Kept>::default();
        let deps = Dependencies {
            documents: Arc::new(documents::postgres::Postgres::new(pool.clone())),
            shared_reads: kept.clone(),
            workflows: Arc::new(Unreachable),
            enrollment: neighbours.transport(&config),
        };
        let service = smartcourse_course::service(&config, pool.clone(), deps).unwrap();
        let course = CourseStub::new(local(&config, Routes::new(service).into_axum_router()));
        Self {
            pool,
            course,
            kept,
            limits,
        }
    }

    /// The limits the enrollment service was told.
    pub(crate) fn limits(&self) -> Vec<Option<i32>> {
        let limits = self.limits.lock().unwrap();
        limits.iter().map(|limit| limit.max).collect()
    }

    pub(crate) async fn create(&self, request: CreateCourseRequest) -> Result<Course, Status> {
        self.course.create_course(TEACHER.request(request)).await
    }

    /// A draft with a text lesson.
    pub(crate) async fn draft(&self) -> i64 {
        let id = self.create(sagas()).await.unwrap().id;
        self.put(id, &["s1"], None).await.unwrap();
        id
    }

    /// Replaces the draft by text lessons of these ids.
    pub(crate) async fn put(
        &self,
        course_id: i64,
        ids: &[&str],
        if_match: Option<String>,
    ) -> Result<Content, Status> {
        let request = PutContentRequest {
            course_id,
            modules: vec![module(ids.iter().map(|id| text(id, "Steps and compensations.")))],
            if_match,
        };
        self.course.put_content(TEACHER.request(request)).await
    }

    pub(crate) async fn get(&self, actor: Actor, id: i64) -> Result<Course, Status> {
        self.course.get_course(actor.request(CourseRef { id })).await
    }

    /// What somebody reads of a course; without a version the draft or what is live.
    pub(crate) async fn content(
        &self,
        actor: Actor,
        course_id: i64,
        version: Option<i32>,
    ) -> Result<Content, Status> {
        let request = GetContentRequest { course_id, version };
        self.course.get_content(actor.request(request)).await
    }

    pub(crate) async fn set_status(&self, id: i64, status: CourseStatus) -> Result<Course, Status> {
        let request = SetStatusRequest {
            id,
            status: status.into(),
        };
        self.course.set_status(TEACHER.request(request)).await
    }

    pub(crate) async fn delete(&self, id: i64) -> Result<(), Status> {
        let request = DeleteCourseRequest { id, if_match: None };
        self.course.delete_course(TEACHER.request(request)).await
    }

    pub(crate) async fn publish(&self, id: i64) -> Result<PublishAccepted, Status> {
        self.publish_by(id, None).await
    }

    /// Asks for a publish under this key.
    pub(crate) async fn publish_by(&self, id: i64, key: Option<&str>) -> Result<PublishAccepted, Status> {
        let request = PublishRequest {
            id,
            idempotency_key: key.map(str::to_owned),
        };
        self.course.publish(TEACHER.request(request)).await
    }

    pub(crate) async fn cancel(&self, id: i64) -> Result<PublishStatus, Status> {
        self.course
            .cancel_publish(TEACHER.request(CourseRef { id }))
            .await
    }

    pub(crate) async fn status(&self, id: i64) -> PublishStatus {
        let status = self.course.get_publish(TEACHER.request(CourseRef { id })).await;
        status.unwrap()
    }

    /// Publishes as far as the acceptance; answers what the workflow is told.
    pub(crate) async fn accepted(&self, id: i64) -> VersionRef {
        let accepted = self.publish(id).await.unwrap();
        VersionRef {
            course_id: id,
            version: accepted.version,
            attempt_id: self.status(id).await.attempt_id,
        }
    }

    /// Publishes as far as the workflow's first step.
    pub(crate) async fn begun(&self, id: i64) -> VersionRef {
        let target = self.accepted(id).await;
        self.begin(&target, "run-1").await.unwrap();
        target
    }

    /// Publishes to the end.
    pub(crate) async fn live(&self, id: i64) -> VersionRef {
        let target = self.begun(id).await;
        self.save(&target).await.unwrap();
        self.flip(&target).await.unwrap();
        target
    }

    pub(crate) async fn begin(&self, target: &VersionRef, run: &str) -> Result<Attempt, Status> {
        let request = BeginAttemptRequest {
            course_id: target.course_id,
            attempt_id: Some(target.attempt_id.clone()),
            workflow_id: "publish".to_owned(),
            run_id: run.to_owned(),
        };
        self.course.begin_attempt(Actor::Service.request(request)).await
    }

    /// A workflow that was started without the service.
    pub(crate) async fn begin_raw(&self, course_id: i64, run: &str) -> Result<Attempt, Status> {
        let request = BeginAttemptRequest {
            course_id,
            attempt_id: None,
            workflow_id: "by-hand".to_owned(),
            run_id: run.to_owned(),
        };
        self.course.begin_attempt(Actor::Service.request(request)).await
    }

    pub(crate) async fn validate(&self, target: &VersionRef) -> Result<(), Status> {
        let request = Actor::Service.request(target.clone());
        self.course.validate_course(request).await
    }

    pub(crate) async fn save(&self, target: &VersionRef) -> Result<(), Status> {
        let request = Actor::Service.request(target.clone());
        self.course.save_content(request).await
    }

    pub(crate) async fn flip(&self, target: &VersionRef) -> Result<(), Status> {
        let request = MarkPublishedRequest {
            attempt_id: target.attempt_id.clone(),
            ai_ready: true,
            warnings: Vec::new(),
        };
        self.course.mark_published(Actor::Service.request(request)).await
    }

    /// Answers whether the flip came first.
    pub(crate) async fn abort(&self, target: &VersionRef) -> bool {
        let request = Actor::Service.request(target.clone());
        self.course
            .abort_version(request)
            .await
            .unwrap()
            .already_published
    }

    /// Ends the attempt as failed.
    pub(crate) async fn fail(&self, target: &VersionRef) {
        let request = FinishAttemptRequest {
            attempt_id: target.attempt_id.clone(),
            state: PublishState::Failed.into(),
            error: Some(Problem {
                code: "asset_missing".to_owned(),
                message: "A file is gone.".to_owned(),
            }),
        };
        let finished = self.course.finish_attempt(Actor::Service.request(request)).await;
        finished.unwrap();
    }

    pub(crate) async fn report(&self, target: &VersionRef, step: i32, state: StepState) {
        let request = ReportStepRequest {
            attempt_id: target.attempt_id.clone(),
            step,
            state: state.into(),
            attempt: 1,
            ..ReportStepRequest::default()
        };
        let reported = self.course.report_step(Actor::Service.request(request)).await;
        reported.unwrap();
    }

    /// How many drafts and versions there are.
    pub(crate) async fn documents(&self) -> i64 {
        let count = "select count(*) from platform.documents";
        sqlx::query_scalar(count).fetch_one(&self.pool).await.unwrap()
    }

    pub(crate) async fn sweep(&self) -> u64 {
        let swept = self.course.sweep(Actor::Service.request(())).await;
        swept.unwrap().removed
    }

    /// Nobody reads or writes what is unused now.
    pub(crate) async fn a_day_later(&self) {
        let earlier = "update course.unused_drafts set remove_after = remove_after - interval '25 hours'";
        sqlx::query(earlier).execute(&self.pool).await.unwrap();
    }

    /// What waits to be handed to the workflow server.
    pub(crate) async fn commands(&self) -> Vec<String> {
        let open = "select kind from platform.outbox_commands where done_at is null order by id";
        sqlx::query_scalar(open).fetch_all(&self.pool).await.unwrap()
    }

    /// The workflow server has taken all of it.
    pub(crate) async fn hand_over(&self) {
        let done = "update platform.outbox_commands set done_at = now() where done_at is null";
        sqlx::query(done).execute(&self.pool).await.unwrap();
    }
}

pub(crate) fn sagas() -> CreateCourseRequest {
    CreateCourseRequest {
        title: "Sagas".to_owned(),
        description: "Long transactions without locks.".to_owned(),
        ..CreateCourseRequest::default()
    }
}

pub(crate) fn module(lessons: impl IntoIterator<Item = Lesson>) -> Module {
    Module {
        title: "One".to_owned(),
        lessons: lessons.into_iter().collect(),
        ..Module::default()
    }
}

pub(crate) fn text(id: &str, markdown: &str) -> Lesson {
    Lesson {
        id: id.to_owned(),
        title: format!("Lesson {id}"),
        r#type: LessonType::Text.into(),
        content: Some(LessonContent {
            markdown: Some(markdown.to_owned()),
            ..LessonContent::default()
        }),
        ..Lesson::default()
    }
}

/// The ids of the lessons of a content.
pub(crate) fn ids(content: &Content) -> Vec<&str> {
    let lessons = content.modules.iter().flat_map(|module| &module.lessons);
    lessons.map(|lesson| lesson.id.as_str()).collect()
}

/// A workflow server that does not answer.
struct Unreachable;

fn away<T>() -> Result<T> {
    Err(Error::new(&codes::UNAVAILABLE, "not reachable"))
}

#[async_trait]
impl Workflows for Unreachable {
    async fn ping(&self) -> Result<()> {
        away()
    }
    async fn prepare(&self) -> Result<Vec<&'static str>> {
        away()
    }
    async fn missing_attributes(&self) -> Result<Vec<&'static str>> {
        away()
    }
    async fn start(&self, _: &Start) -> Result<Option<String>> {
        away()
    }
    async fn cancel(&self, _: &str) -> Result<()> {
        away()
    }
    async fn describe(&self, _: &str) -> Result<Option<RunInfo>> {
        away()
    }
    async fn has_pollers(&self, _: &str) -> Result<bool> {
        away()
    }
    async fn list(
        &self,
        _: Option<RunState>,
        _: i32,
        _: Vec<u8>,
    ) -> Result<(Vec<ListedRun>, Option<Vec<u8>>)> {
        away()
    }
    async fn ensure_schedule(&self, _: &Schedule) -> Result<bool> {
        away()
    }
}
