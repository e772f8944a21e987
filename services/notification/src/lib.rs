//! The notification service: what people are told, in the app and over their channels.
//!
//! Owns schema `notification`. Serves `smartcourse.notification.NotificationService`. Hears of courses, enrollments and
//! certificates ([`Feed`]). Emits `notification.failed`. Mails, text messages and push messages are background tasks:
//! [`message`] queues them in the transaction of their cause, [`carrier`] brings them to their channel.

mod carrier;
mod deliveries;
mod feed;
mod grpc;
mod message;
mod notifications;
mod preferences;
mod templates;

use std::sync::Arc;

use smartcourse_platform::{
    Result,
    config::Config,
    engines::{mail, push, sms},
    grpc::{MAX_MESSAGE, Transport},
    grpc_client, postgres, tasks,
};
use smartcourse_proto::{
    course::course_service_client::CourseServiceClient,
    enrollment::enrollment_service_client::EnrollmentServiceClient,
    notification::notification_service_server::{NotificationServiceServer, SERVICE_NAME},
    user::user_service_client::UserServiceClient,
};
use sqlx::{PgPool, migrate::Migrator};

pub use feed::Feed;
pub use grpc::Api;

use carrier::{Carrier, Desk, Way};
use message::Channels;

/// Name of the gRPC service, for health checks.
pub const NAME: &str = SERVICE_NAME;

/// The migrations of schema `notification`.
pub fn migrator() -> Migrator {
    postgres::in_schema("notification", sqlx::migrate!("./migrations"))
}

/// The gRPC service over a database and the way to whoever knows who is enrolled.
///
/// # Errors
/// When the key of push messages cannot be used.
pub fn service(
    config: &Config,
    pool: PgPool,
    enrollment: Transport,
) -> Result<NotificationServiceServer<Api>> {
    let enrollment = grpc_client!(EnrollmentServiceClient<Transport>, enrollment);
    let api = Api::new(
        pool,
        Channels::of(config),
        push::pusher(&config.web_push)?,
        enrollment,
    );
    Ok(NotificationServiceServer::new(api)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE))
}

/// What the tasks role runs for this service: one handler per configured channel.
///
/// # Errors
/// When a setting of a channel cannot be used, or a template is broken.
pub fn handlers(
    config: &Config,
    pool: PgPool,
    user: Transport,
    course: Transport,
) -> Result<Vec<Arc<dyn tasks::Handler>>> {
    let mut ways = vec![Way::Mail(mail::mailer(&config.mail)?)];
    ways.extend(sms::texter(&config.sms)?.map(Way::Text));
    ways.extend(push::pusher(&config.web_push)?.map(Way::Push));
    let desk = Arc::new(Desk {
        pool,
        user: grpc_client!(UserServiceClient<Transport>, user),
        course: grpc_client!(CourseServiceClient<Transport>, course),
        templates: templates::Templates::new()?,
        public_url: config.public_url(),
    });
    Ok(ways
        .into_iter()
        .map(|way| Arc::new(Carrier::new(way, Arc::clone(&desk))) as Arc<dyn tasks::Handler>)
        .collect())
}
