//! A restore fills an empty place. Its rows are seen once documents and files are there, with one commit: killed before it, the
//! place is empty still, and the restore can be run again.

use std::{path::Path, process::ExitCode};

use super::{
    documents, files, log,
    place::Place,
    rows::{self, Manifest},
};
use crate::{check, check::named::COLLECTIONS, config, engines, migrate, roles, telemetry};
use anyhow::Result;
use smartcourse_content::Index;
use smartcourse_engines::{Engines, Part};
use smartcourse_platform::{fault, postgres};

/// Restores a back-up; beside rows that are there already, what they name.
pub(crate) async fn run(directory: &Path, beside_rows: bool, file: Option<&Path>) -> Result<ExitCode> {
    let here = config::load(file, &[])?;
    let _sending = telemetry::init(&here.telemetry, "command")?;
    anyhow::ensure!(directory.is_dir(), "{} is not a directory", directory.display());
    let place = Place::open(directory)?;
    place.verify().await?;
    let pool = postgres::pool(&here.postgres.unhurried(), "restore")?;
    let _turn = engines::turn(&pool).await?;
    let running = roles::running(&pool).await?;
    anyhow::ensure!(
        running.is_empty(),
        "roles run ({}): stop all of them first",
        running.join(", ")
    );
    let manifest = Manifest::read(&place).await?;
    if !beside_rows {
        rows::require_empty(&mut *pool.acquire().await?).await?;
        rows::migrate(&pool, &manifest).await?;
    }
    let engines = Engines::open(&here)?;
    let (documents, files) = (engines.documents(), engines.files()?);
    // What is searched is made again by it, once the rows are there.
    engines.models()?;
    documents.prepare().await?;
    files.prepare().await?;
    let mut tx = postgres::begin(&pool).await?;
    postgres::be_endless(&mut tx).await?;
    let mut told = String::new();
    if !beside_rows {
        for (part, is_empty) in [
            (Part::Documents, engines::no_documents(documents.as_ref()).await?),
            (Part::Files, engines::no_files(files.as_ref()).await?),
        ] {
            engines::claim(&engines, part, &engines.place(part)?, is_empty).await?;
        }
        let rows = rows::read(&mut tx, &place, &manifest).await?;
        let events = log::restore(&mut tx, &place).await?;
        told = format!("{rows} rows, {events} events of a server's log, ");
    }
    let mut count = 0;
    for collection in &COLLECTIONS {
        let keys: Vec<String> = collection.named(&mut tx).await?.into_keys().collect();
        let keys = match beside_rows {
            true => collection.lacking(&keys, documents.as_ref()).await?,
            false => keys.into_iter().collect(),
        };
        count += documents::restore(&keys, documents.as_ref(), collection, &place).await?;
    }
    let copied = files::restore(&mut tx, files.as_ref(), &place).await?;
    fault::commit(tx, "restore").await?;
    crate::print(&format!("{told}{count} documents, {copied} files restored\n"))?;

    migrate::stores(&here).await?;
    engines::make_again(&[Index::Vectors, Index::Search], &here, &engines).await?;
    check::report(&check::agree(&here).await?, false)
}
