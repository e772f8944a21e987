//! The rows of accounts.

use smartcourse_platform::{Error, Result, grpc::Actor};
use smartcourse_proto::{
    ids::UserId,
    json::timestamp,
    user::{Role, User},
};
use sqlx::{PgExecutor, PgPool};
use time::OffsetDateTime;

use crate::{address::known_as, codes};

/// A row of `"user".users`.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: UserId,
    pub(crate) email: String,
    pub(crate) password_hash: String,
    pub(crate) full_name: String,
    pub(crate) role: Role,
    pub(crate) generation: i32,
    pub(crate) created_at: OffsetDateTime,
}

impl From<Account> for User {
    fn from(account: Account) -> Self {
        Self {
            id: account.id.0,
            email: account.email,
            full_name: account.full_name,
            role: account.role.into(),
            created_at: Some(timestamp::from_time(account.created_at)),
        }
    }
}

/// What callers are told about an id they may not know of, and about one that does not exist.
fn no_such_user() -> Error {
    Error::new(&codes::NOT_FOUND, "no such user")
}

/// The user with this id, for themselves and for administrators.
pub(crate) async fn get(pool: &PgPool, actor: Actor, id: UserId) -> Result<User> {
    if !actor.is_self(id) {
        return Err(no_such_user());
    }
    Ok(by_id(pool, id).await?.into())
}

pub(crate) async fn by_id(db: impl PgExecutor<'_>, id: UserId) -> Result<Account> {
    let account = sqlx::query_as!(
        Account,
        r#"select id, email, password_hash, full_name, role, generation, created_at from "user".users where id = $1"#,
        id.0
    )
    .fetch_optional(db)
    .await?;
    account.ok_or_else(no_such_user)
}

/// The account with this address, in any spelling of its letters; accounts of versions before 0.3 are known as it was typed.
pub(crate) async fn by_email(db: impl PgExecutor<'_>, email: &str) -> Result<Option<Account>> {
    Ok(sqlx::query_as!(
        Account,
        r#"select id, email, password_hash, full_name, role, generation, created_at from "user".users
           where lower(email) in (lower($1), lower($2)) order by lower(email) = lower($1) desc limit 1"#,
        known_as(email),
        email.trim()
    )
    .fetch_optional(db)
    .await?)
}
