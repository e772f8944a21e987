//! The progress service on a real PostgreSQL, with the three services it asks as a few lines each.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    routing::post,
};
use serde_json::Value;
use smartcourse_platform::{
    Error,
    config::Config,
    grpc::{Actor, LocalRouter, Transport},
    outbox, postgres,
};
use smartcourse_progress::{Dependencies, Republished};
use smartcourse_proto::{
    catalogue::Key,
    common::{EpochRef, VersionRef},
    course::{
        Content, Course, CourseRef, CourseStatus, GetContentRequest, Lesson, LessonContent, LessonType,
        Manifest, ManifestRequest, Module, Quiz,
    },
    enrollment::{Access, AccessRequest},
    events::{CoursePublished, EnrollmentDropped},
    ids::UserId,
    progress::{progress_service_client::ProgressServiceClient, *},
    user::{GetUserRequest, Role, User},
};
use smartcourse_tests::engines::event_log::postgres::{deliver_batch, place};
use sqlx::PgPool;
use tonic::{Response, Status, server::Grpc, service::Routes};
use tonic_prost::ProstCodec;

/// The one course.
pub(crate) const COURSE: i64 = 7;
/// Its instructor.
pub(crate) const OWNER: i64 = 1;
/// A user no fake knows.
pub(crate) const STRANGER: i64 = 99;

/// What the services next door would answer.
#[derive(Default)]
pub(crate) struct Neighbours {
    pub(crate) published: Option<i32>,
    pub(crate) access: HashMap<i64, Access>,
    /// Who is still enrolled once a drop under way has ended, where that differs from `access`.
    settled: HashMap<i64, bool>,
    versions: Vec<Content>,
}

impl Neighbours {
    fn content(&self, version: i32) -> Result<Content, Status> {
        let found = self.versions.iter().find(|content| content.version == version);
        found.cloned().ok_or_else(|| Status::not_found("no such version"))
    }
}

type Shared = Arc<Mutex<Neighbours>>;

type Turn = Arc<tokio::sync::Mutex<()>>;

/// Answers when no drop is under way.
async fn wait(State(turn): State<Turn>, request: Request, next: Next) -> axum::response::Response {
    let _turn = turn.lock().await;
    next.run(request).await
}

/// A unary method as a route.
fn unary<Q, A>(
    neighbours: &Shared,
    answer: fn(&Neighbours, Q) -> Result<A, Status>,
) -> axum::routing::MethodRouter
where
    Q: prost::Message + Default + Send + 'static,
    A: prost::Message + Default + Send + 'static,
{
    let neighbours = Arc::clone(neighbours);
    post(async move |request: Request| {
        let service = tower::service_fn(move |request: tonic::Request<Q>| {
            let reply = answer(&neighbours.lock().expect("not poisoned"), request.into_inner());
            async move { reply.map(Response::new) }
        });
        Grpc::new(ProstCodec::default()).unary(service, request).await
    })
}

fn get_course(next: &Neighbours, request: CourseRef) -> Result<Course, Status> {
    let status = if next.published.is_some() {
        CourseStatus::Published
    } else {
        CourseStatus::Draft
    };
    (request.id == COURSE)
        .then(|| Course {
            id: COURSE,
            title: "Durable Workflows".to_owned(),
            instructor_id: OWNER,
            status: status.into(),
            published_version: next.published,
            ..Course::default()
        })
        .ok_or_else(|| Status::not_found("no such course"))
}

fn get_content(next: &Neighbours, request: GetContentRequest) -> Result<Content, Status> {
    next.content(request.version.unwrap_or_default())
}

fn get_manifest(next: &Neighbours, request: ManifestRequest) -> Result<Manifest, Status> {
    Ok(Manifest {
        content: Some(next.content(request.version)?),
        ..Manifest::default()
    })
}

fn get_access(next: &Neighbours, request: AccessRequest) -> Result<Access, Status> {
    Ok(next.access.get(&request.user_id).copied().unwrap_or_default())
}

fn settle_access(next: &Neighbours, request: AccessRequest) -> Result<Access, Status> {
    let access = get_access(next, request)?;
    Ok(Access {
        enrolled: *next.settled.get(&request.user_id).unwrap_or(&access.enrolled),
        ..access
    })
}

fn get_user(_: &Neighbours, request: GetUserRequest) -> Result<User, Status> {
    Ok(User {
        id: request.id,
        full_name: format!("Learner {}", request.id),
        ..User::default()
    })
}

/// The service and everything around it.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) pool: PgPool,
    neighbours: Shared,
    /// Held while a drop is under way.
    turn: Turn,
    client: ProgressServiceClient<Transport>,
}

impl House {
    pub(crate) async fn build() -> Self {
        let pool = smartcourse_tests::database().await.expect("a database");
        postgres::migrator().run(&pool).await.expect("migrates");
        smartcourse_progress::migrator()
            .run(&pool)
            .await
            .expect("migrates");
        let mut config = Config::load(None).expect("the defaults are valid");
        config.grpc.service_token = "a-token".into();
        let (neighbours, turn) = (Shared::default(), Turn::default());
        let course = "/smartcourse.course.CourseService";
        let next_door = Router::new()
            .route(&format!("{course}/GetCourse"), unary(&neighbours, get_course))
            .route(&format!("{course}/GetContent"), unary(&neighbours, get_content))
            .route(&format!("{course}/GetManifest"), unary(&neighbours, get_manifest))
            .route(
                "/smartcourse.enrollment.EnrollmentService/GetAccess",
                unary(&neighbours, get_access),
            )
            .route(
                "/smartcourse.enrollment.EnrollmentService/SettleAccess",
                unary(&neighbours, settle_access).layer(from_fn_with_state(Arc::clone(&turn), wait)),
            )
            .route(
                "/smartcourse.user.UserService/GetUser",
                unary(&neighbours, get_user),
            );
        let way = |router: Router| {
            let local = LocalRouter::default();
            local.set(router).expect("is empty");
            Transport::local(&config.grpc, local)
        };
        let deps = Dependencies {
            course: way(next_door.clone()),
            enrollment: way(next_door.clone()),
            user: way(next_door),
        };
        let service = smartcourse_progress::service(&config, pool.clone(), deps).expect("is made");
        let client = ProgressServiceClient::new(way(Routes::new(service).into_axum_router()));
        Self {
            pool,
            neighbours,
            turn,
            client,
        }
    }

    pub(crate) fn neighbours(&self) -> MutexGuard<'_, Neighbours> {
        self.neighbours.lock().expect("not poisoned")
    }

    /// Prepares a version, flips to it and announces it; the service has not heard of it yet.
    pub(crate) async fn publish(&self, lessons: &[Lesson]) -> i32 {
        let version = self.prepare(lessons).await;
        self.neighbours().published = Some(version);
        self.announce(version).await;
        version
    }

    pub(crate) async fn prepare(&self, lessons: &[Lesson]) -> i32 {
        let version = {
            let mut next = self.neighbours();
            let version = next.versions.len() as i32 + 1;
            next.versions.push(Content {
                course_id: COURSE,
                version,
                modules: vec![Module {
                    lessons: lessons.to_vec(),
                    ..Module::default()
                }],
                ..Content::default()
            });
            version
        };
        let version_ref = VersionRef {
            course_id: COURSE,
            version,
            ..VersionRef::default()
        };
        self.client
            .clone()
            .prepare_course(Actor::Service.request(version_ref))
            .await
            .expect("is prepared");
        version
    }

    /// Writes the event of a flip.
    pub(crate) async fn announce(&self, version: i32) {
        let event = CoursePublished {
            course_id: COURSE,
            version,
            instructor_id: OWNER,
            title: "Durable Workflows".to_owned(),
            ai_ready: true,
        };
        self.put("course.published", &Key::Course.of(COURSE), &event)
            .await;
    }

    async fn put(&self, kind: &str, key: &str, event: &impl serde::Serialize) {
        let mut tx = postgres::begin(&self.pool).await.expect("begins");
        outbox::put_event(&mut tx, kind, key, event)
            .await
            .expect("is put");
        tx.commit().await.expect("commits");
    }

    /// Lets the service hear of everything so far.
    pub(crate) async fn deliver(&self) {
        place(&self.pool).await.expect("are placed");
        deliver_batch(&self.pool, &Republished)
            .await
            .expect("are consumed");
        let parked: i64 = sqlx::query_scalar("select count(*) from platform.parked_events")
            .fetch_one(&self.pool)
            .await
            .expect("counts");
        assert_eq!(parked, 0, "an event was parked");
    }

    /// Takes a seat; the enrollment has the number of the user and 1,000.
    pub(crate) fn seat(&self, user: i64, epoch: i32) -> EpochRef {
        let enrollment_id = user + 1_000;
        let access = Access {
            enrolled: true,
            enrollment_id,
            epoch,
        };
        self.neighbours().access.insert(user, access);
        EpochRef {
            enrollment_id,
            epoch,
            course_id: COURSE,
            user_id: user,
        }
    }

    pub(crate) async fn initialise(&self, request: EpochRef) {
        self.client
            .clone()
            .initialise_progress(Actor::Service.request(request))
            .await
            .expect("is initialised");
    }

    /// Takes a seat and sets it up.
    pub(crate) async fn enroll(&self, user: i64, epoch: i32) {
        let request = self.seat(user, epoch);
        self.initialise(request).await;
    }

    /// Leaves; the service has not heard of it yet.
    pub(crate) async fn drop_out(&self, user: i64) {
        let access = {
            let mut next = self.neighbours();
            let access = next.access.get_mut(&user).expect("has a seat");
            access.enrolled = false;
            *access
        };
        let event = EnrollmentDropped {
            enrollment_id: access.enrollment_id,
            epoch: access.epoch,
            course_id: COURSE,
            user_id: user,
        };
        let key = format!("enrollment-{}", access.enrollment_id);
        self.put("enrollment.dropped", &key, &event).await;
    }

    /// What the enrollment service asks before a drop.
    pub(crate) async fn leave(&self, user: i64) -> Result<(), Error> {
        let access = self.neighbours().access[&user];
        let request = LeaveRequest {
            enrollment_id: access.enrollment_id,
            epoch: access.epoch,
        };
        self.client.clone().leave(Actor::Service.request(request)).await?;
        Ok(())
    }

    /// Asks and leaves, as the enrollment service does.
    pub(crate) async fn ask_and_drop_out(&self, user: i64) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        self.leave(user).await?;
        self.drop_out(user).await;
        Ok(())
    }

    /// Says what became of a drop that requests under way have not seen.
    pub(crate) fn settle(&self, user: i64, enrolled: bool) {
        self.neighbours().settled.insert(user, enrolled);
    }

    pub(crate) async fn complete(&self, user: i64, lesson: &str) -> Result<CourseProgress, Error> {
        let request = CompleteLessonRequest {
            course_id: COURSE,
            lesson_id: lesson.to_owned(),
        };
        let reply = self.client.clone().complete_lesson(as_user(user, request)).await;
        Ok(reply?.into_inner())
    }

    pub(crate) async fn attempt(
        &self,
        user: i64,
        answers: &[(&str, &str)],
        key: Option<&str>,
    ) -> Result<AttemptResult, Error> {
        let request = SubmitAttemptRequest {
            course_id: COURSE,
            lesson_id: "quiz".to_owned(),
            answers: answers
                .iter()
                .map(|(question, value)| QuestionAnswer {
                    question_id: (*question).to_owned(),
                    values: vec![(*value).to_owned()],
                })
                .collect(),
            idempotency_key: key.map(str::to_owned),
        };
        let reply = self.client.clone().submit_attempt(as_user(user, request)).await;
        Ok(reply?.into_inner())
    }

    /// A user's own progress.
    pub(crate) async fn progress(&self, user: i64) -> Result<CourseProgress, Error> {
        self.progress_of(user, 0).await
    }

    /// The progress of `student` as `user` sees it.
    pub(crate) async fn progress_of(&self, user: i64, student: i64) -> Result<CourseProgress, Error> {
        let request = GetProgressRequest {
            course_id: COURSE,
            user_id: student,
        };
        let reply = self.client.clone().get_progress(as_user(user, request)).await;
        Ok(reply?.into_inner())
    }

    pub(crate) async fn certificates(&self, user: i64) -> Vec<Certificate> {
        let request = as_user(user, ListCertificatesRequest::default());
        let page = self.client.clone().list_certificates(request).await;
        page.expect("is listed").into_inner().items
    }

    /// What anybody gets for a code.
    pub(crate) async fn verify(&self, code: &str) -> Result<Certificate, Error> {
        let code = CertificateRef {
            code: code.to_owned(),
        };
        let reply = self
            .client
            .clone()
            .get_certificate(Actor::Anonymous.request(code))
            .await;
        Ok(reply?.into_inner())
    }

    pub(crate) async fn pdf(&self, code: &str) -> Vec<u8> {
        let code = CertificateRef {
            code: code.to_owned(),
        };
        let reply = self
            .client
            .clone()
            .get_certificate_pdf(Actor::Anonymous.request(code))
            .await;
        reply.expect("is made").into_inner().pdf
    }

    /// Payloads of the events of a type about a user, in their order.
    pub(crate) async fn events(&self, kind: &str, user: i64) -> Vec<Value> {
        sqlx::query_scalar("select payload from platform.events where type = $1 and key = $2 order by seq")
            .bind(kind)
            .bind(format!("enrollment-{}", user + 1_000))
            .fetch_all(&self.pool)
            .await
            .expect("are read")
    }
}

fn as_user<T>(id: i64, message: T) -> tonic::Request<T> {
    let role = if id == OWNER {
        Role::Instructor
    } else {
        Role::Student
    };
    Actor::User { id: UserId(id), role }.request(message)
}

/// A text lesson for each id.
pub(crate) fn texts(ids: &[&str]) -> Vec<Lesson> {
    ids.iter()
        .map(|id| Lesson {
            id: (*id).to_owned(),
            r#type: LessonType::Text.into(),
            ..Lesson::default()
        })
        .collect()
}

/// The lesson `quiz`.
pub(crate) fn quiz_lesson(quiz: Quiz) -> Lesson {
    Lesson {
        id: "quiz".to_owned(),
        r#type: LessonType::Quiz.into(),
        content: Some(LessonContent {
            quiz: Some(quiz),
            ..LessonContent::default()
        }),
        ..Lesson::default()
    }
}
