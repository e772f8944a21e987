//! The pieces of passages that can be quoted, and how close each is to the question.

use std::{collections::HashMap, ops::Range, sync::Arc};

use smartcourse_platform::{Error, Result, ports::embeddings::cosine};
use smartcourse_proto::content::Passage;
use smartcourse_text::UnitKind;

use super::Version;
use crate::{
    chunk::{piece_text, quotable, text_hash},
    ops::embed,
};

/// A piece of a passage.
pub(super) struct Piece {
    pub(super) range: Range<usize>,
    pub(super) kind: UnitKind,
    /// How alike it is to the question.
    pub(super) cosine: f64,
}

/// The pieces of each passage, in order. Their vectors were made when the version was published.
pub(super) async fn of(
    version: &Version<'_>,
    question: &[f32],
    passages: &[(Passage, f64)],
) -> Result<Vec<Vec<Piece>>> {
    let units = passages
        .iter()
        .map(|(passage, _)| quotable(&passage.text, &passage.heading));
    let units: Vec<_> = units.collect();
    let texts = passages.iter().zip(&units).flat_map(|((passage, _), units)| {
        let text = |unit| piece_text(&passage.lesson_title, &passage.heading, &passage.text, unit);
        units.iter().map(text)
    });
    let texts: HashMap<String, String> = texts.map(|text| (text_hash(&text), text)).collect();
    let vectors = vectors(version, texts).await?;
    let mut pieces = Vec::with_capacity(units.len());
    for ((passage, _), units) in passages.iter().zip(units) {
        let piece = |unit: smartcourse_text::Unit| {
            let text = piece_text(&passage.lesson_title, &passage.heading, &passage.text, &unit);
            let vector = vectors.get(&text_hash(&text))?;
            Some(Piece {
                range: unit.range,
                kind: unit.kind,
                cosine: version.embedder.similarity(cosine(question, vector)),
            })
        };
        let all: Option<Vec<Piece>> = units.into_iter().map(piece).collect();
        pieces.push(all.ok_or_else(|| Error::internal("the model answered fewer vectors than texts"))?);
    }
    Ok(pieces)
}

/// The vectors of texts, by hash. They recur from question to question, so they are kept at hand.
async fn vectors(
    version: &Version<'_>,
    texts: HashMap<String, String>,
) -> Result<HashMap<String, Arc<Vec<f32>>>> {
    let state = version.state;
    let key = |hash: &str| (version.embedder.model().to_owned(), hash.to_owned());
    let mut vectors = HashMap::with_capacity(texts.len());
    let mut others = HashMap::new();
    for (hash, text) in texts {
        match state.pieces.get(&key(&hash)).await {
            Some(vector) => drop(vectors.insert(hash, vector)),
            None => drop(others.insert(hash, text)),
        }
    }
    for (hash, vector) in embed::all(state, version.embedder.as_ref(), others).await? {
        let vector = Arc::new(vector);
        state.pieces.insert(key(&hash), Arc::clone(&vector)).await;
        vectors.insert(hash, vector);
    }
    Ok(vectors)
}
