//! What rows name, asked of the stores.

use std::collections::BTreeSet;

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use smartcourse_content::Index;
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
        findings.push(of_documents(connection, collection, documents.as_ref()).await?);
    }
    findings.push(of_files(connection, engines.files()?.as_ref()).await?);
    findings.extend(of_indexes(connection, config, engines).await?);
    Ok(findings)
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
        rule: "files are there, and whole",
        checked,
        violations: violations
            .try_filter_map(async |wrong| Ok(wrong))
            .try_collect()
            .await?,
    })
}

/// Of versions that are being published the engines may have a part so far.
async fn of_indexes(
    connection: &mut PgConnection,
    config: &Config,
    engines: &Engines,
) -> Result<Vec<Finding>> {
    let published: Vec<(i64, i32)> =
        sqlx::query_as("select course_id, version from course.versions where state = 'published'")
            .fetch_all(connection)
            .await?;
    let published: BTreeSet<(i64, i32)> = published.into_iter().collect();
    let mut findings = Vec::new();
    for (index, rule) in [
        (Index::Vectors, "versions have their vectors"),
        (Index::Search, "versions have their search entries"),
    ] {
        let (versions, mut differing) = engines::differences(config, engines, index).await?;
        differing.retain(|one| {
            one.expected == 0 || published.contains(&(one.version.course_id.0, one.version.version))
        });
        let told = differing.iter().map(|one| {
            let (course, version) = (one.version.course_id, one.version.version);
            format!("{course}/v{version}: {} of {}", one.held, one.expected)
        });
        findings.push(Finding {
            rule,
            checked: versions,
            violations: told.collect(),
        });
    }
    Ok(findings)
}
