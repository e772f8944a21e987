//! What a sweep went over, and what it had to leave.

use smartcourse_platform::{Error, Result};

use crate::codes;

/// Counts them.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    done: usize,
    left: usize,
    first: Option<Error>,
}

impl Tally {
    /// One that cannot be removed does not keep the others from it.
    pub(crate) fn note(&mut self, what: &str, outcome: Result<()>) {
        match outcome {
            Ok(()) => self.done += 1,
            Err(error) => {
                tracing::warn!(what, error = %error.chain(), "left for the next sweep");
                self.left += 1;
                let detail = format!("{what} could not be removed");
                self.first
                    .get_or_insert(Error::new(&codes::UNAVAILABLE, detail).because(error));
            }
        }
    }

    pub(crate) fn finish(self) -> Result<usize> {
        let Some(first) = self.first else {
            return Ok(self.done);
        };
        let detail = format!(
            "{} of {} were left for the next sweep, first: {}",
            self.left,
            self.done + self.left,
            first.chain()
        );
        Err(Error::new(&codes::UNAVAILABLE, detail))
    }
}
