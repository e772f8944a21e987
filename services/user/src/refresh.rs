//! Refresh tokens: opaque, single use, in families. A token that comes a second time was stolen or replayed, so its
//! whole family ends.

use data_encoding::BASE64URL_NOPAD;
use rand::RngCore as _;
use sha2::{Digest as _, Sha256};
use smartcourse_platform::{Error, Result, error::codes, postgres, upkeep};
use sqlx::{PgConnection, PgPool};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::store::{self, Account};

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
pub(crate) async fn start_family(tx: &mut PgConnection, user_id: i64, seconds: i64) -> Result<String> {
    sqlx::query!(
        r#"delete from "user".refresh_families where user_id = $1 and expires_at < now()"#,
        user_id
    )
    .execute(&mut *tx)
    .await?;
    let family = Uuid::now_v7();
    let expires_at = OffsetDateTime::now_utc() + Duration::seconds(seconds);
    sqlx::query!(
        r#"insert into "user".refresh_families (id, user_id, expires_at) values ($1, $2, $3)"#,
        family,
        user_id,
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

/// Uses up a token: the account it belongs to and the token that follows it.
pub(crate) async fn rotate(pool: &PgPool, token: &str, seconds: i64) -> Result<(Account, String)> {
    let mut tx = postgres::begin(pool).await?;
    // The lock makes concurrent uses come one after the other; the second sees the first's mark.
    let row = sqlx::query!(
        r#"select family_id, expires_at < now() as "expired!", used_at is not null as "used!"
           from "user".refresh_tokens where token_hash = $1 for update"#,
        digest(token)
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
    let expires_at = OffsetDateTime::now_utc() + Duration::seconds(seconds);
    sqlx::query!(
        r#"update "user".refresh_families set expires_at = $2 where id = $1"#,
        row.family_id,
        expires_at
    )
    .execute(&mut *tx)
    .await?;
    let next = add_token(&mut tx, row.family_id, expires_at).await?;
    let account = store::by_id(&mut *tx, user_id).await?;
    tx.commit().await?;
    Ok((account, next))
}

/// Ends the family of a token; an unknown token has none.
pub(crate) async fn end(pool: &PgPool, token: &str) -> Result<()> {
    sqlx::query!(
        r#"update "user".refresh_families set revoked_at = now()
           where revoked_at is null
             and id = (select family_id from "user".refresh_tokens where token_hash = $1)"#,
        digest(token)
    )
    .execute(pool)
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

/// Forgets every family that has expired, with its tokens; answers how many.
pub(crate) async fn sweep(pool: &PgPool) -> Result<u64> {
    upkeep::batched(async || {
        let deleted = sqlx::query!(
            r#"delete from "user".refresh_families where id in (
                   select id from "user".refresh_families where expires_at < now() limit $1)"#,
            upkeep::BATCH
        )
        .execute(pool)
        .await?;
        Ok(deleted.rows_affected())
    })
    .await
}

/// Ends every family of an account.
pub(crate) async fn end_all(tx: &mut PgConnection, user_id: i64) -> Result<()> {
    sqlx::query!(
        r#"update "user".refresh_families set revoked_at = now() where user_id = $1 and revoked_at is null"#,
        user_id
    )
    .execute(tx)
    .await?;
    Ok(())
}
