//! What rows name, asked of the stores.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use smartcourse_content::{Index, Rebuild};
use smartcourse_engines::Engines;
use smartcourse_platform::{
    config::Config,
    ports::{documents::Documents, files::Files},
};
use sqlx::PgConnection;

use super::{
    Finding,
    named::{self, COLLECTIONS, Collection, File},
};
use crate::engines;

const FILES: &str = "files are there, and whole";
const INDEXES: [(Index, &str); 2] = [
    (Index::Vectors, "versions have their vectors"),
    (Index::Search, "versions have their search entries"),
];
/// Versions that are to be found, and those of which nothing is left.
const PUBLISHED: &str =
    "select v.course_id, v.version from course.versions v join content.versions c using (course_id, version)
     where v.state = 'published' and (c.retire_after is null or c.retire_after > now())";
const REMOVED: &str =
    "select course_id, version from content.versions where swept_at is not null or retired_at is not null";
/// Files that are asked for at a time.
const AT_ONCE: usize = 8;

/// Asks all of them.
pub(super) async fn look(
    connection: &mut PgConnection,
    config: &Config,
    engines: &Engines,
) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let documents = engines.documents();
    for collection in &COLLECTIONS {
        let finding = of_documents(connection, collection, documents.as_ref()).await;
        findings.push(answered(collection.told, finding));
    }
    let files = of_files(connection, engines.files()?.as_ref()).await;
    findings.push(answered(FILES, files));
    let published = versions(connection, PUBLISHED).await?;
    let removed = versions(connection, REMOVED).await?;
    let rebuild = engines::in_place(config, engines).await;
    for (index, rule) in INDEXES {
        let finding = match &rebuild {
            Ok(rebuild) => of_index(&published, &removed, rebuild, (index, rule)).await,
            Err(error) => Err(anyhow!("{error:#}")),
        };
        findings.push(answered(rule, finding));
    }
    Ok(findings)
}

/// A store that does not answer agrees with nobody, and the others are asked all the same.
fn answered(rule: &'static str, finding: Result<Finding>) -> Finding {
    finding.unwrap_or_else(|error| Finding {
        rule,
        checked: 0,
        violations: vec![format!("{error:#}")],
    })
}

async fn of_documents(
    connection: &mut PgConnection,
    collection: &Collection,
    store: &dyn Documents,
) -> Result<Finding> {
    let named = collection.named(connection).await?;
    let required = named.into_iter().filter(|(_, is_required)| *is_required);
    let keys: Vec<String> = required.map(|(key, _)| key).collect();
    let lacking = collection.lacking(&keys, store).await?;
    Ok(Finding {
        rule: collection.told,
        checked: keys.len() as u64,
        violations: lacking.into_iter().collect(),
    })
}

async fn of_files(connection: &mut PgConnection, store: &dyn Files) -> Result<Finding> {
    let named = named::files(connection).await?;
    let checked = named.len() as u64;
    let wrong = async |File { key, size, .. }: File| {
        Ok::<_, anyhow::Error>(match (store.size(&key).await?, size) {
            (None, _) => Some(format!("{key}: is missing")),
            (Some(has), Some(size)) if has != size => Some(format!("{key}: {has} bytes of {size}")),
            _ => None,
        })
    };
    let violations = stream::iter(named).map(wrong).buffered(AT_ONCE);
    Ok(Finding {
        rule: FILES,
        checked,
        violations: violations
            .try_filter_map(async |wrong| Ok(wrong))
            .try_collect()
            .await?,
    })
}

async fn versions(connection: &mut PgConnection, query: &'static str) -> Result<BTreeSet<(i64, i32)>> {
    let versions: Vec<(i64, i32)> = sqlx::query_as(query).fetch_all(connection).await?;
    Ok(versions.into_iter().collect())
}

/// Of versions that are being published, or removed, the engines may have a part.
async fn of_index(
    published: &BTreeSet<(i64, i32)>,
    removed: &BTreeSet<(i64, i32)>,
    rebuild: &Rebuild,
    (index, rule): (Index, &'static str),
) -> Result<Finding> {
    let (checked, mut differing) = rebuild.differences(index).await?;
    differing.retain(|one| {
        let version = (one.version.course_id.0, one.version.version);
        match one.expected {
            0 => removed.contains(&version),
            _ => published.contains(&version),
        }
    });
    let told = differing.iter().map(|one| {
        let (course, version) = (one.version.course_id, one.version.version);
        format!("{course}/v{version}: {} of {}", one.held, one.expected)
    });
    Ok(Finding {
        rule,
        checked,
        violations: told.collect(),
    })
}
