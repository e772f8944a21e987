//! Processes that stand still at a point until the test lets them go on.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::wait_for;

/// A point at which a process is to stand still. The file is there from when it does, and as long as it does.
#[derive(Debug)]
pub struct Hold {
    point: String,
    file: PathBuf,
}

impl Hold {
    /// At this point, such as `engines.move.after_copy`, by a file that is not there yet.
    pub fn at(point: &str, file: &Path) -> Self {
        Self {
            point: point.to_owned(),
            file: file.to_owned(),
        }
    }

    /// What the process is to have in its environment.
    ///
    /// # Errors
    /// When the name of the file is no text.
    pub fn variables(&self) -> Result<[(&str, &str); 2]> {
        let file = self.file.to_str().context("a file of the tests has a name")?;
        Ok([
            ("SMARTCOURSE_HOLD_AT", self.point.as_str()),
            ("SMARTCOURSE_HOLD_FILE", file),
        ])
    }

    /// Whether the process stands there.
    pub fn is_reached(&self) -> bool {
        self.file.exists()
    }

    /// Waits until it does.
    ///
    /// # Errors
    /// When it does not come there.
    pub async fn reached(&self) -> Result<()> {
        wait_for(&self.point, async || {
            Ok(if self.is_reached() {
                Ok(())
            } else {
                Err("on its way".to_owned())
            })
        })
        .await
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it does not stand there.
    pub fn release(self) -> Result<()> {
        Ok(std::fs::remove_file(&self.file)?)
    }
}
