//! Refresh tokens: opaque, single use, in families. A token that comes a second time was stolen or replayed, so its
//! whole family ends.

use data_encoding::BASE64URL_NOPAD;
use rand::RngCore as _;
use sha2::{Digest as _, Sha256};
use smartcourse_platform::{Error, Result, error::Problems, postgres, upkeep};
use smartcourse_proto::{common::Swept, ids::UserId, user::TokenPair};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{State, codes, store, token};

fn revoked() -> Error {
    Error::new(
        &codes::REFRESH_REVOKED,
        "this refresh token no longer counts; sign in again",
    )
}

fn digest(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// Starts a family for a sign-in and gives its first token. Also forgets the account's families that have expired.
pub(crate) async fn start_family(state: &State, tx: &mut PgConnection, user_id: UserId) -> Result<String> {
    let now = state.clock.now();
    sqlx::query!(
        r#"delete from "user".refresh_families where user_id = $1 and expires_at < $2"#,
        user_id.0,
        now
    )
    .execute(&mut *tx)
    .await?;
    let family = Uuid::now_v7();
    let expires_at = now + Duration::seconds(state.refresh_seconds);
    sqlx::query!(
        r#"insert into "user".refresh_families (id, user_id, expires_at) values ($1, $2, $3)"#,
        family,
        user_id.0,
        expires_at
    )
    .execute(&mut *tx)
    .await?;
    add_token(tx, family, expires_at).await
}

async fn add_token(tx: &mut PgConnection, family: Uuid, expires_at: OffsetDateTime) -> Result<String> {
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    let token = BASE64URL_NOPAD.encode(&bytes);
    sqlx::query!(
        r#"insert into "user".refresh_tokens (token_hash, family_id, expires_at) values ($1, $2, $3)"#,
        digest(&token),
        family,
        expires_at
    )
    .execute(tx)
    .await?;
    Ok(token)
}

/// Uses up a token, for an access token and the refresh token that follows it.
pub(crate) async fn rotate(state: &State, token: &str) -> Result<TokenPair> {
    let key = state.keys.current(&state.pool).await?;
    let now = state.clock.now();
    let mut tx = postgres::begin(&state.pool).await?;
    // The lock makes concurrent uses come one after the other; the second sees the first's mark.
    let row = sqlx::query!(
        r#"select family_id, expires_at < $2 as "expired!", used_at is not null as "used!"
           from "user".refresh_tokens where token_hash = $1 for update"#,
        digest(token),
        now
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(revoked)?;
    if row.used {
        revoke(&mut tx, row.family_id).await?;
        tx.commit().await?;
        tracing::warn!(family = %row.family_id, "a used refresh token came again; its family is revoked");
        return Err(revoked());
    }
    let user_id = sqlx::query_scalar!(
        r#"select user_id from "user".refresh_families where id = $1 and revoked_at is null for update"#,
        row.family_id
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(user_id) = user_id.filter(|_| !row.expired) else {
        return Err(revoked());
    };
    sqlx::query!(
        r#"update "user".refresh_tokens set used_at = now() where token_hash = $1"#,
        digest(token)
    )
    .execute(&mut *tx)
    .await?;
    let expires_at = now + Duration::seconds(state.refresh_seconds);
    sqlx::query!(
        r#"update "user".refresh_families set expires_at = $2 where id = $1"#,
        row.family_id,
        expires_at
    )
    .execute(&mut *tx)
    .await?;
    let next = add_token(&mut tx, row.family_id, expires_at).await?;
    let account = store::by_id(&mut *tx, user_id.into()).await?;
    tx.commit().await?;
    token::pair(state, key, &account, next)
}

/// Ends the family of a token; an unknown token has none.
pub(crate) async fn end(state: &State, token: &str) -> Result<()> {
    if token.is_empty() {
        return Err(Problems::one("refresh_token", "is missing"));
    }
    sqlx::query!(
        r#"update "user".refresh_families set revoked_at = now()
           where revoked_at is null
             and id = (select family_id from "user".refresh_tokens where token_hash = $1)"#,
        digest(token)
    )
    .execute(&state.pool)
    .await?;
    Ok(())
}

async fn revoke(tx: &mut PgConnection, family: Uuid) -> Result<()> {
    sqlx::query!(
        r#"update "user".refresh_families set revoked_at = now() where id = $1 and revoked_at is null"#,
        family
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets every family that has expired, with its tokens, and the expired tokens of those that go on: they give nothing any
/// more, and who stays signed in for years has used up many. Answers how many families and tokens.
pub(crate) async fn sweep(state: &State) -> Result<Swept> {
    let now = state.clock.now();
    let families = upkeep::batched(&state.pool, || {
        sqlx::query!(
            r#"delete from "user".refresh_families where id in (
                   select id from "user".refresh_families where expires_at < $2 limit $1)"#,
            upkeep::BATCH,
            now
        )
    })
    .await?;
    let tokens = upkeep::batched(&state.pool, || {
        sqlx::query!(
            r#"delete from "user".refresh_tokens where token_hash in (
                   select token_hash from "user".refresh_tokens where expires_at < $2 limit $1)"#,
            upkeep::BATCH,
            now
        )
    })
    .await?;
    Ok(Swept {
        removed: families + tokens,
    })
}

/// Ends every family of an account.
pub(crate) async fn end_all(tx: &mut PgConnection, user_id: UserId) -> Result<()> {
    sqlx::query!(
        r#"update "user".refresh_families set revoked_at = now() where user_id = $1 and revoked_at is null"#,
        user_id.0
    )
    .execute(tx)
    .await?;
    Ok(())
}
