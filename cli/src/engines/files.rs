//! Files, each compared by its bytes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use smartcourse_platform::{
    Error, Result,
    error::codes,
    fault,
    ports::files::{Files, Stored},
};

use super::{
    MOVE,
    compared::{Compared, Ticker},
};

/// Files that are read at once.
const AT_ONCE: usize = 4;

/// Whether there are none.
pub(crate) async fn is_empty(store: &dyn Files) -> Result<bool> {
    Ok(store.list().try_next().await?.is_none())
}

/// Both sides, and what this process has compared of them.
pub(super) struct Comparison {
    source: Arc<dyn Files>,
    target: Arc<dyn Files>,
    known: HashMap<String, Same>,
}

/// A file that was the same on both sides.
#[derive(Clone)]
struct Same {
    /// As it was listed on either side then.
    listed: (Stored, Stored),
    digest: [u8; 32],
}

/// What became of a file.
enum Outcome {
    Same(Box<Same>),
    Written,
    Removed,
}

impl Comparison {
    pub(super) fn new(source: Arc<dyn Files>, target: Arc<dyn Files>) -> Self {
        Self {
            source,
            target,
            known: HashMap::new(),
        }
    }

    /// Goes over both sides once, and makes the target what the source is.
    pub(super) async fn pass(&mut self) -> Result<Vec<Compared>> {
        let (from, to) = (
            list(self.source.as_ref()).await?,
            list(self.target.as_ref()).await?,
        );
        let keys: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
        let mut ticker = Ticker::new("files compared");
        let mut outcomes = stream::iter(keys)
            .map(async |key| Ok::<_, Error>((key, self.bring(key, from.get(key), to.get(key)).await?)))
            .buffered(AT_ONCE);
        let mut parts: BTreeMap<&str, Compared> = BTreeMap::new();
        let mut known = HashMap::new();
        // In the order of the keys.
        while let Some((key, outcome)) = outcomes.try_next().await? {
            ticker.tick();
            let name = key.split('/').next().unwrap_or_default();
            let part = parts.entry(name).or_insert_with(|| Compared {
                name: name.to_owned(),
                ..Compared::default()
            });
            match outcome {
                Outcome::Same(same) => {
                    part.source.add(key, &same.digest);
                    part.target.add(key, &same.digest);
                    known.insert(key.clone(), *same);
                }
                Outcome::Written => part.written += 1,
                Outcome::Removed => part.removed += 1,
            }
        }
        drop(outcomes);
        let parts = parts.into_values().collect();
        self.known = known;
        Ok(parts)
    }

    /// Makes a file of the target what it is in the source.
    async fn bring(&self, key: &str, from: Option<&Stored>, to: Option<&Stored>) -> Result<Outcome> {
        let Some(from) = from else {
            self.target.delete(key).await?;
            return Ok(Outcome::Removed);
        };
        if let Some(to) = to.filter(|to| to.size == from.size) {
            let listed = (from.clone(), to.clone());
            if let Some(same) = self.known.get(key).filter(|same| same.listed == listed) {
                return Ok(Outcome::Same(Box::new(same.clone())));
            }
            let (ours, theirs) = tokio::try_join!(
                digest(self.source.as_ref(), key),
                digest(self.target.as_ref(), key)
            )?;
            if let (Some(ours), Some(theirs)) = (ours, theirs)
                && ours == theirs
            {
                return Ok(Outcome::Same(Box::new(Same { listed, digest: ours })));
            }
        }
        // If it was removed since it was listed, the next pass finds that out.
        copy((self.source.as_ref(), key), (self.target.as_ref(), key), MOVE).await?;
        Ok(Outcome::Written)
    }
}

/// Copies a file for a command, if it is there still.
pub(crate) async fn copy(
    (from, key): (&dyn Files, &str),
    (to, new_key): (&dyn Files, &str),
    command: &str,
) -> Result<()> {
    let mut bytes = match from.read(key).await {
        Err(error) if error.is(&codes::NOT_FOUND) => return Ok(()),
        other => other?,
    };
    let mut file = to.write(new_key).await?;
    while let Some(part) = bytes.try_next().await? {
        file.write(part).await?;
    }
    file.finish().await?;
    fault::point(command, "after_copy");
    Ok(())
}

async fn list(store: &dyn Files) -> Result<BTreeMap<String, Stored>> {
    store
        .list()
        .map_ok(|file| (file.key.clone(), file))
        .try_collect()
        .await
}

/// What a file has in it; `None` when it is gone.
pub(crate) async fn digest(store: &dyn Files, key: &str) -> Result<Option<[u8; 32]>> {
    let mut bytes = match store.read(key).await {
        Err(error) if error.is(&codes::NOT_FOUND) => return Ok(None),
        other => other?,
    };
    let mut hash = Sha256::new();
    while let Some(part) = bytes.try_next().await? {
        hash.update(&part);
    }
    Ok(Some(hash.finalize().into()))
}
