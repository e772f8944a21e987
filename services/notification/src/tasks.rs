//! Bringing messages to their channel: the handlers of the tasks role.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use smartcourse_platform::{
    Error, Result,
    grpc::{Actor, Transport},
    ports::{
        mail::{Mail, Mailer},
        push::Pusher,
        sms::Texter,
    },
    tasks::{Handler, Outcome, Task},
};
use smartcourse_proto::{
    course::CourseRef,
    notification::Channel,
    stubs::{CourseStub, UserStub},
    user::{GetUserRequest, User},
};
use sqlx::{PgConnection, PgPool};
use tracing::Instrument as _;

use crate::{
    codes,
    message::{self, Message},
    ops::deliveries,
    preferences,
    templates::{Facts, Form, Templates},
};

/// What messages of all channels are made from.
pub(crate) struct Source {
    pub(crate) pool: PgPool,
    pub(crate) user: UserStub<Transport>,
    pub(crate) course: CourseStub<Transport>,
    pub(crate) templates: Templates,
    pub(crate) public_url: String,
}

impl Source {
    /// Looks up who is written to, and what the message names.
    async fn facts(&self, message: &Message) -> Result<(User, Facts)> {
        let id = message.user_id.0;
        let request = Actor::Service.request(GetUserRequest { id });
        let user = self.user.get_user(request).await?;
        let course_title = match &message.course_title {
            Some(title) => title.clone(),
            None => {
                let id = message.course_id.0;
                let request = Actor::Service.request(CourseRef { id });
                self.course.get_course(request).await?.title
            }
        };
        let token = preferences::unsubscribe_token(&self.pool, message.user_id).await?;
        let (base, certificate) = (&self.public_url, message.certificate.as_ref());
        let facts = Facts {
            name: user.full_name.clone(),
            course_title,
            course_url: format!("{base}/courses/{}", message.course_id),
            certificate_url: certificate.map(|code| format!("{base}/certificates/{code}")),
            unsubscribe_url: format!("{base}/unsubscribe?token={token}"),
        };
        Ok((user, facts))
    }
}

/// What a channel hands its messages to.
pub(crate) enum Sender {
    Mail(Arc<dyn Mailer>),
    Text(Arc<dyn Texter>),
    Push(Arc<dyn Pusher>),
}

impl Sender {
    fn channel(&self) -> Channel {
        match self {
            Self::Mail(_) => Channel::Email,
            Self::Text(_) => Channel::Sms,
            Self::Push(_) => Channel::WebPush,
        }
    }
}

/// The handler of one channel's tasks.
pub(crate) struct Carrier {
    pub(crate) sender: Sender,
    pub(crate) source: Arc<Source>,
}

#[async_trait]
impl Handler for Carrier {
    fn kind(&self) -> &'static str {
        message::kind(self.sender.channel())
    }

    async fn handle(&self, task: &Task) -> Result<()> {
        let message: Message = task.read()?;
        // The user may have changed their mind since it was queued.
        let wishes = preferences::of(&self.source.pool, message.user_id).await?;
        if !wishes.wants(self.sender.channel()) {
            return deliveries::suppress(&self.source.pool, task.id).await;
        }
        let (user, facts) = self.source.facts(&message).await?;
        let write = |form| self.source.templates.write(message.template, form, &facts);
        let id = task.id.to_string();
        match &self.sender {
            Sender::Mail(mailer) => {
                let mail = Mail {
                    to: user.email,
                    to_name: user.full_name,
                    subject: write(Form::Subject)?,
                    text: write(Form::Text)?,
                    html: write(Form::Html)?,
                    unsubscribe_url: facts.unsubscribe_url.clone(),
                };
                let span = tracing::info_span!("mail", otel.kind = "client", task = id);
                mailer.send(&id, &mail).instrument(span).await
            }
            Sender::Text(texter) => {
                let phone = wishes.phone.unwrap_or_default();
                texter.send(&phone, &write(Form::Short)?).await
            }
            Sender::Push(pusher) => {
                let body = json!({
                    "title": write(Form::Subject)?,
                    "body": write(Form::Short)?,
                    "url": facts.certificate_url.as_ref().unwrap_or(&facts.course_url),
                });
                let bytes = serde_json::to_vec(&body)
                    .map_err(|error| Error::internal("push messages are JSON").because(error))?;
                let subscription = wishes.push_subscription.unwrap_or_default();
                let sent = pusher.send(&id, &subscription, &bytes).await;
                if let Err(error) = &sent
                    && error.is(&codes::SUBSCRIPTION_GONE)
                {
                    let (pool, user_id) = (&self.source.pool, message.user_id);
                    preferences::forget_subscription(pool, user_id, &subscription).await?;
                }
                sent
            }
        }
    }

    async fn settle(&self, tx: &mut PgConnection, task: &Task, outcome: Outcome<'_>) -> Result<()> {
        match outcome {
            Outcome::Done => deliveries::sent(tx, task.id, task.tries).await,
            Outcome::Retrying(error) => deliveries::retrying(tx, task.id, task.tries, error).await,
            Outcome::Postponed(error) => deliveries::retrying(tx, task.id, task.tries - 1, error).await,
            Outcome::Dead(error) => deliveries::failed(tx, task.id, task.tries, error).await,
        }
    }
}
