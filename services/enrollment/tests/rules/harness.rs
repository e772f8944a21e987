//! The enrollment service on a real PostgreSQL, with the three services it asks next door.

use std::{
    collections::HashMap,
    future::ready,
    sync::{Arc, Mutex, MutexGuard},
};

use smartcourse_enrollment::{Commands, Completions, Dependencies, config::CONFIG};
use smartcourse_platform::{
    Error,
    config::Config,
    error::codes,
    grpc::{Actor, Transport},
};
use smartcourse_proto::{
    common::{EpochRef, VersionRef},
    course::{Course, CourseList, CourseRef, CourseStatus, GetCoursesRequest, Seats},
    enrollment::*,
    events::{CourseCompleted, EnrollmentRequested},
    ids::UserId,
    key::Key,
    progress::LeaveRequest,
    stubs::EnrollmentStub,
    user::{GetUserRequest, Role, User},
};
use smartcourse_tests::{Neighbours, local, tell};
use sqlx::PgPool;
use tonic::{Status, service::Routes};

/// The course most tests are about, published with as many seats as they say.
pub(crate) const COURSE: i64 = 7;
/// Its instructor.
pub(crate) const TEACHER: i64 = 1;
/// An administrator.
pub(crate) const ADMIN: Actor = Actor::User {
    id: UserId(2),
    role: Role::Admin,
};
/// Students are 10 and whoever comes after.
pub(crate) const ANN: i64 = 10;
pub(crate) const BO: i64 = 11;
pub(crate) const CY: i64 = 12;

/// What the services next door would answer.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) courses: HashMap<i64, Course>,
    /// Enrollments whose course is completed, before anybody has heard of it.
    pub(crate) completed: Vec<i64>,
}

pub(crate) struct Harness {
    pub(crate) pool: PgPool,
    pub(crate) enrollment: EnrollmentStub<Transport>,
    commands: Commands,
    known: Arc<Mutex<Known>>,
}

impl Harness {
    /// With the course, published.
    pub(crate) async fn build(max: Option<i32>) -> Self {
        let pool = smartcourse_tests::migrated(&smartcourse_enrollment::migrator())
            .await
            .unwrap();
        let config = Config::load(&[CONFIG], None, &[]).unwrap();
        let known = Arc::<Mutex<Known>>::default();
        let next_door = next_door(&known);
        let deps = || Dependencies {
            course: next_door.transport(&config),
            user: next_door.transport(&config),
            progress: next_door.transport(&config),
        };
        let service = smartcourse_enrollment::service(&config, pool.clone(), deps()).unwrap();
        let harness = Self {
            enrollment: EnrollmentStub::new(local(&config, Routes::new(service).into_axum_router())),
            commands: Commands::new(&config, pool.clone(), deps()).unwrap(),
            pool,
            known,
        };
        harness.publish(COURSE, max, &[]).await;
        harness
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }

    /// Opens the seats of a course and shows it as published.
    pub(crate) async fn publish(&self, id: i64, max: Option<i32>, prerequisites: &[i64]) {
        self.prepare(id, 1, max).await.unwrap();
        let course = Course {
            id,
            title: "Sagas".to_owned(),
            instructor_id: TEACHER,
            prerequisites: prerequisites.to_vec(),
            status: CourseStatus::Published.into(),
            ..Course::default()
        };
        self.known().courses.insert(id, course);
    }

    pub(crate) async fn prepare(&self, course_id: i64, version: i32, max: Option<i32>) -> Result<(), Status> {
        let request = PrepareRequest {
            course_id,
            version,
            max_enrollments: max,
            attempt_id: String::new(),
        };
        self.enrollment
            .prepare_course(Actor::Service.request(request))
            .await
    }

    pub(crate) async fn discard(&self, course_id: i64, version: i32) {
        let version = VersionRef {
            course_id,
            version,
            ..VersionRef::default()
        };
        let discarded = self
            .enrollment
            .discard_course(Actor::Service.request(version))
            .await;
        discarded.unwrap();
    }

    /// How many seats there are and how many are taken.
    pub(crate) async fn seats(&self, course_id: i64) -> (Option<i32>, i32) {
        let request = Actor::Anonymous.request(SeatsRequest { course_id });
        let Seats { max, taken } = self.enrollment.get_seats(request).await.unwrap();
        (max, taken)
    }

    pub(crate) async fn enroll(&self, user: i64, course_id: i64) -> Result<Enrollment, Status> {
        self.enroll_as(student(user), 0, course_id).await
    }

    pub(crate) async fn enroll_as(
        &self,
        actor: Actor,
        user_id: i64,
        course_id: i64,
    ) -> Result<Enrollment, Status> {
        let request = EnrollRequest {
            course_id,
            user_id,
            idempotency_key: None,
        };
        self.enrollment.enroll(actor.request(request)).await
    }

    pub(crate) async fn drop_out(&self, actor: Actor, enrollment_id: i64) -> Result<(), Status> {
        let request = EnrollmentRef { enrollment_id };
        self.enrollment.drop(actor.request(request)).await
    }

    pub(crate) async fn get(&self, actor: Actor, enrollment_id: i64) -> Result<Enrollment, Status> {
        let request = EnrollmentRef { enrollment_id };
        self.enrollment.get_enrollment(actor.request(request)).await
    }

    /// Lets the service hear that an epoch was completed.
    pub(crate) async fn complete(&self, enrollment: &Enrollment) {
        let completed = CourseCompleted {
            enrollment_id: enrollment.enrollment_id,
            epoch: enrollment.epoch,
            course_id: enrollment.course_id,
            user_id: enrollment.user_id,
            version: 1,
        };
        let key = Key::Enrollment.of(enrollment.enrollment_id);
        let told = tell(&self.pool, &Completions, "course.completed", &key, &completed).await;
        told.unwrap();
    }

    /// Asks for an enrollment by an event.
    pub(crate) async fn command(&self, user_id: i64, course_id: i64) {
        let requested = EnrollmentRequested { course_id, user_id };
        let key = Key::User.of(user_id);
        let told = tell(
            &self.pool,
            &self.commands,
            "enrollment.requested",
            &key,
            &requested,
        )
        .await;
        told.unwrap();
    }

    /// The first step of the workflow; without an epoch it was started raw.
    pub(crate) async fn ensure(
        &self,
        user_id: i64,
        epoch: Option<i32>,
        run: &str,
    ) -> Result<Ensured, Status> {
        let request = EnsureRequest {
            course_id: COURSE,
            user_id,
            epoch,
            workflow_id: "enroll".to_owned(),
            run_id: run.to_owned(),
        };
        let request = Actor::Service.request(request);
        self.enrollment.ensure_enrollment(request).await
    }

    /// The last step; answers the epoch that comes next.
    pub(crate) async fn finish(&self, ensured: &Ensured) -> Option<i32> {
        let request = EpochRef {
            enrollment_id: ensured.enrollment_id,
            epoch: ensured.epoch,
            ..EpochRef::default()
        };
        let finished = self
            .enrollment
            .finish_onboarding(Actor::Service.request(request))
            .await;
        finished.unwrap().next_epoch
    }

    /// How many starts wait for the workflow server.
    pub(crate) async fn starts(&self) -> i64 {
        let open = "select count(*) from platform.outbox_commands where kind = 'start' and done_at is null";
        sqlx::query_scalar(open).fetch_one(&self.pool).await.unwrap()
    }

    /// The workflow server has taken all of them.
    pub(crate) async fn hand_over(&self) {
        let done = "update platform.outbox_commands set done_at = now() where done_at is null";
        sqlx::query(done).execute(&self.pool).await.unwrap();
    }
}

pub(crate) fn student(id: i64) -> Actor {
    Actor::User {
        id: UserId(id),
        role: Role::Student,
    }
}

fn next_door(known: &Arc<Mutex<Known>>) -> Neighbours {
    let (courses, listed, completed) = (Arc::clone(known), Arc::clone(known), Arc::clone(known));
    Neighbours::default()
        .answer(
            "smartcourse.course.CourseService/GetCourse",
            move |request: CourseRef| {
                let found = courses.lock().unwrap().courses.get(&request.id).cloned();
                ready(found.ok_or_else(|| Error::new(&codes::NOT_FOUND, "no such course").into()))
            },
        )
        .answer(
            "smartcourse.course.CourseService/GetCourses",
            move |request: GetCoursesRequest| {
                let known = listed.lock().unwrap();
                let found = request.ids.iter().filter_map(|id| known.courses.get(id).cloned());
                let items = found.collect();
                ready(Ok(CourseList { items }))
            },
        )
        .answer("smartcourse.user.UserService/GetUser", |GetUserRequest { id }| {
            let role = if id < ANN { Role::Instructor } else { Role::Student };
            ready(Ok(User {
                id,
                role: role.into(),
                ..User::default()
            }))
        })
        .answer(
            "smartcourse.progress.ProgressService/Leave",
            move |request: LeaveRequest| {
                let completed = completed
                    .lock()
                    .unwrap()
                    .completed
                    .contains(&request.enrollment_id);
                ready(match completed {
                    true => Err(Error::new(&codes::ENROLLMENT_COMPLETED, "it is completed").into()),
                    false => Ok(()),
                })
            },
        )
}
