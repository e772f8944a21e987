//! The fonts of certificates: Google's Noto Sans for every script in wide use, from two packages on PyPI.
//!
//! The executable itself has Latin, Greek, Cyrillic and Hebrew letters. Without these fonts other names are printed in
//! Latin letters, so not getting them is a warning, never an error.

use std::path::{Path, PathBuf};

use super::wheel::{ANY, Wheel};
use super::{InstallError, nicety};
use crate::{DataDir, Progress};

const SCRIPTS: Wheel = Wheel {
    what: "the fonts of certificates",
    requirement: "manimgx-fonts==2026.9.26.post1",
    hashes: &[(
        ANY,
        "e5e21178263ddec3eef9414d2b52a1c90ac01062d3e9067460f3359f854c3e17",
    )],
    megabytes: 4,
    part: "manimgx_fonts",
    programs: None,
    name: "manimgx_fonts",
    otherwise: "name a directory of fonts in SMARTCOURSE_PROGRESS__FONTS_DIR",
};
const CHINESE_JAPANESE_KOREAN: Wheel = Wheel {
    requirement: "manimgx-fonts-cjk==2026.9.26.post1",
    hashes: &[(
        ANY,
        "05d5584c73877f37427cf0ca8067f5bacea2b596c7be79e8aedd634bb9f2b666",
    )],
    megabytes: 20,
    part: "manimgx_fonts_cjk",
    name: "manimgx_fonts_cjk",
    ..SCRIPTS
};
const WHEELS: [Wheel; 2] = [SCRIPTS, CHINESE_JAPANESE_KOREAN];

/// The directory of the fonts, if this machine has them all.
pub fn find_fonts(dir: &DataDir) -> Option<PathBuf> {
    let mut roots = dir.search_roots().into_iter().map(|root| root.join("fonts"));
    roots.find(|fonts| WHEELS.iter().all(|wheel| probe(fonts, wheel).is_ok()))
}

/// Finds the fonts or fetches them with pip; failing to is shown as a warning with its reason.
pub async fn ensure_fonts(dir: &DataDir, progress: &Progress) -> Option<PathBuf> {
    if let Some(found) = find_fonts(dir) {
        return Some(found);
    }
    let without = "without their fonts certificates have Latin, Greek, Cyrillic and Hebrew letters only";
    nicety(install(dir, progress).await, without, progress)
}

async fn install(dir: &DataDir, progress: &Progress) -> Result<PathBuf, InstallError> {
    let fonts = dir.root().join("fonts");
    for wheel in &WHEELS {
        let look = || std::future::ready(probe(&fonts, wheel));
        wheel.install(&fonts, progress, look).await?;
    }
    Ok(fonts)
}

/// What a wheel left. It was renamed into place, so it is whole when it is there.
fn probe(fonts: &Path, wheel: &Wheel) -> Result<(), String> {
    let there = fonts.join(wheel.name).is_dir();
    there.then_some(()).ok_or_else(|| "it has no fonts".to_owned())
}
