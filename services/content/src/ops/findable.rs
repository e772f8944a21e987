//! Whether readers will find each lesson of a version: questions made of its own words are asked of the new index before the
//! version is live. An instructor is warned of a lesson that none of them finds, or of which nothing could be answered.

use std::collections::HashMap;

use smartcourse_platform::{
    Result,
    ports::{Unit, search::Entry},
};
use smartcourse_proto::{course::Warning, ids::VersionId};

use super::embed;
use crate::{
    State,
    chunk::{piece_text, quotable, text_hash},
    store::{self, LessonRow},
};

/// Units that an answer looks at: what comes after them is not found.
const LOOKED_AT: u8 = 6;
/// Words of a sentence that is asked for, at most.
const WORDS: usize = 40;
/// Titles that a warning names.
const NAMED: usize = 3;

/// Warnings of lessons that cannot be found or answered from, by the entries that were written; a lesson without a text has one already.
pub(crate) async fn warnings(state: &State, version: VersionId, entries: &[Entry]) -> Result<Vec<Warning>> {
    let rows = store::lessons(&state.pool, version).await?;
    let embedder = state.embedder(&state.pool, version).await?;
    let probes = Probes {
        state,
        version,
        model: embedder.model(),
        rows: rows.iter().map(|row| (row.lesson_id.as_str(), row)).collect(),
    };
    let mut warnings = Vec::new();
    for lesson in entries.chunk_by(|a, b| a.unit.lesson_id == b.unit.lesson_id) {
        // The course's own entry has none.
        if let Some(row) = probes.rows.get(lesson[0].unit.lesson_id.as_str()) {
            warnings.extend(probes.lesson(row, lesson).await?);
        }
    }
    Ok(warnings)
}

/// An index that is asked.
struct Probes<'s> {
    state: &'s State,
    version: VersionId,
    model: &'s str,
    rows: HashMap<&'s str, &'s LessonRow>,
}

impl Probes<'_> {
    async fn lesson(&self, row: &LessonRow, entries: &[Entry]) -> Result<Option<Warning>> {
        let warning = |code: &str, message: String| Warning {
            lesson_id: row.lesson_id.clone(),
            code: code.to_owned(),
            message,
        };
        let Some(sentence) = Sentence::of(entries) else {
            let message = "it has only headings, questions or single words, which answer nothing";
            return Ok(Some(warning("nothing_to_quote", message.to_owned())));
        };
        let is_found = |units: &[Unit]| units.iter().any(|unit| unit.lesson_id == row.lesson_id);
        let by_title = self.by_words(&row.title).await?;
        if is_found(&by_title)
            || is_found(&self.by_words(&sentence.words).await?)
            || is_found(&self.by_meaning(&sentence.embedded).await?)
        {
            return Ok(None);
        }
        let message = format!(
            "its title and its own sentences find others first: {}",
            self.named(row, &by_title)
        );
        Ok(Some(warning("hard_to_find", message)))
    }

    async fn by_words(&self, question: &str) -> Result<Vec<Unit>> {
        let search = &self.state.deps.search;
        let ranked = search
            .rank(question, &|_| true, self.version, LOOKED_AT.into())
            .await?;
        Ok(ranked.units.into_iter().map(|(unit, _)| unit).collect())
    }

    /// What is nearest to a text whose vector was made for the version.
    async fn by_meaning(&self, text: &str) -> Result<Vec<Unit>> {
        let hash = text_hash(text);
        let known = embed::known(&self.state.pool, self.model, std::slice::from_ref(&hash)).await?;
        let Some(vector) = known.get(&hash) else {
            return Ok(Vec::new());
        };
        let vectors = &self.state.deps.vectors;
        let near = vectors
            .nearest(self.model, self.version, vector, LOOKED_AT.into())
            .await?;
        Ok(near.into_iter().map(|near| near.unit).collect())
    }

    /// The lessons that are found instead, and what they have in common with this one.
    fn named(&self, row: &LessonRow, units: &[Unit]) -> String {
        let mut titles: Vec<String> = Vec::new();
        for other in units
            .iter()
            .filter_map(|unit| self.rows.get(unit.lesson_id.as_str()))
        {
            let same = match other.source_hash == row.source_hash {
                true => " (the same text)",
                false => "",
            };
            let title = format!("“{}”{same}", other.title);
            if !titles.contains(&title) {
                titles.push(title);
            }
        }
        titles.truncate(NAMED);
        titles.join(", ")
    }
}

/// What a lesson says most about in one sentence.
struct Sentence {
    words: String,
    /// As its vector was made of it.
    embedded: String,
}

impl Sentence {
    /// The longest that can be quoted; `None` when nothing can.
    fn of(entries: &[Entry]) -> Option<Self> {
        let sentences = entries.iter().flat_map(|entry| {
            let units = quotable(&entry.body, &entry.heading).into_iter();
            units.map(move |unit| (entry, unit))
        });
        let (entry, unit) = sentences.max_by_key(|(entry, unit)| {
            let words = entry.body[unit.range.clone()].split_whitespace().count();
            if words > WORDS { 1 } else { words }
        })?;
        Some(Self {
            words: entry.body[unit.range.clone()].to_owned(),
            embedded: piece_text(&entry.title, &entry.heading, &entry.body, &unit),
        })
    }
}
