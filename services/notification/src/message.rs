//! Messages and how they are queued: a delivery and a task per channel, in the transaction of their cause.

use serde::{Deserialize, Serialize};
use smartcourse_platform::{
    Result,
    tasks::{self, Task},
};
use smartcourse_proto::{
    Wire as _,
    ids::{CourseId, UserId},
    notification::{Channel, DeliveryState},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::preferences;

/// The ids of deliveries are made from their cause in this namespace.
const IDS: Uuid = Uuid::from_u128(0x6f1c_1f0b_7d4e_4c53_9a58_2b7c_90d3_e1a6);

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Template {
    /// You are enrolled.
    Welcome,
    /// Your certificate.
    Certificate,
}

impl Template {
    /// The word for it, also the name of its files.
    pub(crate) fn as_text(self) -> &'static str {
        match self {
            Self::Welcome => "welcome",
            Self::Certificate => "certificate",
        }
    }

    /// The channels it goes over, if the user wants them. Only what has lasting worth is worth a text message.
    fn channels(self) -> &'static [Channel] {
        match self {
            Self::Welcome => &[Channel::Email, Channel::WebPush],
            Self::Certificate => &[Channel::Email, Channel::Sms, Channel::WebPush],
        }
    }
}

/// A message to a user, as it travels in a task. Name and address are looked up when it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) template: Template,
    pub(crate) user_id: UserId,
    pub(crate) course_id: CourseId,
    /// When the cause did not name it, it is looked up.
    #[serde(default)]
    pub(crate) course_title: Option<String>,
    /// Code of the certificate, for a message about one.
    #[serde(default)]
    pub(crate) certificate: Option<String>,
}

/// The channels besides mail that are on.
#[derive(Debug, Clone, Copy)]
pub struct Channels {
    /// Text messages.
    pub sms: bool,
    /// Push messages.
    pub web_push: bool,
}

impl Channels {
    fn has(self, channel: Channel) -> bool {
        match channel {
            Channel::Unspecified => false,
            Channel::Email => true,
            Channel::Sms => self.sms,
            Channel::WebPush => self.web_push,
        }
    }
}

/// The kind of the tasks of a channel.
pub(crate) fn kind(channel: Channel) -> &'static str {
    match channel {
        Channel::Unspecified | Channel::Email => "notification.email",
        Channel::Sms => "notification.sms",
        Channel::WebPush => "notification.web_push",
    }
}

/// Queues a message over every channel the user wants. `cause` names what it is about: the same cause and template are
/// told once per channel, however often this is called. A mail nobody wants is recorded as suppressed.
pub(crate) async fn queue(
    tx: &mut PgConnection,
    configured: Channels,
    cause: &str,
    message: &Message,
) -> Result<()> {
    let preferences = preferences::of(&mut *tx, message.user_id).await?;
    for channel in message.template.channels() {
        let state = match (configured.has(*channel), preferences.wants(*channel)) {
            (true, true) => DeliveryState::Queued,
            (true, false) if *channel == Channel::Email => DeliveryState::Suppressed,
            _ => continue,
        };
        let template = message.template.as_text();
        let name = format!("{cause}/{template}/{}", channel.as_text());
        let id = Uuid::new_v5(&IDS, name.as_bytes());
        let new = sqlx::query!(
            "insert into notification.deliveries (id, user_id, channel, template, state, finished_at)
             values ($1, $2, $3, $4, $5, case when $5 = 'suppressed' then now() end) on conflict (id) do nothing",
            id,
            message.user_id.0,
            channel.as_text(),
            template,
            state.as_text()
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if new == 1 && state == DeliveryState::Queued {
            tasks::put(tx, &Task::new(id, kind(*channel), message)?).await?;
        }
    }
    Ok(())
}
