//! docs/OPERATIONS.md says of every table what a row is and what ends it.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};

/// Where the page tells of the tables.
const HEADING: &str = "\n### What is kept, and for how long\n";

/// A table without a line here would grow without anybody having decided so.
#[tokio::test]
async fn the_operations_page_says_of_every_table_what_ends_its_rows() -> Result<()> {
    let pool = smartcourse_tests::database().await?;
    let mut schemas = Vec::new();
    for (schema, migrator) in crate::schemas::all() {
        migrator.run(&pool).await?;
        schemas.push(schema.to_owned());
    }
    // A partition is a part of its table.
    let tables: Vec<String> = sqlx::query_scalar(
        "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = any($1) and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> '_migrations'",
    )
    .bind(&schemas)
    .fetch_all(&pool)
    .await?;
    let tables: BTreeSet<String> = tables.into_iter().collect();

    let page = std::fs::read_to_string(crate::root().join("docs/OPERATIONS.md"))?;
    let (_, section) = page.split_once(HEADING).context("the heading is gone")?;
    let section = section.split("\n#").next().unwrap_or_default();
    let named = section.lines().filter_map(|line| {
        let (table, _) = line.strip_prefix("| `")?.split_once('`')?;
        let (schema, _) = table.split_once('.')?;
        schemas
            .iter()
            .any(|known| known == schema)
            .then(|| table.to_owned())
    });
    let named: Vec<String> = named.collect();
    let once: BTreeSet<String> = named.iter().cloned().collect();
    ensure!(once.len() == named.len(), "named twice: {named:?}");
    let untold: Vec<_> = tables.difference(&once).collect();
    ensure!(untold.is_empty(), "what ends their rows? {untold:?}");
    let unknown: Vec<_> = once.difference(&tables).collect();
    ensure!(unknown.is_empty(), "there are no such tables: {unknown:?}");
    Ok(())
}
