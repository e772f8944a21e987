//! The document port: JSON bodies under a collection and a key, such as the content of a course version.
//!
//! Keys are hierarchical (`12/v3/lesson`), so that everything of a version has one prefix.

use async_trait::async_trait;
use serde_json::Value;
use sqlx::PgPool;

use crate::error::Result;

/// A document store.
#[async_trait]
pub trait Documents: Send + Sync {
    /// Writes a document, replacing one of the same key.
    async fn put(&self, collection: &str, key: &str, body: &Value) -> Result<()>;
    /// Reads a document.
    async fn get(&self, collection: &str, key: &str) -> Result<Option<Value>>;
    /// Reads the documents that exist of the given keys, in no particular order.
    async fn get_many(&self, collection: &str, keys: &[String]) -> Result<Vec<(String, Value)>>;
    /// Reads documents by prefix in the order of their keys, after `after`, at most `limit`.
    async fn list(
        &self,
        collection: &str,
        prefix: &str,
        after: &str,
        limit: i64,
    ) -> Result<Vec<(String, Value)>>;
    /// Removes one document, if it is there.
    async fn delete(&self, collection: &str, key: &str) -> Result<()>;
    /// Removes every document whose key begins with these characters; answers how many. `12/v1` is a prefix of `12/v10`:
    /// end a version's prefix with a slash.
    async fn delete_prefix(&self, collection: &str, prefix: &str) -> Result<u64>;
}

/// JSONB rows in PostgreSQL.
pub struct Postgres(PgPool);

impl Postgres {
    /// Over the pool of the service that owns the collections.
    pub fn new(pool: PgPool) -> Self {
        Self(pool)
    }
}

/// A `like` pattern that matches a literal prefix.
fn pattern(prefix: &str) -> String {
    let escaped: String = prefix
        .chars()
        .flat_map(|c| {
            if "%_\\".contains(c) {
                vec!['\\', c]
            } else {
                vec![c]
            }
        })
        .collect();
    format!("{escaped}%")
}

#[async_trait]
impl Documents for Postgres {
    async fn put(&self, collection: &str, key: &str, body: &Value) -> Result<()> {
        sqlx::query!(
            "insert into platform.documents (collection, key, body) values ($1, $2, $3)
             on conflict (collection, key) do update set body = excluded.body, updated_at = now()",
            collection,
            key,
            body
        )
        .execute(&self.0)
        .await?;
        Ok(())
    }

    async fn get(&self, collection: &str, key: &str) -> Result<Option<Value>> {
        let body = sqlx::query_scalar!(
            "select body from platform.documents where collection = $1 and key = $2",
            collection,
            key
        )
        .fetch_optional(&self.0)
        .await?;
        Ok(body)
    }

    async fn get_many(&self, collection: &str, keys: &[String]) -> Result<Vec<(String, Value)>> {
        let rows = sqlx::query!(
            "select key, body from platform.documents where collection = $1 and key = any($2)",
            collection,
            keys
        )
        .fetch_all(&self.0)
        .await?;
        Ok(rows.into_iter().map(|row| (row.key, row.body)).collect())
    }

    async fn list(
        &self,
        collection: &str,
        prefix: &str,
        after: &str,
        limit: i64,
    ) -> Result<Vec<(String, Value)>> {
        let rows = sqlx::query!(
            "select key, body from platform.documents
             where collection = $1 and key like $2 and key > $3 order by key limit $4",
            collection,
            pattern(prefix),
            after,
            limit
        )
        .fetch_all(&self.0)
        .await?;
        Ok(rows.into_iter().map(|row| (row.key, row.body)).collect())
    }

    async fn delete(&self, collection: &str, key: &str) -> Result<()> {
        sqlx::query!(
            "delete from platform.documents where collection = $1 and key = $2",
            collection,
            key
        )
        .execute(&self.0)
        .await?;
        Ok(())
    }

    async fn delete_prefix(&self, collection: &str, prefix: &str) -> Result<u64> {
        let gone = sqlx::query!(
            "delete from platform.documents where collection = $1 and key like $2",
            collection,
            pattern(prefix)
        )
        .execute(&self.0)
        .await?;
        Ok(gone.rows_affected())
    }
}
