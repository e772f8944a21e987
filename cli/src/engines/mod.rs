//! `smartcourse engines`: what is kept moves to another engine, and what is searched is made again from the documents.

mod assignments;
mod compared;
mod documents;
mod events;
mod files;
mod indexes;
mod moving;

use std::{path::Path, process::ExitCode};

use anyhow::{Context as _, Result};
use assignments::Assignment;
use clap::ValueEnum;
pub(crate) use documents::{is_empty as no_documents, put};
pub(crate) use files::{copy, digest, is_empty as no_files};
pub(crate) use indexes::{in_place, make_again};
pub(crate) use moving::claim;
use smartcourse_content::Index;
use smartcourse_engines::Part;
use sqlx::{PgPool, Postgres, pool::PoolConnection};

/// What a move is called where it can be killed.
const MOVE: &str = "engines.move";
/// Advisory lock of whoever moves something or makes it again.
const LOCK: i64 = 0x5343_4d4f_5645;

/// What is done with the engines.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum Command {
    /// Copy what is kept to another engine while the platform serves, compare both, and say which setting to change.
    Move {
        what: What,
        /// A setting of the other engine, such as MONGODB_URL=mongodb://host or s3.bucket=files; MONGODB_URL= for what is built in.
        #[arg(long, value_name = "NAME=VALUE", required = true)]
        to: Vec<Assignment>,
    },
    /// Make what is searched again from the documents, while it is searched.
    Reindex {
        /// Both without it.
        what: Option<Searched>,
    },
}

/// What is moved.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum What {
    /// Contents, chunks and conversations.
    Documents,
    /// Uploads, the files of versions, old months of the event log.
    Files,
    /// Vectors, made from the documents.
    Vectors,
    /// Search entries, made from the documents.
    Search,
    /// The event log, with the months that went to the files.
    Events,
}

impl What {
    fn part(self) -> Part {
        match self {
            Self::Documents => Part::Documents,
            Self::Files => Part::Files,
            Self::Vectors => Part::Vectors,
            Self::Search => Part::Search,
            Self::Events => Part::Events,
        }
    }
}

/// What is searched.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Searched {
    /// Vectors.
    Vectors,
    /// Search entries.
    Search,
}

/// Does it.
pub(crate) async fn run(command: &Command, file: Option<&Path>) -> Result<ExitCode> {
    match command {
        Command::Move { what, to } => moving::run(what.part(), to, file).await,
        Command::Reindex { what } => {
            let all = [Index::Vectors, Index::Search];
            let indexes = match what {
                None => &all[..],
                Some(Searched::Vectors) => &all[..1],
                Some(Searched::Search) => &all[1..],
            };
            indexes::reindex(indexes, file).await
        }
    }
}

/// The turn of this process, until it is dropped: of two moves each would undo what the other has done.
pub(crate) async fn turn(pool: &PgPool) -> Result<PoolConnection<Postgres>> {
    let mut session = pool.acquire().await.context("the database does not answer")?;
    // Not of the pool any more: whatever happens to it, its lock goes with it.
    session.close_on_drop();
    let free: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
        .bind(LOCK)
        .fetch_one(&mut *session)
        .await?;
    anyhow::ensure!(
        free,
        "another `smartcourse engines`, `backup` or `restore` is at work: wait for its end"
    );
    Ok(session)
}
