//! Documents as JSONB rows.

use async_trait::async_trait;
use serde_json::Value;
use smartcourse_platform::{
    Result,
    ports::documents::{Documents, to_json},
    postgres,
};
use sqlx::{PgPool, types::Json};

/// JSONB rows in PostgreSQL.
pub struct Postgres(PgPool);

impl Postgres {
    /// Over the pool of the engines.
    pub fn new(pool: PgPool) -> Self {
        Self(pool)
    }
}

#[async_trait]
impl Documents for Postgres {
    fn place(&self) -> String {
        "PostgreSQL".to_owned()
    }

    /// The migrations of schema `platform` made the table.
    async fn prepare(&self) -> Result<()> {
        Ok(())
    }

    async fn put(&self, collection: &str, key: &str, body: &Value) -> Result<()> {
        let body = to_json(key, body)?;
        sqlx::query!(
            "insert into platform.documents (collection, key, body) values ($1, $2, $3)
             on conflict (collection, key) do update set body = excluded.body, updated_at = now()",
            collection,
            key,
            Json(body) as _
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

    async fn page(&self, collection: &str, after: &str, limit: u32) -> Result<Vec<(String, Value)>> {
        // By the operators of the index of prefixes, which compare bytes whatever the language of the database.
        let rows = sqlx::query!(
            "select key, body from platform.documents where collection = $1 and key ~>~ $2 order by key using ~<~ limit $3",
            collection,
            after,
            i64::from(limit)
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
            format!("{}%", postgres::literal(prefix))
        )
        .execute(&self.0)
        .await?;
        Ok(gone.rows_affected())
    }
}
