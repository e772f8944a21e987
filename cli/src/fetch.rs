//! `smartcourse fetch`: the embedding models and the fonts of certificates into a directory, for images and machines without a
//! network; and the model that is fetched when the first course needs it.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result};
use futures::FutureExt as _;
use smartcourse_engines::embeddings::embedded::Fetch;
use smartcourse_launcher::{
    DataDir, Progress, ensure_fonts, ensure_model, install_multilingual_model, multilingual_model,
};

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
    let multilingual = multilingual_model(&data_dir);
    let (model, installed, fonts) = tokio::join!(
        ensure_model(&data_dir, &progress),
        install_multilingual_model(&multilingual, &progress),
        ensure_fonts(&data_dir, &progress)
    );
    installed?;
    let model = model.context("the embedding model could not be fetched")?;
    let fonts = fonts.context("the fonts of certificates could not be fetched")?;
    crate::print(&format!(
        "SMARTCOURSE_CONTENT__MODEL_DIR={}\nSMARTCOURSE_CONTENT__MULTILINGUAL_MODEL_DIR={}\n\
         SMARTCOURSE_PROGRESS__FONTS_DIR={}\n",
        model.display(),
        multilingual.display(),
        fonts.display()
    ))
}

/// What fetches the model for other languages than English.
pub(crate) fn multilingual() -> Fetch {
    Arc::new(|directory| {
        async move {
            let fetched = install_multilingual_model(&directory, &Progress::plain()).await;
            fetched.map_err(|error| error.to_string())
        }
        .boxed()
    })
}
