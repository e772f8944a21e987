//! The settings of certificates.

use std::path::PathBuf;

use serde::Deserialize;
use smartcourse_platform::config::{Declared, Problems, Reader, Section};

/// What is declared here.
pub const CONFIG: Declared = Declared::of(include_str!("config.toml"), &[Reader::of::<Progress>()]);

/// `[progress]`
#[derive(Debug, Clone, Deserialize)]
pub struct Progress {
    /// Directory of the fonts of certificates.
    pub fonts_dir: PathBuf,
}

impl Section for Progress {
    const NAME: &'static str = "progress";

    fn check(&self, _: &mut Problems) {}
}
