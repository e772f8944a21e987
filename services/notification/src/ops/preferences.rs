//! Which channels a user wants, and how to stop mails without signing in.

use smartcourse_platform::{Error, Result, error::Problems, grpc::Actor, postgres};
use smartcourse_proto::notification::Preferences;

use crate::{State, codes, preferences::of};

/// Bytes of a push subscription at most; browsers make some 400.
const MAX_SUBSCRIPTION: usize = 4096;

/// What a user wants, as they see it.
pub(crate) async fn get(state: &State, actor: Actor) -> Result<Preferences> {
    let wishes = of(&state.pool, actor.user()?).await?;
    Ok(wishes.shown(state.deps.pusher.as_deref()))
}

/// Changes what the request names.
pub(crate) async fn set(state: &State, actor: Actor, change: Preferences) -> Result<Preferences> {
    let user_id = actor.user()?;
    let pusher = state.deps.pusher.as_deref();
    let mut problems = Problems::default();
    if let Some(phone) = change.phone.as_deref().filter(|phone| !phone.is_empty()) {
        let must = "must be a number such as +4915112345678";
        problems.require(is_phone(phone), "phone", must);
    }
    let subscription = change.push_subscription.as_deref();
    if let Some(text) = subscription.filter(|text| !text.is_empty()) {
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

/// A number in E.164 form.
fn is_phone(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
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
