//! Brings schemas up to date and makes Temporal know our search attributes.

use anyhow::{Context as _, Result};
use smartcourse_engines::Engines;
use smartcourse_platform::{config::Config, postgres};

use crate::schemas;

/// Brings all stores up to date and registers the search attributes where they are missing.
pub(crate) async fn run(config: &Config) -> Result<()> {
    stores(config).await?;
    let missing = Engines::open(config)?.workflows().prepare().await?;
    if !missing.is_empty() {
        tracing::info!(attributes = ?missing, "search attributes registered");
    }
    Ok(())
}

/// Migrates the database and makes what else keeps data ready.
pub(crate) async fn stores(config: &Config) -> Result<()> {
    let pool = postgres::pool(&config.postgres.unhurried(), "migrate")?;
    for (schema, migrator) in schemas::all() {
        migrator
            .run(&pool)
            .await
            .with_context(|| format!("the migrations of schema {schema} failed"))?;
        let ours: Vec<i64> = migrator.iter().map(|migration| migration.version).collect();
        let later = format!("select count(*) from \"{schema}\"._migrations where version <> all($1)");
        let later: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(later))
            .bind(ours)
            .fetch_one(&pool)
            .await?;
        if later > 0 {
            tracing::warn!(schema, later, "the schema is of a later version, and stays so");
        }
    }
    pool.close().await;
    Engines::open(config)?.prepare().await?;
    Ok(())
}
