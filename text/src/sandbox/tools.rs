//! Programs of others that read what is no text by itself.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::{Sandbox, child, confinement::OF_TOOLS};
use crate::{ExtractError, SourceKind};

/// The programs that are installed on this machine.
#[derive(Clone, Debug, Default)]
pub struct Tools {
    /// `tesseract`, which recognises text in pictures.
    pub(super) recognition: Option<Arc<Recognition>>,
    /// `ffprobe` and `ffmpeg`, which read recordings.
    pub(super) recordings: Option<Arc<Recordings>>,
}

/// A program that recognises text.
#[derive(Debug)]
pub(super) struct Recognition {
    pub(super) program: PathBuf,
    /// The languages it knows, by its names for them.
    pub(super) languages: Vec<String>,
}

/// Programs that read recordings.
#[derive(Debug)]
pub(super) struct Recordings {
    pub(super) probe: PathBuf,
    pub(super) convert: PathBuf,
}

impl Tools {
    /// Looks for them where the `PATH` says. One that is installed for a single user is none: who it will run as cannot
    /// read it.
    pub fn find() -> Self {
        let recognition = find("tesseract").map(|program| {
            let languages = languages(&program);
            Arc::new(Recognition { program, languages })
        });
        let recordings = || {
            Some(Arc::new(Recordings {
                probe: find("ffprobe")?,
                convert: find("ffmpeg")?,
            }))
        };
        Self {
            recognition: recognition.filter(|found| !found.languages.is_empty()),
            recordings: recordings(),
        }
    }

    /// Why a file of this kind has no text, if that is known without it: what would read it is not there.
    pub fn lack(&self, kind: SourceKind) -> Option<ExtractError> {
        match kind {
            SourceKind::Image if self.recognition.is_none() => Some(ExtractError::NoRecognition),
            SourceKind::Recording if self.recordings.is_none() => Some(ExtractError::NoTrack),
            _ => None,
        }
    }

    /// Their names, of those there are.
    pub fn names(&self) -> Vec<&'static str> {
        let all = [
            (self.recognition.is_some(), "tesseract"),
            (self.recordings.is_some(), "ffmpeg"),
        ];
        all.into_iter()
            .filter_map(|(is_there, name)| is_there.then_some(name))
            .collect()
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path).map(|directory| directory.join(name));
    let place = places.find(|place| place.is_file())?.canonicalize().ok()?;
    OF_TOOLS.iter().any(|of| place.starts_with(of)).then_some(place)
}

/// The languages that are installed for `tesseract`.
fn languages(program: &Path) -> Vec<String> {
    let listed = Command::new(program).arg("--list-langs").env_clear().output();
    let listed = listed.map(|listed| listed.stdout).unwrap_or_default();
    let lines = String::from_utf8_lossy(&listed);
    // The first line says where they are.
    lines.lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

impl Sandbox {
    /// What `program` prints with these arguments and `file` as its input, within the limits of a child and with no more
    /// than it needs. [`ExtractError::DamagedFile`] when it refuses the file.
    pub(super) async fn run_tool(
        &self,
        program: &Path,
        args: Vec<OsString>,
        file: &File,
    ) -> Result<Vec<u8>, ExtractError> {
        let mut all: Vec<OsString> = vec!["0".into(), child::TOOL.into(), program.into()];
        all.extend(args);
        let ended = self.child(all, file.try_clone()?.into(), &[]).await?;
        match ended.status.map(|status| status.code()) {
            Some(Some(0)) => Ok(ended.output),
            Some(Some(code)) if code == i32::from(child::NO_SUCH_TOOL) => {
                let name = program.display();
                Err(ExtractError::Io(format!("{name} cannot be started")))
            }
            Some(Some(_)) => Err(ExtractError::DamagedFile),
            _ => Err(ended.death),
        }
    }
}
