//! Which passages: two rankings, fused by rank.

use std::collections::{BTreeSet, HashMap};

use smartcourse_platform::{
    Result,
    ports::{Unit, vectors::Near},
};
use smartcourse_proto::content::Passage;

use super::Version;
use crate::{
    chunk::anchor,
    documents::{self, chunks_key},
    store::{self, LessonRow},
};

/// Candidates of each ranking.
pub(super) const CANDIDATES: u8 = 24;
/// How fast a rank loses weight: the usual constant of reciprocal rank fusion (Cormack, Clarke & Büttcher 2009).
const DAMPING: f64 = 60.0;

/// The [margin](Candidates::margin) of a version of so few chunks that none can stand out: that of most questions.
const MARGIN: f64 = 0.15;

/// The candidates of both rankings.
pub(super) struct Candidates {
    /// How alike each is to the question, the nearest first.
    near: Vec<(Unit, f64)>,
    /// The best first, each with its fused score.
    fused: Vec<(Unit, f64)>,
}

impl Version<'_> {
    /// The chunks nearest to a vector, and how alike they are to it. Vectors of different models never meet: a version whose
    /// model is not here is searched by its words only.
    pub(super) async fn nearest(&self, vector: &[f32]) -> Result<Vec<(Unit, f64)>> {
        if !self.has_vectors {
            return Ok(Vec::new());
        }
        let vectors = &self.state.deps.vectors;
        let near = vectors
            .nearest(self.embedder.model(), self.id, vector, CANDIDATES.into())
            .await?;
        let alike = |near: Near| (near.unit, self.embedder.similarity(near.score));
        Ok(near.into_iter().map(alike).collect())
    }
}

impl Candidates {
    pub(super) fn of(near: Vec<(Unit, f64)>, by_words: &[(Unit, f32)]) -> Self {
        let mut scores: HashMap<&Unit, f64> = HashMap::new();
        let near_units = near.iter().map(|(unit, _)| unit);
        let with_words = by_words.iter().map(|(unit, _)| unit);
        for ranking in [near_units.collect::<Vec<_>>(), with_words.collect()] {
            for (rank, unit) in (1_u32..).zip(ranking) {
                *scores.entry(unit).or_default() += 1.0 / (DAMPING + f64::from(rank));
            }
        }
        let mut fused: Vec<(Unit, f64)> = scores
            .into_iter()
            .map(|(unit, score)| (unit.clone(), score))
            .collect();
        fused.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Self { near, fused }
    }

    /// How alike a chunk is to the question; one that is not among the nearest, as the last of these.
    fn similarity(&self, unit: &Unit) -> f64 {
        let found = self
            .near
            .iter()
            .find(|(near, _)| near == unit)
            .or(self.near.last());
        found.map_or(0.0, |(_, similarity)| *similarity)
    }

    /// How much closer the nearest chunk is than those that are about the same subject at best, the fourth to the eighth: a
    /// question that the course answers stands out.
    pub(super) fn margin(&self) -> f64 {
        let similarities: Vec<f64> = self.near.iter().map(|(_, similarity)| *similarity).collect();
        match &similarities[..] {
            [first, _, _, others @ ..] if !others.is_empty() => {
                let others = &others[..others.len().min(5)];
                first - others.iter().sum::<f64>() / others.len() as f64
            }
            _ => MARGIN,
        }
    }
}

/// The text of the best chunks and where it stands, each with how alike it is; a chunk that is gone is left out.
pub(super) async fn load(
    version: &Version<'_>,
    candidates: &Candidates,
    limit: usize,
) -> Result<Vec<(Passage, f64)>> {
    let (state, id) = (version.state, version.id);
    let best = &candidates.fused[..candidates.fused.len().min(limit)];
    let ids: BTreeSet<&str> = best.iter().map(|(unit, _)| unit.lesson_id.as_str()).collect();
    let keys: Vec<String> = ids.iter().map(|lesson| chunks_key(id, lesson)).collect();
    let chunks = documents::chunks_by_key(state.deps.documents.as_ref(), &keys).await?;
    let ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
    let rows = store::lessons_of(&state.pool, id, &ids).await?;
    let rows: HashMap<&str, &LessonRow> = rows.iter().map(|row| (row.lesson_id.as_str(), row)).collect();
    let passage = |(unit, score): &(Unit, f64)| {
        let row = rows.get(unit.lesson_id.as_str())?;
        let chunk = chunks
            .get(&chunks_key(id, &unit.lesson_id))?
            .iter()
            .find(|chunk| anchor(chunk.ordinal) == unit.anchor)?;
        let passage = Passage {
            score: *score,
            ..chunk.clone().into_passage(row, id)
        };
        Some((passage, candidates.similarity(unit)))
    };
    Ok(best.iter().filter_map(passage).collect())
}
