//! Brings schemas up to date and makes Temporal know our search attributes.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use smartcourse_platform::{config::Config, postgres, temporal::Temporal};
use sqlx::migrate::Migrator;
use temporalio_client::grpc::OperatorService;
use temporalio_common::protos::temporal::api::{
    enums::v1::IndexedValueType,
    operatorservice::v1::{AddSearchAttributesRequest, ListSearchAttributesRequest},
};

/// The search attributes every workflow of ours carries, all integers.
pub(crate) const SEARCH_ATTRIBUTES: [&str; 2] = ["CourseId", "InstructorId"];

/// Every schema and its migrations, the shared floor first.
pub(crate) fn migrators() -> Vec<(&'static str, Migrator)> {
    vec![
        ("platform", postgres::migrator()),
        ("user", smartcourse_user::migrator()),
        ("course", smartcourse_course::migrator()),
        ("content", smartcourse_content::migrator()),
        ("assistant", smartcourse_assistant::migrator()),
        ("enrollment", smartcourse_enrollment::migrator()),
        ("progress", smartcourse_progress::migrator()),
        ("notification", smartcourse_notification::migrator()),
        ("analytics", smartcourse_analytics::migrator()),
    ]
}

/// Migrates the database and registers the search attributes where they are missing.
pub(crate) async fn run(config: &Config) -> Result<()> {
    database(config).await?;
    let missing = missing_attributes(config).await?;
    if !missing.is_empty() {
        register(config, &missing).await?;
        tracing::info!(attributes = ?missing, "search attributes registered");
    }
    Ok(())
}

/// Migrates the database alone.
pub(crate) async fn database(config: &Config) -> Result<()> {
    let pool = postgres::pool(&config.postgres.unhurried(), "migrate")?;
    for (schema, migrator) in migrators() {
        migrator
            .run(&pool)
            .await
            .with_context(|| format!("the migrations of schema {schema} failed"))?;
    }
    pool.close().await;
    Ok(())
}

/// The search attributes the namespace does not know.
pub(crate) async fn missing_attributes(config: &Config) -> Result<Vec<&'static str>> {
    let temporal = Temporal::new(config.temporal.clone());
    let request = ListSearchAttributesRequest {
        namespace: config.temporal.namespace.clone(),
    };
    let known = temporal
        .client()
        .await?
        .clone()
        .list_search_attributes(tonic::Request::new(request))
        .await
        .context("Temporal did not list its search attributes")?
        .into_inner()
        .custom_attributes;
    Ok(SEARCH_ATTRIBUTES
        .into_iter()
        .filter(|name| !known.contains_key(*name))
        .collect())
}

async fn register(config: &Config, names: &[&'static str]) -> Result<()> {
    let temporal = Temporal::new(config.temporal.clone());
    let attributes: HashMap<String, i32> = names
        .iter()
        .map(|name| ((*name).to_owned(), IndexedValueType::Int.into()))
        .collect();
    let request = AddSearchAttributesRequest {
        search_attributes: attributes,
        namespace: config.temporal.namespace.clone(),
    };
    temporal
        .client()
        .await?
        .clone()
        .add_search_attributes(tonic::Request::new(request))
        .await
        .context("Temporal did not register the search attributes")?;
    Ok(())
}
