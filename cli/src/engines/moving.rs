//! A move: the target is made what the source is, by passes over both sides until one finds nothing to do. What both sides have is
//! all the state there is, so that a move that was killed goes on when it is run again.

use std::{path::Path, process::ExitCode};

use anyhow::{Context as _, Result};
use smartcourse_engines::{Claim, Engines, Part};
use smartcourse_platform::postgres;

use super::{
    assignments::{self, Assignment},
    compared::{Compared, passes},
    documents, events, files, indexes, turn,
};
use crate::{config, roles, telemetry};

/// Moves a part of what is kept.
pub(super) async fn run(part: Part, to: &[Assignment], file: Option<&Path>) -> Result<ExitCode> {
    let declared = config::declared();
    let to = to.iter().map(|one| one.variable(&declared, part));
    let to: Vec<(String, String)> = to.collect::<Result<_>>()?;
    let here = config::load(file, &[])?;
    let _sending = telemetry::init(&here.telemetry, "command")?;
    let there = config::load(file, &to).context("with the settings of --to")?;
    let pool = postgres::pool(&here.postgres.unhurried(), "move")?;
    let _turn = turn(&pool).await?;
    let (source, target) = (Engines::open(&here)?, Engines::open(&there)?);
    let (from, into) = (source.place(part)?, target.place(part)?);
    let what = part.as_text();
    anyhow::ensure!(
        from != into,
        "{what} are in {from} by the configuration in force already: --to names the other place"
    );
    tracing::info!("{what} move from {from} to {into}");
    let mut running = roles::running(&pool).await?;
    let compared = match part {
        Part::Documents => {
            let (ours, theirs) = (source.documents(), target.documents());
            theirs.prepare().await?;
            claim(&source, part, &into, documents::is_empty(theirs.as_ref()).await?).await?;
            passes(async || Ok(documents::pass(ours.as_ref(), theirs.as_ref()).await?)).await?
        }
        Part::Files => {
            let (ours, theirs) = (source.files()?, target.files()?);
            theirs.prepare().await?;
            claim(&source, part, &into, files::is_empty(theirs.as_ref()).await?).await?;
            let mut both = files::Comparison::new(ours, theirs);
            passes(async || Ok(both.pass().await?)).await?
        }
        Part::Vectors | Part::Search => indexes::fill(part, &here, &source, &target).await?,
        Part::Events => {
            target.event_log().prepare().await?;
            events::bring(&pool, &source, &target).await?
        }
    };
    running.extend(roles::running(&pool).await?);
    let lines: String = compared.iter().map(Compared::told).collect();
    let same = compared.iter().all(Compared::agrees);
    crate::print(&format!(
        "{lines}{}",
        next(what, (&from, &into), same, &running, &to)
    ))?;
    Ok(match same {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Sees to it that nothing is overwritten but what a move, a restore, or a use that is over, has left.
pub(crate) async fn claim(engines: &Engines, part: Part, into: &str, is_empty: bool) -> Result<()> {
    let what = part.as_text();
    match engines.claim(part, into, is_empty).await? {
        Claim::Granted => Ok(()),
        Claim::InUse => anyhow::bail!(
            "{into} is where the roles that were started last keep {what}, and {} is not: moving there would overwrite what is in \
             use. Run this with the settings of the roles",
            engines.place(part)?
        ),
        Claim::Foreign => anyhow::bail!(
            "{into} has {what} that no move or restore has brought there, and they would be overwritten: empty it first, if nobody needs them"
        ),
    }
}

/// What is to be done next.
fn next(
    what: &str,
    (from, into): (&str, &str),
    same: bool,
    running: &[String],
    to: &[(String, String)],
) -> String {
    let settings = assignments::shown(to);
    match (same, running.is_empty()) {
        (true, true) => format!(
            "\nNo role runs, so these are all {what} there are. Set for every role and command\n{settings}\
             and start the roles. Nothing was removed from {from}.\n"
        ),
        (_, false) => format!(
            "\nRoles run, and what they write from now on goes to {from} still. Stop every role, run this command again – it compares \
             both sides and brings what is missing – and set for every role and command what it says then:\n{settings}"
        ),
        (false, true) => format!(
            "\nBoth sides differ although no role is connected to the database: something else writes to {from} or {into}. \
             Run this command again.\n"
        ),
    }
}
