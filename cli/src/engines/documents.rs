//! Documents, page by page on both sides, in the order of their keys.

use std::{cmp::Ordering, collections::VecDeque};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use smartcourse_platform::{Error, Result, fault, ports::documents::Documents};

use super::{
    MOVE,
    compared::{Compared, Sum, Ticker},
};

/// Every collection there is.
const COLLECTIONS: [&str; 3] = [
    smartcourse_course::DOCUMENTS,
    smartcourse_content::DOCUMENTS,
    smartcourse_assistant::DOCUMENTS,
];
/// Documents that are read by one question, and of those that are written at a time.
const PAGE: u32 = 32;
const AT_ONCE: usize = 8;

/// Whether there are none.
pub(crate) async fn is_empty(store: &dyn Documents) -> Result<bool> {
    for collection in COLLECTIONS {
        if !store.page(collection, "", 1).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Goes over both sides once, and makes the target what the source is.
pub(super) async fn pass(source: &dyn Documents, target: &dyn Documents) -> Result<Vec<Compared>> {
    let mut ticker = Ticker::new("documents compared");
    let mut all = Vec::new();
    for collection in COLLECTIONS {
        all.push(go_over(source, target, collection, &mut ticker).await?);
    }
    Ok(all)
}

async fn go_over(
    source: &dyn Documents,
    target: &dyn Documents,
    collection: &'static str,
    ticker: &mut Ticker,
) -> Result<Compared> {
    let mut compared = Compared {
        name: collection.to_owned(),
        ..Compared::default()
    };
    let (mut from, mut to) = (Pages::of(source, collection), Pages::of(target, collection));
    let mut lacking = Vec::new();
    loop {
        let order = match (from.first().await?, to.first().await?) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(ours), Some(theirs)) => ours.cmp(theirs),
        };
        ticker.tick();
        let ours = order.is_le().then(|| from.take(&mut compared.source)).flatten();
        let theirs = order.is_ge().then(|| to.take(&mut compared.target)).flatten();
        match (ours, theirs) {
            (Some((_, ours)), Some((_, theirs))) if ours == theirs => {}
            (Some(ours), _) => lacking.push(ours),
            (None, Some((key, _))) => {
                target.delete(collection, &key).await?;
                compared.removed += 1;
            }
            (None, None) => {}
        }
        if lacking.len() >= PAGE as usize {
            compared.written += put(target, collection, std::mem::take(&mut lacking), MOVE).await?;
        }
    }
    compared.written += put(target, collection, lacking, MOVE).await?;
    Ok(compared)
}

/// Writes documents for a command; answers how many.
pub(crate) async fn put(
    target: &dyn Documents,
    collection: &str,
    documents: Vec<(String, Value)>,
    command: &str,
) -> Result<u64> {
    let count = documents.len() as u64;
    let puts = documents.iter().map(async |(key, body)| {
        target.put(collection, key, body).await?;
        fault::point(command, "after_copy");
        Ok::<(), Error>(())
    });
    stream::iter(puts)
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    Ok(count)
}

/// A collection, read page by page.
struct Pages<'d> {
    store: &'d dyn Documents,
    collection: &'static str,
    ahead: VecDeque<(String, Value)>,
    last: String,
    ended: bool,
}

impl<'d> Pages<'d> {
    fn of(store: &'d dyn Documents, collection: &'static str) -> Self {
        Self {
            store,
            collection,
            ahead: VecDeque::new(),
            last: String::new(),
            ended: false,
        }
    }

    /// The key of the next document.
    async fn first(&mut self) -> Result<Option<&str>> {
        if self.ahead.is_empty() && !self.ended {
            let page = self.store.page(self.collection, &self.last, PAGE).await?;
            self.ended = page.len() < PAGE as usize;
            if let Some((key, _)) = page.last() {
                self.last.clone_from(key);
            }
            self.ahead = page.into();
        }
        Ok(self.ahead.front().map(|(key, _)| key.as_str()))
    }

    /// Takes the next document, and adds it to a sum.
    fn take(&mut self, sum: &mut Sum) -> Option<(String, Value)> {
        let (key, mut body) = self.ahead.pop_front()?;
        // The order of members is no part of a document.
        body.sort_all_objects();
        sum.add(&key, &Sha256::digest(body.to_string()).into());
        Some((key, body))
    }
}
