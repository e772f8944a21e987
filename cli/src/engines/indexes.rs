//! Vectors and search entries: made from the documents, in another engine or in the one that is asked.

use std::{path::Path, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result};
use smartcourse_content::{Index, ModelPlace, Rebuild, Rebuilt};
use smartcourse_engines::{Engines, Part};
use smartcourse_platform::{
    config::Config,
    lifecycle::Lifecycle,
    ports::{search::Search, vectors::Vectors},
    postgres,
};
use smartcourse_proto::stubs::ServiceName;

use super::{
    compared::{Compared, Sum, passes},
    turn,
};
use crate::{config, services::ServiceHost, telemetry};

/// The services a rebuild asks, which run in this process: others may be away.
const HERE: [ServiceName; 1] = [ServiceName::Course];

/// Fills the vectors or the search of the target from the documents of the source.
pub(super) async fn fill(
    part: Part,
    here: &Config,
    source: &Engines,
    target: &Engines,
) -> Result<Vec<Compared>> {
    let index = match part {
        Part::Vectors => Index::Vectors,
        _ => Index::Search,
    };
    let rebuild = rebuild(here, source, target.vectors(), target.search()).await?;
    prepare(index, source, target).await?;
    passes(async || Ok(vec![compared(index, rebuild.pass(index, false).await?)])).await
}

/// Makes what is searched again, while it is searched.
pub(super) async fn reindex(indexes: &[Index], file: Option<&Path>) -> Result<ExitCode> {
    let here = config::load(file, &[])?;
    let _sending = telemetry::init(&here.telemetry, "command")?;
    let pool = postgres::pool(&here.postgres.unhurried(), "move")?;
    let _turn = turn(&pool).await?;
    make_again(indexes, &here, &Engines::open(&here)?).await?;
    Ok(ExitCode::SUCCESS)
}

/// The same, for whoever has the turn.
pub(crate) async fn make_again(indexes: &[Index], here: &Config, engines: &Engines) -> Result<()> {
    for index in indexes {
        prepare(*index, engines, engines).await?;
        let done = match index {
            Index::Vectors => again(*index, here, engines).await?,
            Index::Search => match engines.search().beside().await? {
                Some(beside) => change_over(here, engines, beside).await?,
                None => again(*index, here, engines).await?,
            },
        };
        crate::print(&format!(
            "{}: {} versions written, {} removed; {} in all\n",
            name(*index),
            done.written,
            done.removed,
            done.expected
        ))?;
    }
    Ok(())
}

/// What makes them again where they are.
pub(crate) async fn in_place(here: &Config, engines: &Engines) -> Result<Rebuild> {
    rebuild(here, engines, engines.vectors(), engines.search()).await
}

/// Writes every version in its place.
async fn again(index: Index, here: &Config, engines: &Engines) -> Result<Rebuilt> {
    let rebuild = in_place(here, engines).await?;
    let life = Lifecycle::with_signals().context("signals cannot be handled")?;
    let pool = postgres::pool(&here.postgres.direct().few(), "move-model")?;
    // Nobody serves with another model meanwhile: what is written would be found by nobody.
    let models = engines.models()?;
    let place = ModelPlace::wait(pool, models.main().model(), &life);
    let _place = place.await.context("given up")?;
    Ok(rebuild.pass(index, true).await?)
}

/// Fills an index beside the one that is asked, and changes over to it.
async fn change_over(here: &Config, engines: &Engines, beside: Arc<dyn Search>) -> Result<Rebuilt> {
    let rebuild = rebuild(here, engines, engines.vectors(), beside).await?;
    let mut done = Rebuilt::default();
    passes(async || {
        let found = rebuild.pass(Index::Search, false).await?;
        done.written += found.written;
        done.removed += found.removed;
        Ok(vec![compared(Index::Search, found)])
    })
    .await?;
    let search = engines.search();
    let last = rebuild
        .change_over(Index::Search, async || search.change_over().await)
        .await?;
    Ok(Rebuilt {
        written: done.written + last.written,
        removed: done.removed + last.removed,
        ..last
    })
}

/// What makes them, from the documents of these engines.
async fn rebuild(
    here: &Config,
    engines: &Engines,
    vectors: Arc<dyn Vectors>,
    search: Arc<dyn Search>,
) -> Result<Rebuild> {
    let host = ServiceHost::new(here, engines, &HERE);
    // Nobody calls them from outside.
    drop(host.build().await?);
    let deps = smartcourse_content::Dependencies {
        vectors,
        search,
        ..host.content().await?
    };
    let pool = postgres::pool(&here.postgres.unhurried(), "move-content")?;
    Ok(Rebuild::new(here, pool, deps)?)
}

async fn prepare(index: Index, source: &Engines, target: &Engines) -> Result<()> {
    match index {
        Index::Vectors => {
            let models = source.models()?;
            let (main, vectors) = (models.main(), target.vectors());
            vectors.prepare(main.model(), main.dimensions()).await?;
        }
        Index::Search => target.search().prepare().await?,
    }
    Ok(())
}

fn name(index: Index) -> &'static str {
    match index {
        Index::Vectors => "vectors",
        Index::Search => "search entries",
    }
}

fn compared(index: Index, found: Rebuilt) -> Compared {
    Compared {
        name: name(index).to_owned(),
        source: Sum::counted(found.expected),
        target: Sum::counted(found.held),
        written: found.written,
        removed: found.removed,
    }
}
