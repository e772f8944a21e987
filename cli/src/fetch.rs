//! `smartcourse fetch`: the embedding model and the fonts of certificates into a directory, for images and machines without a network.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use smartcourse_launcher::{DataDir, Progress, ensure_fonts, ensure_model};

/// Arguments of `fetch`.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "FetchArgs")]
pub(crate) struct Args {
    /// A data directory; the files are in `models` and `fonts` of it.
    directory: PathBuf,
}

/// Fetches what is missing, by hashes, and prints where it is; fails unless all of it is there.
pub(crate) async fn run(args: &Args) -> Result<ExitCode> {
    let data_dir = DataDir::open(&args.directory)?;
    let progress = Progress::auto();
    let (model, fonts) = tokio::join!(
        ensure_model(&data_dir, &progress),
        ensure_fonts(&data_dir, &progress)
    );
    let model = model.context("the embedding model could not be fetched")?;
    let fonts = fonts.context("the fonts of certificates could not be fetched")?;
    crate::print(&format!(
        "SMARTCOURSE_CONTENT__MODEL_DIR={}\nSMARTCOURSE_PROGRESS__FONTS_DIR={}\n",
        model.display(),
        fonts.display()
    ))
}
