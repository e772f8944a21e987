//! Roles: who changes them, and what that ends.

use smartcourse_platform::{Error, Result, error::Problems, grpc::Actor, outbox, postgres};
use smartcourse_proto::{
    Wire as _,
    events::UserRoleChanged,
    ids::UserId,
    key::Key,
    user::{Role, SetRoleRequest, User},
};
use sqlx::PgPool;

use crate::{State, codes, ops::refresh, store};

/// Gives a user a role, as an administrator.
pub(crate) async fn set(state: &State, actor: Actor, request: SetRoleRequest) -> Result<User> {
    actor.require_admin(|| Error::new(&codes::FORBIDDEN, "only administrators give roles"))?;
    give(&state.pool, request.id.into(), request.role()).await
}

/// Gives a user a role. All sessions of the user end, unless it was the role already.
async fn give(pool: &PgPool, user_id: UserId, role: Role) -> Result<User> {
    if role == Role::Unspecified {
        return Err(Problems::one("role", "must be student, instructor or admin"));
    }
    let mut tx = postgres::begin(pool).await?;
    let former = sqlx::query_scalar!(
        r#"with former as (select id, role from "user".users where id = $1 for update)
           update "user".users u set role = $2, generation = generation + 1
           from former where u.id = former.id and former.role <> $2 returning former.role as "role!""#,
        user_id.0,
        role.as_text()
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(former) = former {
        refresh::end_all(&mut tx, user_id).await?;
        let event = UserRoleChanged {
            user_id: user_id.0,
            from: former,
            to: role.as_text().to_owned(),
        };
        outbox::put_event(&mut tx, "user.role_changed", &Key::User.of(user_id.0), &event).await?;
    }
    let account = store::by_id(&mut *tx, user_id).await?;
    tx.commit().await?;
    Ok(account.into())
}

/// Makes the account with this address an administrator: the only way to the first one.
///
/// # Errors
/// `not_found` when no account has the address.
pub async fn grant_admin(pool: &PgPool, email: &str) -> Result<User> {
    let account = store::by_email(pool, email.trim()).await?;
    let unknown = || Error::new(&codes::NOT_FOUND, format!("no account has the address {email}"));
    let account = account.ok_or_else(unknown)?;
    give(pool, account.id, Role::Admin).await
}
