//! The progress service on a real PostgreSQL, with the three services it asks next door.

use std::sync::MutexGuard;

use serde_json::Value;
use smartcourse_platform::{
    Error,
    config::Config,
    grpc::{Actor, Transport},
    outbox, postgres,
    tasks::{Handler as _, Task},
};
use smartcourse_progress::{Dependencies, Republished, Settling, config::CONFIG};
use smartcourse_proto::{
    common::{EpochRef, VersionRef},
    course::{Content, Lesson, LessonContent, LessonType, Module, Quiz},
    enrollment::Access,
    events::{CoursePublished, EnrollmentDropped},
    ids::UserId,
    key::Key,
    progress::{progress_service_client::ProgressServiceClient, *},
    user::Role,
};
use smartcourse_tests::{
    engines::event_log::postgres::{deliver_batch, place},
    local,
};
use sqlx::PgPool;
use tonic::service::Routes;

use crate::neighbours::{Known, Shared, Turn, next_door};

/// The one course.
pub(crate) const COURSE: i64 = 7;

/// Its instructor.
pub(crate) const OWNER: i64 = 1;

/// A user no fake knows.
pub(crate) const STRANGER: i64 = 99;

/// The service and everything around it.
#[derive(Clone)]
pub(crate) struct Harness {
    pub(crate) pool: PgPool,
    neighbours: Shared,
    /// Held while a drop is under way.
    turn: Turn,
    client: ProgressServiceClient<Transport>,
}

impl Harness {
    pub(crate) async fn build() -> Self {
        let pool = smartcourse_tests::migrated(&smartcourse_progress::migrator())
            .await
            .expect("a database");
        let config = Config::load(&[CONFIG], None, &[]).expect("the defaults are valid");
        let (neighbours, turn) = (Shared::default(), Turn::default());
        let next_door = next_door(&neighbours, &turn);
        let deps = Dependencies {
            course: next_door.transport(&config),
            enrollment: next_door.transport(&config),
            user: next_door.transport(&config),
        };
        let service = smartcourse_progress::service(&config, pool.clone(), deps).expect("is made");
        let service = Routes::new(service).into_axum_router();
        let client = ProgressServiceClient::new(local(&config, service));
        Self {
            pool,
            neighbours,
            turn,
            client,
        }
    }

    pub(crate) fn neighbours(&self) -> MutexGuard<'_, Known> {
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

    /// Lets the service hear of everything so far, and work off what follows.
    pub(crate) async fn deliver(&self) {
        self.hear().await;
        self.work_off().await;
    }

    /// Lets the service hear of everything so far.
    pub(crate) async fn hear(&self) {
        place(&self.pool).await.expect("are placed");
        while deliver_batch(&self.pool, &Republished)
            .await
            .expect("are consumed")
            .more
        {}
        let parked: i64 = sqlx::query_scalar("select count(*) from platform.parked_events")
            .fetch_one(&self.pool)
            .await
            .expect("counts");
        assert_eq!(parked, 0, "an event was parked");
    }

    /// Does background tasks until there are none.
    pub(crate) async fn work_off(&self) {
        let open =
            "select id, kind, payload from platform.tasks where state = 'queued' order by created_at limit 1";
        let settling = Settling::new(self.pool.clone());
        while let Some((id, kind, payload)) = sqlx::query_as(open)
            .fetch_optional(&self.pool)
            .await
            .expect("is read")
        {
            let task = Task {
                id,
                kind,
                payload,
                tries: 1,
            };
            settling.handle(&task).await.expect("is done");
            sqlx::query("update platform.tasks set state = 'done' where id = $1")
                .bind(id)
                .execute(&self.pool)
                .await
                .expect("is settled");
        }
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
