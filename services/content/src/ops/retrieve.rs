//! The passages of a version that fit a question: by meaning and by words, fused by rank.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use smartcourse_platform::{
    Error, Result,
    error::Problems,
    ports::{
        Unit,
        embeddings::{Purpose, cosine},
    },
};
use smartcourse_proto::{
    content::{Passage, Passages, RetrieveRequest, SentenceScore},
    ids::VersionId,
    limits,
};

use crate::{
    State,
    chunk::{anchor, text_hash},
    codes,
    documents::{self, chunks_key},
    store::{self, LessonRow},
};

/// Passages when the caller does not say, and at most.
const DEFAULT_PASSAGES: usize = 6;
const MAX_PASSAGES: usize = 24;
/// Candidates of each ranking.
const CANDIDATES: u8 = 24;
/// How fast a rank loses weight: the usual constant of reciprocal rank fusion.
const DAMPING: f64 = 60.0;
/// Meaning counts twice as much as words.
const BY_MEANING: f64 = 2.0;
const BY_WORDS: f64 = 1.0;
/// Words of a sentence that can answer something: headings and tables of numbers cannot.
const SENTENCE_WORDS: std::ops::RangeInclusive<usize> = 4..=60;

pub(crate) async fn retrieve(state: &State, request: RetrieveRequest) -> Result<Passages> {
    Problems::only_text("question", &request.question, limits::RETRIEVED)?;
    let limit = match usize::try_from(request.limit) {
        Ok(asked @ 1..) => asked.min(MAX_PASSAGES),
        _ => DEFAULT_PASSAGES,
    };
    let version = VersionId::new(request.course_id, request.version);
    let used = sqlx::query_scalar!(
        "select model from content.versions where course_id = $1 and version = $2 and state = 'open'",
        version.course_id.0,
        version.version
    )
    .fetch_optional(&state.pool)
    .await?;
    let missing = || {
        Error::new(
            &codes::NOT_FOUND,
            format!("there is no version {}", version.version),
        )
    };
    let used = used.ok_or_else(missing)?;
    let question = request.question.replace('\0', " ");
    let model = state.deps.embedder.model();
    // Ranking by words is work of the database: it goes on while the model is at the question.
    let by_meaning = async {
        let asked = vec![question.clone()];
        let embedded = state.deps.embedder.embed(Purpose::Query, asked).await?.pop();
        let embedded = embedded.ok_or_else(|| Error::internal("the model answered no vector"))?;
        // Vectors of different models never meet: a version of another model is searched by its words only.
        if used != model {
            return Ok((embedded, Vec::new()));
        }
        let nearest = state
            .deps
            .vectors
            .nearest(model, version, &embedded, CANDIDATES.into());
        let near = nearest.await?;
        Ok((embedded, near))
    };
    let by_words = state.deps.search.rank(&question, version, CANDIDATES.into());
    let ((embedded, near), ranked) = tokio::try_join!(by_meaning, by_words)?;
    let near: Vec<Unit> = near.into_iter().map(|near| near.unit).collect();
    let ranked: Vec<Unit> = ranked.into_iter().map(|(unit, _)| unit).collect();
    let mut best = fuse(&[(BY_MEANING, &near), (BY_WORDS, &ranked)]);
    best.truncate(limit);
    let mut items = load(state, version, best).await?;
    score_sentences(state, &embedded, &mut items).await?;
    Ok(Passages {
        items,
        model: model.to_owned(),
        refuse_below: state.deps.embedder.refuse_below(),
    })
}

/// Reciprocal rank fusion: each ranking gives a unit its weight over damping plus rank. Best first; ties by place.
fn fuse(rankings: &[(f64, &[Unit])]) -> Vec<(Unit, f64)> {
    let mut scores: HashMap<Unit, f64> = HashMap::new();
    for (weight, ranking) in rankings {
        for (rank, unit) in (1_u32..).zip(ranking.iter()) {
            *scores.entry(unit.clone()).or_default() += weight / (DAMPING + f64::from(rank));
        }
    }
    let mut fused: Vec<(Unit, f64)> = scores.into_iter().collect();
    fused.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    fused
}

/// Fetches the text of chunks and where it stands; a chunk that is gone is left out.
async fn load(state: &State, version: VersionId, best: Vec<(Unit, f64)>) -> Result<Vec<Passage>> {
    let ids: BTreeSet<&str> = best.iter().map(|(unit, _)| unit.lesson_id.as_str()).collect();
    let keys: Vec<String> = ids.iter().map(|id| chunks_key(version, id)).collect();
    let chunks = documents::chunks_by_key(state.deps.documents.as_ref(), &keys).await?;
    let ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
    let rows = store::lessons_of(&state.pool, version, &ids).await?;
    let rows: HashMap<&str, &LessonRow> = rows.iter().map(|row| (row.lesson_id.as_str(), row)).collect();
    let passage = |(unit, score): (Unit, f64)| {
        let row = rows.get(unit.lesson_id.as_str())?;
        let chunk = chunks
            .get(&chunks_key(version, &unit.lesson_id))?
            .iter()
            .find(|chunk| anchor(chunk.ordinal) == unit.anchor)?;
        Some(Passage {
            lesson_title: row.title.clone(),
            module_title: row.module_title.clone(),
            version: version.version,
            page: chunk.page,
            start_seconds: chunk.start_seconds,
            heading: chunk.heading.clone(),
            text: chunk.text.clone(),
            score,
            sentences: Vec::new(),
            lesson_id: unit.lesson_id,
        })
    };
    Ok(best.into_iter().filter_map(passage).collect())
}

/// A sentence of a passage, as the model sees it.
struct Sentence {
    passage: usize,
    start: u32,
    end: u32,
    text: String,
}

fn sentences(passages: &[Passage]) -> Vec<Sentence> {
    let mut found = Vec::new();
    for (index, passage) in passages.iter().enumerate() {
        for range in smartcourse_text::sentences(&passage.text) {
            let sentence = &passage.text[range.clone()];
            let (Ok(start), Ok(end)) = (u32::try_from(range.start), u32::try_from(range.end)) else {
                continue;
            };
            if SENTENCE_WORDS.contains(&sentence.split_whitespace().count()) {
                let text = match passage.heading.as_str() {
                    "" => sentence.to_owned(),
                    heading => format!("{heading}: {sentence}"),
                };
                found.push(Sentence {
                    passage: index,
                    start,
                    end,
                    text,
                });
            }
        }
    }
    found
}

/// Fills in how close each sentence is to the question. Sentences recur from question to question, so their vectors
/// are kept at hand.
async fn score_sentences(state: &State, question: &[f32], passages: &mut [Passage]) -> Result<()> {
    let sentences = sentences(passages);
    let mut vectors: HashMap<String, Arc<Vec<f32>>> = HashMap::new();
    let mut unknown: Vec<(String, String)> = Vec::new();
    let hashes = sentences.iter().map(|sentence| text_hash(&sentence.text));
    let hashes: Vec<String> = hashes.collect();
    for (sentence, hash) in sentences.iter().zip(&hashes) {
        match state.sentences.get(hash).await {
            Some(vector) => drop(vectors.insert(hash.clone(), vector)),
            None => unknown.push((hash.clone(), sentence.text.clone())),
        }
    }
    if !unknown.is_empty() {
        let (names, texts): (Vec<String>, Vec<String>) = unknown.into_iter().unzip();
        for (hash, vector) in names.into_iter().zip(embed_all(state, texts).await?) {
            let vector = Arc::new(vector);
            state.sentences.insert(hash.clone(), Arc::clone(&vector)).await;
            vectors.insert(hash, vector);
        }
    }
    for (sentence, hash) in sentences.iter().zip(&hashes) {
        let vector = vectors
            .get(hash)
            .ok_or_else(|| Error::internal("the model answered fewer vectors than texts"))?;
        let score = SentenceScore {
            start: sentence.start,
            end: sentence.end,
            cosine: cosine(question, vector).into(),
        };
        passages[sentence.passage].sentences.push(score);
    }
    Ok(())
}

/// Embeds any number of texts, in as many calls as the model wants.
async fn embed_all(state: &State, mut texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
    let embedder = &state.deps.embedder;
    let mut vectors = Vec::with_capacity(texts.len());
    while !texts.is_empty() {
        let rest = texts.split_off(texts.len().min(embedder.batch_limit()));
        let batch = std::mem::replace(&mut texts, rest);
        vectors.extend(embedder.embed(Purpose::Passage, batch).await?);
    }
    Ok(vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(lesson: &str) -> Unit {
        Unit::new(lesson, anchor(0))
    }

    #[test]
    fn ranks_are_fused_and_meaning_weighs_more() {
        let near = [chunk("a"), chunk("b")];
        let words = [chunk("c"), chunk("b")];
        let fused = fuse(&[(BY_MEANING, &near), (BY_WORDS, &words)]);
        let order: Vec<&str> = fused.iter().map(|(unit, _)| unit.lesson_id.as_str()).collect();
        assert_eq!(order, ["b", "a", "c"]);
        assert!((fused[0].1 - (2.0 / 62.0 + 1.0 / 62.0)).abs() < 1e-12);
        assert!(fuse(&[(1.0, &[])]).is_empty());
    }

    #[test]
    fn sentences_keep_their_offsets_and_headings() {
        let text = "Intro. A workflow survives the death of its process.".to_owned();
        let passage = Passage {
            heading: "Durability".to_owned(),
            text: text.clone(),
            ..Passage::default()
        };
        let found = sentences(std::slice::from_ref(&passage));
        assert_eq!(found.len(), 1, "one sentence is long enough");
        let range = found[0].start as usize..found[0].end as usize;
        assert_eq!(&text[range], "A workflow survives the death of its process.");
        assert!(found[0].text.starts_with("Durability: A workflow"));
    }
}
