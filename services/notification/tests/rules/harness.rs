//! The notification service on a real PostgreSQL, with the services it asks next door and a post that can be shut.

use std::{
    future::ready,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use smartcourse_notification::{Channels, Dependencies, Feed, Senders, config::CONFIG};
use smartcourse_platform::{
    Error, Result,
    config::Config,
    error::codes,
    grpc::{Actor, Transport},
    ports::{
        mail::{Mail, Mailer},
        push::Pusher,
        sms::Texter,
    },
    postgres,
    tasks::{Handler, Outcome, Task},
};
use smartcourse_proto::{
    common::EpochRef,
    course::{Course, CourseRef},
    enrollment::{Access, AccessRequest},
    ids::UserId,
    notification::*,
    stubs::NotificationStub,
    user::{GetUserRequest, Role, User},
};
use smartcourse_tests::{Neighbours, StoppedClock, local, tell};
use sqlx::{PgPool, Row as _};
use tonic::{Status, service::Routes};

pub(crate) const COURSE: i64 = 7;
pub(crate) const ANN: i64 = 10;
pub(crate) const BO: i64 = 11;
pub(crate) const PHONE: &str = "+4915112345678";
pub(crate) const ADMIN: Actor = Actor::User {
    id: UserId(2),
    role: Role::Admin,
};
const BOTH: Channels = Channels {
    sms: true,
    web_push: true,
};

pub(crate) fn student(id: i64) -> Actor {
    Actor::User {
        id: UserId(id),
        role: Role::Student,
    }
}

/// What leaves the harness.
#[derive(Default)]
pub(crate) struct Post {
    mails: Mutex<Vec<Mail>>,
    /// Whoever sends is told to come later.
    shut: AtomicBool,
}

#[async_trait]
impl Mailer for Post {
    async fn send(&self, _: &str, mail: &Mail) -> Result<()> {
        if self.shut.load(Ordering::Relaxed) {
            return Err(Error::new(&codes::DELIVERY_FAILED, "the post is shut"));
        }
        self.mails.lock().unwrap().push(mail.clone());
        Ok(())
    }
}

#[async_trait]
impl Texter for Post {
    async fn send(&self, to: &str, _: &str) -> Result<()> {
        assert_eq!(to, PHONE);
        Ok(())
    }
}

#[async_trait]
impl Pusher for Post {
    fn key(&self) -> &str {
        "key"
    }

    fn check(&self, subscription: &str) -> Result<()> {
        match subscription {
            "nonsense" => Err(Error::new(&codes::DELIVERY_REFUSED, "is no subscription")),
            _ => Ok(()),
        }
    }

    async fn send(&self, _: &str, subscription: &str, _: &[u8]) -> Result<()> {
        match subscription {
            "gone" => Err(Error::new(&codes::SUBSCRIPTION_GONE, "nobody is there")),
            _ => Ok(()),
        }
    }
}

pub(crate) struct Harness {
    pub(crate) pool: PgPool,
    pub(crate) clock: Arc<StoppedClock>,
    pub(crate) notification: NotificationStub<Transport>,
    handlers: Vec<Arc<dyn Handler>>,
    post: Arc<Post>,
    /// The one enrollment.
    access: Arc<Mutex<Access>>,
}

impl Harness {
    /// With Ann, enrolled.
    pub(crate) async fn build() -> Self {
        let pool = smartcourse_tests::migrated(&smartcourse_notification::migrator())
            .await
            .unwrap();
        let url = ("SMARTCOURSE_MAIL__PUBLIC_URL", "https://courses.example.org");
        let config = Config::load(&[CONFIG], None, &[(url.0.to_owned(), url.1.to_owned())]).unwrap();
        let access = Arc::new(Mutex::new(Access {
            enrolled: true,
            enrollment_id: 1,
            epoch: 1,
        }));
        let next_door = next_door(&access);
        let post = Arc::<Post>::default();
        let clock = Arc::<StoppedClock>::default();
        let deps = Dependencies {
            channels: BOTH,
            pusher: Some(post.clone()),
            enrollment: next_door.transport(&config),
            clock: clock.clone(),
        };
        let senders = Senders {
            mailer: post.clone(),
            texter: Some(post.clone()),
            pusher: Some(post.clone()),
        };
        let (user, course) = (next_door.transport(&config), next_door.transport(&config));
        let handlers =
            smartcourse_notification::handlers(&config, pool.clone(), senders, user, course).unwrap();
        let service = smartcourse_notification::service(&config, pool.clone(), deps).unwrap();
        let notification = NotificationStub::new(local(&config, Routes::new(service).into_axum_router()));
        Self {
            pool,
            clock,
            notification,
            handlers,
            post,
            access,
        }
    }

    pub(crate) fn access(&self) -> MutexGuard<'_, Access> {
        self.access.lock().unwrap()
    }

    pub(crate) fn shut(&self, shut: bool) {
        self.post.shut.store(shut, Ordering::Relaxed);
    }

    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.post.mails.lock().unwrap().clone()
    }

    /// The step of the workflow that welcomes Ann.
    pub(crate) async fn welcome(&self, epoch: i32) {
        let welcome = EpochRef {
            enrollment_id: 1,
            epoch,
            course_id: COURSE,
            user_id: ANN,
        };
        let request = Actor::Service.request(welcome);
        self.notification.queue_welcome_mail(request).await.unwrap();
    }

    /// Lets the feed hear of an event.
    pub(crate) async fn hear(&self, kind: &str, event: &impl serde::Serialize) {
        tell(&self.pool, &Feed::new(BOTH), kind, "key", event)
            .await
            .unwrap();
    }

    pub(crate) async fn sweep(&self) -> u64 {
        let swept = self.notification.sweep(Actor::Service.request(())).await;
        swept.unwrap().removed
    }

    /// Changes what Ann wants.
    pub(crate) async fn wish(&self, wishes: Preferences) -> Result<Preferences, Status> {
        let request = student(ANN).request(wishes);
        self.notification.set_preferences(request).await
    }

    /// Runs every task that is due once; a failure is the last one.
    pub(crate) async fn work(&self) {
        let due = "select id, kind, payload, tries from platform.tasks where state = 'queued'";
        for row in sqlx::query(due).fetch_all(&self.pool).await.unwrap() {
            let task = Task {
                id: row.get("id"),
                kind: row.get("kind"),
                payload: row.get("payload"),
                tries: row.get::<i32, _>("tries") + 1,
            };
            let handler = self.handlers.iter().find(|handler| handler.kind() == task.kind);
            let handler = handler.unwrap();
            let ended = handler.handle(&task).await;
            let (outcome, state) = match &ended {
                Ok(()) => (Outcome::Done, "done"),
                Err(error) => (Outcome::Dead(error), "dead"),
            };
            let mut tx = postgres::begin(&self.pool).await.unwrap();
            handler.settle(&mut tx, &task, outcome).await.unwrap();
            sqlx::query("update platform.tasks set state = $2 where id = $1")
                .bind(task.id)
                .bind(state)
                .execute(&mut *tx)
                .await
                .unwrap();
            tx.commit().await.unwrap();
        }
    }

    /// Channel, template and state of every delivery, in alphabetical order.
    pub(crate) async fn deliveries(&self) -> Vec<(Channel, String, DeliveryState)> {
        let mut found: Vec<_> = self
            .list(ListDeliveriesRequest::default())
            .await
            .into_iter()
            .map(|one| (one.channel(), one.template.clone(), one.state()))
            .collect();
        found.sort_by_key(|(channel, template, _)| (channel.as_str_name(), template.clone()));
        found
    }

    pub(crate) async fn list(&self, request: ListDeliveriesRequest) -> Vec<Delivery> {
        let listed = self.notification.list_deliveries(ADMIN.request(request)).await;
        listed.unwrap().items
    }

    pub(crate) async fn feed(&self, user: i64) -> Vec<Notification> {
        let request = ListNotificationsRequest::default();
        let listed = self.notification.list(student(user).request(request)).await;
        listed.unwrap().items
    }
}

fn next_door(access: &Arc<Mutex<Access>>) -> Neighbours {
    let access = Arc::clone(access);
    Neighbours::default()
        .answer(
            "smartcourse.enrollment.EnrollmentService/GetAccess",
            move |_: AccessRequest| ready(Ok(*access.lock().unwrap())),
        )
        .answer("smartcourse.user.UserService/GetUser", |GetUserRequest { id }| {
            ready(Ok(User {
                id,
                email: "ann@example.com".to_owned(),
                full_name: "Ann Lee".to_owned(),
                ..User::default()
            }))
        })
        .answer(
            "smartcourse.course.CourseService/GetCourse",
            |CourseRef { id }| {
                ready(Ok(Course {
                    id,
                    title: "Sagas & Outboxes".to_owned(),
                    ..Course::default()
                }))
            },
        )
}
