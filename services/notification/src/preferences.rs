//! Which channels a user wants, and what messages need to know of it.

use smartcourse_platform::{Result, ports::push::Pusher};
use smartcourse_proto::{
    ids::UserId,
    notification::{Channel, Preferences},
};
use sqlx::PgExecutor;
use uuid::Uuid;

/// A row of `notification.preferences`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wishes {
    pub(crate) email: bool,
    pub(crate) sms: bool,
    pub(crate) web_push: bool,
    pub(crate) phone: Option<String>,
    pub(crate) push_subscription: Option<String>,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            email: true,
            sms: false,
            web_push: false,
            phone: None,
            push_subscription: None,
        }
    }
}

impl Wishes {
    /// Whether messages may go over this channel, and where to is known.
    pub(crate) fn wants(&self, channel: Channel) -> bool {
        match channel {
            Channel::Unspecified => false,
            Channel::Email => self.email,
            Channel::Sms => self.sms && self.phone.is_some(),
            Channel::WebPush => self.web_push && self.push_subscription.is_some(),
        }
    }

    pub(crate) fn changed(self, change: Preferences) -> Self {
        // An empty text takes away what was there.
        let text = |new: Option<String>, old: Option<String>| match new {
            Some(text) => Some(text).filter(|text| !text.is_empty()),
            None => old,
        };
        Self {
            email: change.email.unwrap_or(self.email),
            sms: change.sms.unwrap_or(self.sms),
            web_push: change.web_push.unwrap_or(self.web_push),
            phone: text(change.phone, self.phone),
            push_subscription: text(change.push_subscription, self.push_subscription),
        }
    }

    pub(crate) fn shown(self, pusher: Option<&dyn Pusher>) -> Preferences {
        Preferences {
            email: Some(self.email),
            sms: Some(self.sms),
            web_push: Some(self.web_push),
            phone: self.phone,
            push_subscription: self.push_subscription,
            push_key: pusher.map(|pusher| pusher.key().to_owned()),
        }
    }
}

/// What a user wants.
pub(crate) async fn of(db: impl PgExecutor<'_>, user_id: UserId) -> Result<Wishes> {
    let row = sqlx::query_as!(
        Wishes,
        "select email, sms, web_push, phone, push_subscription from notification.preferences where user_id = $1",
        user_id.0
    )
    .fetch_optional(db)
    .await?;
    Ok(row.unwrap_or_default())
}

/// Takes away a subscription that reaches nobody any more, unless the user has another by now.
pub(crate) async fn forget_subscription(
    db: impl PgExecutor<'_>,
    user_id: UserId,
    subscription: &str,
) -> Result<()> {
    sqlx::query!(
        "update notification.preferences set push_subscription = null where user_id = $1 and push_subscription = $2",
        user_id.0,
        subscription
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The token in a user's mails; it says who wants no more of them and allows nothing else.
pub(crate) async fn unsubscribe_token(db: impl PgExecutor<'_>, user_id: UserId) -> Result<String> {
    let fresh = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    Ok(sqlx::query_scalar!(
        "insert into notification.unsubscribe_tokens (user_id, token) values ($1, $2)
         on conflict (user_id) do update set user_id = excluded.user_id returning token",
        user_id.0,
        fresh
    )
    .fetch_one(db)
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_fields_stay_and_empty_ones_go() {
        let wishes = Wishes {
            sms: true,
            phone: Some("+4915112345678".to_owned()),
            ..Wishes::default()
        };
        assert!(
            wishes.wants(Channel::Sms) && wishes.wants(Channel::Email) && !wishes.wants(Channel::WebPush)
        );
        assert_eq!(wishes.clone().changed(Preferences::default()), wishes);
        let gone = wishes.changed(Preferences {
            phone: Some(String::new()),
            email: Some(false),
            ..Preferences::default()
        });
        assert!(gone.sms && !gone.wants(Channel::Sms) && !gone.wants(Channel::Email));
    }
}
