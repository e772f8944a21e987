//! Which channels a user wants, and how to stop mails without signing in.

use smartcourse_platform::{Error, Result, error::Problems, grpc::Actor, ports::push::Pusher, postgres};
use smartcourse_proto::{
    ids::UserId,
    notification::{Channel, Preferences},
};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::{State, codes};

/// Bytes of a push subscription at most; browsers make some 400.
const MAX_SUBSCRIPTION: usize = 4096;

/// A row of `notification.preferences`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wishes {
    email: bool,
    sms: bool,
    web_push: bool,
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

    fn changed(self, change: Preferences) -> Self {
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

    fn shown(self, pusher: Option<&dyn Pusher>) -> Preferences {
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

/// What a user wants, as they see it.
pub(crate) async fn get(state: &State, actor: Actor) -> Result<Preferences> {
    Ok(of(&state.pool, actor.user()?)
        .await?
        .shown(state.pusher.as_deref()))
}

/// Changes what the request names.
pub(crate) async fn set(state: &State, actor: Actor, change: Preferences) -> Result<Preferences> {
    let user_id = actor.user()?;
    let pusher = state.pusher.as_deref();
    let mut problems = Problems::default();
    if let Some(phone) = change.phone.as_deref().filter(|phone| !phone.is_empty()) {
        problems.require(
            is_phone(phone),
            "phone",
            "must be a number such as +4915112345678",
        );
    }
    if let Some(text) = change
        .push_subscription
        .as_deref()
        .filter(|text| !text.is_empty())
    {
        match pusher {
            None => problems.add("push_subscription", "push messages are not set up here"),
            Some(_) if text.len() > MAX_SUBSCRIPTION => problems.add("push_subscription", "is too long"),
            Some(pusher) => {
                if let Err(error) = pusher.check(text) {
                    problems.add("push_subscription", error.detail());
                }
            }
        }
    }
    problems.finish()?;
    let mut tx = postgres::begin(&state.pool).await?;
    // The row to lock is made if it is not there: two changes at once are both kept.
    sqlx::query!(
        "insert into notification.preferences (user_id) values ($1)
         on conflict (user_id) do update set user_id = excluded.user_id",
        user_id.0
    )
    .execute(&mut *tx)
    .await?;
    let wishes = of(&mut *tx, user_id).await?.changed(change);
    sqlx::query!(
        "update notification.preferences set email = $2, sms = $3, web_push = $4, phone = $5, push_subscription = $6
         where user_id = $1",
        user_id.0,
        wishes.email,
        wishes.sms,
        wishes.web_push,
        wishes.phone,
        wishes.push_subscription
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(wishes.shown(pusher))
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

/// A number in E.164 form.
fn is_phone(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
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

/// Ends mails to the user a token belongs to; once more has no further effect.
pub(crate) async fn unsubscribe(state: &State, token: &str) -> Result<()> {
    let known = sqlx::query!(
        "insert into notification.preferences (user_id, email)
         select user_id, false from notification.unsubscribe_tokens where token = $1
         on conflict (user_id) do update set email = false",
        token
    )
    .execute(&state.pool)
    .await?
    .rows_affected();
    if known == 0 {
        return Err(Error::new(&codes::NOT_FOUND, "this link is not one of ours"));
    }
    Ok(())
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

    #[test]
    fn numbers_are_e164() {
        assert!(is_phone("+4915112345678") && is_phone("+1234567"));
        for text in [
            "",
            "+",
            "4915112345678",
            "+0123456789",
            "+49 151",
            "+1234567890123456",
            "+49१५१123",
        ] {
            assert!(!is_phone(text), "{text}");
        }
    }
}
