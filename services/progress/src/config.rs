//! The settings of certificates.

use std::path::PathBuf;

use serde::Deserialize;
use smartcourse_platform::config::{Declared, Problems, Section};

/// The sections declared here.
pub const CONFIG: [Declared; 1] = [Declared::of::<Progress>()];

/// `[progress]`
#[derive(Debug, Clone, Deserialize)]
pub struct Progress {
    /// Directory of the fonts of certificates.
    pub fonts_dir: PathBuf,
}

impl Section for Progress {
    const NAME: &'static str = "progress";
    const DEFAULTS: &'static str = r#"# Directory of the fonts of certificates, read with all below it; without them only Latin, Greek, Cyrillic and Hebrew print.
fonts_dir = "./fonts"
"#;

    fn check(&self, _: &mut Problems) {}
}
