//! A back-up is made while the platform serves. Files are brought first, for as long as that takes; then the rows are seen at one
//! moment, and what they name is brought. A document and a file are written before the row that names them, so all is there,
//! unless it was removed meanwhile: then the rows are seen again.

use std::{os::unix::fs::DirBuilderExt as _, path::Path, process::ExitCode, time::Duration};

use anyhow::Result;
use smartcourse_engines::{Engines, event_log::history::History};
use smartcourse_platform::{
    clock::{self, Clock as _},
    fault, postgres,
};
use sqlx::PgPool;
use time::macros::format_description;

use super::{
    documents, files, log,
    place::{Place, SUMS},
    rows::{self, Manifest},
};
use crate::{
    check::named::{self, COLLECTIONS},
    config, engines, telemetry,
};

/// Where a back-up is made; one that was killed is gone on with.
const UNFINISHED: &str = "unfinished";
/// How often the rows are seen at most, and the pause in between: what is being removed goes before its row does.
const LOOKS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(5);

/// Makes a back-up in a directory below this one, named by its time.
pub(crate) async fn run(within: &Path, file: Option<&Path>) -> Result<ExitCode> {
    let here = config::load(file, &[])?;
    let _sending = telemetry::init(&here.telemetry, "command")?;
    let pool = postgres::pool(&here.postgres.unhurried(), "backup")?;
    let mut turn = engines::turn(&pool).await?;
    History::keep_months(&mut turn).await?;
    let engines = Engines::open(&here)?;
    let form = format_description!("[year][month][day]T[hour][minute][second].[subsecond digits:3]Z");
    let name = clock::System.now().format(form)?;
    // Rows have e-mail addresses and hashes of passwords.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(within)?;
    let mut place = Place::open(&within.join(UNFINISHED))?;
    let earlier = earlier(within)?;
    let store = engines.files()?;
    let earlier = earlier.as_ref();
    let named = named::files(&mut *pool.acquire().await?).await?;
    files::bring(named, store.as_ref(), &mut place, earlier).await?;
    fault::point("backup", "before_rows");
    let mut manifest = look(&pool, &engines, &mut place, earlier).await?;
    for _ in 1..LOOKS {
        if manifest.missing.is_empty() {
            break;
        }
        tracing::warn!(missing = ?manifest.missing, "something was removed meanwhile, or is lost");
        tokio::time::sleep(PAUSE).await;
        manifest = look(&pool, &engines, &mut place, earlier).await?;
    }
    manifest.write(&mut place).await?;
    let path = place.finish(&name).await?;
    crate::print(&format!(
        "{}: {} rows, {} documents, {} files\n",
        path.display(),
        manifest.rows,
        manifest.documents,
        manifest.files
    ))?;
    if manifest.missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let missing = manifest.missing.join("\n    ");
    crate::print(&format!(
        "rows name what is lost, and so is not in it:\n    {missing}\n"
    ))?;
    Ok(ExitCode::FAILURE)
}

/// Sees the rows once, and brings what they name.
async fn look(
    pool: &PgPool,
    engines: &Engines,
    place: &mut Place,
    earlier: Option<&Place>,
) -> Result<Manifest> {
    let mut rows = postgres::snapshot(pool).await?;
    let mut manifest = rows::write(&mut rows, place).await?;
    let last = log::last(&mut rows).await?;
    let mut documents = Vec::new();
    for collection in &COLLECTIONS {
        documents.push((collection, collection.named(&mut rows).await?));
    }
    let files = named::files(&mut rows).await?;
    // What it has locked is free again, however long the rest takes.
    drop(rows);
    if engines.log_is_sent() {
        log::write(last, engines, place).await?;
    }
    let store = engines.documents();
    for (collection, named) in documents {
        documents::write(named, store.as_ref(), collection, place, &mut manifest).await?;
    }
    let store = engines.files()?;
    let missing = files::bring(files, store.as_ref(), place, earlier).await?;
    manifest.files = files::count(place);
    manifest.missing.extend(missing);
    Ok(manifest)
}

/// The last back-up in this directory.
fn earlier(within: &Path) -> Result<Option<Place>> {
    let mut last = None;
    for entry in std::fs::read_dir(within)? {
        let path = entry?.path();
        if path.join(SUMS).is_file() && !path.ends_with(UNFINISHED) {
            last = last.max(Some(path));
        }
    }
    last.map(|path| Place::open(&path)).transpose()
}
