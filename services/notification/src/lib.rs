//! The notification service: what people are told, in the app and over their channels.
//!
//! Owns schema `notification`. Serves `smartcourse.notification.NotificationService`. Hears of courses, enrollments and
//! certificates ([`Feed`]). Mails, text messages and push messages are background tasks:
//! [`message`] queues them in the transaction of their cause, [`tasks`] brings them to their channel.

pub mod codes;
pub mod config;
mod consumers;
mod grpc;
mod message;
mod ops;
mod preferences;
mod tasks;
mod templates;

use std::{sync::Arc, time::Duration};

use smartcourse_platform::{
    Result,
    clock::Clock,
    config::Config,
    grpc::Transport,
    ports::{mail::Mailer, push::Pusher, sms::Texter},
    postgres,
    tasks::Handler,
};
use smartcourse_proto::{
    notification::notification_service_server::NotificationServiceServer,
    stubs::{CourseStub, EnrollmentStub, UserStub},
};
use sqlx::{PgPool, migrate::Migrator};

pub use consumers::Feed;
pub use grpc::Api;

pub use message::Channels;
use tasks::{Carrier, Sender, Source};

/// The migrations of schema `notification`.
pub fn migrator() -> Migrator {
    postgres::in_schema("notification", sqlx::migrate!("./migrations"))
}

/// What the service stands on.
pub struct Dependencies {
    /// The channels that are on.
    pub channels: Channels,
    /// Push messages, where they are set up.
    pub pusher: Option<Arc<dyn Pusher>>,
    /// Who is enrolled.
    pub enrollment: Transport,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// What the operations work with.
pub(crate) struct State {
    pub(crate) pool: PgPool,
    pub(crate) deps: Dependencies,
    pub(crate) enrollment: EnrollmentStub<Transport>,
    /// How old a notification becomes, and a delivery that is over.
    pub(crate) keep: Duration,
}

/// The gRPC server of this service.
///
/// # Errors
/// None today; the signature is that of all services.
pub fn service(config: &Config, pool: PgPool, deps: Dependencies) -> Result<NotificationServiceServer<Api>> {
    let state = State {
        pool,
        enrollment: EnrollmentStub::new(deps.enrollment.clone()),
        deps,
        keep: config.upkeep.keep_notifications_days.into(),
    };
    Ok(NotificationServiceServer::limited(Api(Arc::new(state))))
}

/// What messages leave by; a channel that is off has none.
pub struct Senders {
    /// Mail.
    pub mailer: Arc<dyn Mailer>,
    /// Text messages.
    pub texter: Option<Arc<dyn Texter>>,
    /// Push messages.
    pub pusher: Option<Arc<dyn Pusher>>,
}

/// What the tasks role runs for this service: one handler per channel.
///
/// # Errors
/// When a template is broken, or the settings of links were not declared.
pub fn handlers(
    config: &Config,
    pool: PgPool,
    senders: Senders,
    user: Transport,
    course: Transport,
) -> Result<Vec<Arc<dyn Handler>>> {
    let mut channels = vec![Sender::Mail(senders.mailer)];
    channels.extend(senders.texter.map(Sender::Text));
    channels.extend(senders.pusher.map(Sender::Push));
    let source = Arc::new(Source {
        pool,
        user: UserStub::new(user),
        course: CourseStub::new(course),
        templates: templates::Templates::new()?,
        public_url: config::Links::base(config)?,
    });
    let handler = |sender| -> Arc<dyn Handler> {
        let source = Arc::clone(&source);
        Arc::new(Carrier { sender, source })
    };
    Ok(channels.into_iter().map(handler).collect())
}
