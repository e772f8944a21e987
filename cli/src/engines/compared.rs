//! What a pass over both sides found, and how that is told.

use std::time::{Duration, Instant};

use anyhow::Result;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// Passes at most: while people write, there is always something to do.
const PASSES: u32 = 5;
/// How often a long pass says how far it is.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// How many one side has, and what they are: a checksum over keys and contents in the order of the keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Sum {
    pub(super) count: u64,
    hash: Sha256,
}

impl Sum {
    /// So many, of whose contents nothing is known.
    pub(super) fn counted(count: u64) -> Self {
        Self {
            count,
            hash: Sha256::new(),
        }
    }

    /// Takes in what comes next.
    pub(super) fn add(&mut self, key: &str, content: &[u8; 32]) {
        self.count += 1;
        self.hash.update((key.len() as u64).to_be_bytes());
        self.hash.update(key);
        self.hash.update(content);
    }

    fn checksum(&self) -> String {
        HEXLOWER.encode(&self.hash.clone().finalize()[..16])
    }
}

/// A part of what moves, on both sides.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) name: String,
    pub(super) source: Sum,
    pub(super) target: Sum,
    /// Written to the target, and removed from it.
    pub(super) written: u64,
    pub(super) removed: u64,
}

impl Compared {
    /// Whether there was something to do.
    pub(super) fn changed(&self) -> bool {
        self.written + self.removed > 0
    }

    /// Whether both sides have the same.
    pub(super) fn agrees(&self) -> bool {
        !self.changed()
            && self.source.count == self.target.count
            && self.source.checksum() == self.target.checksum()
    }

    /// A line of it.
    pub(super) fn told(&self) -> String {
        let Self {
            name, source, target, ..
        } = self;
        let side = |sum: &Sum| format!("{:>9}  {}", sum.count, sum.checksum());
        match (self.changed(), self.agrees()) {
            (true, _) => format!(
                "{name:<24} still changing: {} written and {} removed by the last pass\n",
                self.written, self.removed
            ),
            (_, true) => format!("{name:<24} {}  the same on both sides\n", side(source)),
            _ => format!(
                "{name:<24} {}  here\n{:<24} {}  there\n",
                side(source),
                "",
                side(target)
            ),
        }
    }
}

/// Says from time to time how far a pass is.
pub(super) struct Ticker {
    what: &'static str,
    done: u64,
    last: Instant,
}

impl Ticker {
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            what,
            done: 0,
            last: Instant::now(),
        }
    }

    /// One more is done.
    pub(super) fn tick(&mut self) {
        self.done += 1;
        if self.last.elapsed() > SIGN_OF_LIFE {
            tracing::info!("{} {}", self.done, self.what);
            self.last = Instant::now();
        }
    }
}

/// Goes over both sides until there is nothing to do.
pub(super) async fn passes(mut pass: impl AsyncFnMut() -> Result<Vec<Compared>>) -> Result<Vec<Compared>> {
    let mut number = 1;
    loop {
        let compared = pass().await?;
        let sum = |of: fn(&Compared) -> u64| compared.iter().map(of).sum::<u64>();
        tracing::info!(
            there = sum(|part| part.source.count),
            written = sum(|part| part.written),
            removed = sum(|part| part.removed),
            "pass {number}"
        );
        if number == PASSES || !compared.iter().any(Compared::changed) {
            return Ok(compared);
        }
        number += 1;
    }
}
