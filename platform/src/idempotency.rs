//! Idempotency-Keys: a request that is sent again gets what its first one made, and the same key with another request is an
//! error (draft-ietf-httpapi-idempotency-key-header).

use serde::{Serialize, de::DeserializeOwned};
use sqlx::PgConnection;

use crate::error::{Error, Result, codes, to_json};

/// The key of a request, in its scope: somebody else's key of the same text is another one.
#[derive(Debug)]
pub struct IdempotencyKey {
    scope: String,
    key: String,
    request: String,
}

impl IdempotencyKey {
    /// A key within a scope, with what tells the request from others: itself, or a hash of it.
    pub fn new(scope: String, key: String, request: String) -> Self {
        Self { scope, key, request }
    }

    /// Lets requests with this key wait for each other until the transaction ends.
    pub async fn lock(&self, tx: &mut PgConnection) -> Result<()> {
        sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 1))")
            .bind(format!("{}:{}", self.scope, self.key))
            .execute(tx)
            .await?;
        Ok(())
    }

    /// What an earlier request with this key made; `idempotency_mismatch` when that was another request.
    pub async fn earlier<T: DeserializeOwned>(&self, connection: &mut PgConnection) -> Result<Option<T>> {
        let found = sqlx::query!(
            "select request_hash, response from platform.idempotency_keys where scope = $1 and key = $2",
            self.scope,
            self.key
        )
        .fetch_optional(connection)
        .await?;
        match found {
            None => Ok(None),
            Some(row) if row.request_hash == self.request => serde_json::from_value(row.response)
                .map(Some)
                .map_err(|error| Error::internal("what a key made cannot be read").because(error)),
            Some(_) => Err(Error::new(
                &codes::IDEMPOTENCY_MISMATCH,
                "this Idempotency-Key belongs to another request",
            )),
        }
    }

    /// Remembers what this key made, in the transaction that makes it.
    pub async fn remember(&self, tx: &mut PgConnection, made: &impl Serialize) -> Result<()> {
        let made = to_json(&made)?;
        sqlx::query!(
            "insert into platform.idempotency_keys (scope, key, request_hash, response) values ($1, $2, $3, $4)",
            self.scope,
            self.key,
            self.request,
            made
        )
        .execute(tx)
        .await?;
        Ok(())
    }
}
