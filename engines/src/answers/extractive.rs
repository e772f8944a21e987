//! The answer port: from a question and passages of the course to an answer whose statements name their passage.
//!
//! The embedded answerer is extractive: it picks the sentences that fit best and quotes them. It cannot say what the
//! course does not.

use std::collections::BTreeSet;

use async_trait::async_trait;
use smartcourse_proto::content::Passage;

use crate::error::Result;

/// Sentences of an answer at most.
const SENTENCES: usize = 3;
/// Weight of shared words, and of the passage's rank, beside the cosine. Measured on questions about a programming book.
const LEXICAL_WEIGHT: f64 = 0.15;
const RANK_WEIGHT: f64 = 0.15;
/// Balance of relevance against repetition in maximal marginal relevance (Carbonell & Goldstein 1998).
const LAMBDA: f64 = 0.7;
/// A further sentence must be at least this share as good as the best one.
const FURTHER: f64 = 0.75;

/// A statement of an answer and the passage it stands in.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Index of the passage.
    pub passage: usize,
    /// A verbatim span of the passage's text.
    pub quote: String,
    /// 0 to 1; higher fits the question better.
    pub score: f64,
}

/// Something that answers from passages only.
#[async_trait]
pub trait Answerer: Send + Sync {
    /// The statements that answer the question, best first; none when the passages do not answer it, which is when no
    /// sentence reaches `refuse_below`.
    async fn answer(&self, question: &str, passages: &[Passage], refuse_below: f64)
    -> Result<Vec<Statement>>;
}

/// The best sentences, quoted.
pub struct Extractive;

struct Candidate {
    statement: Statement,
    words: BTreeSet<String>,
    relevance: f64,
}

#[async_trait]
impl Answerer for Extractive {
    async fn answer(
        &self,
        question: &str,
        passages: &[Passage],
        refuse_below: f64,
    ) -> Result<Vec<Statement>> {
        let asked = content_words(question);
        let top = passages
            .iter()
            .map(|passage| passage.score)
            .fold(f64::MIN_POSITIVE, f64::max);
        let mut candidates: Vec<Candidate> = passages
            .iter()
            .enumerate()
            .flat_map(|(index, passage)| {
                passage
                    .sentences
                    .iter()
                    .map(move |sentence| (index, passage, sentence))
            })
            .filter_map(|(index, passage, sentence)| {
                let quote = passage
                    .text
                    .get(sentence.start as usize..sentence.end as usize)?
                    .trim();
                let words = content_words(quote);
                let shared = asked.intersection(&words).count() as f64 / asked.len().max(1) as f64;
                let relevance = sentence.cosine + LEXICAL_WEIGHT * shared + RANK_WEIGHT * passage.score / top;
                let statement = Statement {
                    passage: index,
                    quote: quote.to_owned(),
                    score: sentence.cosine.clamp(0.0, 1.0),
                };
                Some(Candidate {
                    statement,
                    words,
                    relevance,
                })
            })
            .collect();
        let best = candidates
            .iter()
            .map(|candidate| candidate.statement.score)
            .fold(0.0, f64::max);
        if best < refuse_below {
            return Ok(Vec::new());
        }
        // A heading matches a question well and answers nothing.
        if candidates
            .iter()
            .any(|candidate| is_sentence(&candidate.statement.quote))
        {
            candidates.retain(|candidate| is_sentence(&candidate.statement.quote));
        }
        let strongest = candidates
            .iter()
            .map(|candidate| candidate.relevance)
            .fold(f64::MIN, f64::max);
        candidates.retain(|candidate| candidate.relevance >= FURTHER * strongest);
        Ok(diverse(candidates))
    }
}

/// Whether a text ends like a sentence.
fn is_sentence(text: &str) -> bool {
    text.trim_end_matches(['"', '”', '’', '»', ')', '*', '`'])
        .ends_with(['.', '!', '?', '…', '。'])
}

/// Takes the most relevant candidate, then those that add to what was taken.
fn diverse(mut candidates: Vec<Candidate>) -> Vec<Statement> {
    let mut taken: Vec<Candidate> = Vec::new();
    while taken.len() < SENTENCES {
        let marginal = |candidate: &Candidate| {
            let repeated = taken
                .iter()
                .map(|other| overlap(&candidate.words, &other.words))
                .fold(0.0, f64::max);
            LAMBDA * candidate.relevance - (1.0 - LAMBDA) * repeated
        };
        let next = candidates
            .iter()
            .enumerate()
            .max_by(|(i, a), (j, b)| marginal(a).total_cmp(&marginal(b)).then(j.cmp(i)))
            .map(|(index, _)| index);
        let Some(index) = next else { break };
        let candidate = candidates.remove(index);
        // Transcripts and handouts say the same thing twice: once is enough.
        if taken
            .iter()
            .all(|other| overlap(&candidate.words, &other.words) < 0.8)
        {
            taken.push(candidate);
        }
    }
    taken.into_iter().map(|candidate| candidate.statement).collect()
}

/// Jaccard similarity of two sets of words.
fn overlap(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f64 {
    let union = a.union(b).count();
    if union == 0 {
        0.0
    } else {
        a.intersection(b).count() as f64 / union as f64
    }
}

/// Lower-case words that carry meaning, with a plural's `s` cut off.
fn content_words(text: &str) -> BTreeSet<String> {
    const STOP: [&str; 40] = [
        "a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "does", "for", "from", "how", "i",
        "in", "is", "it", "its", "of", "on", "or", "should", "that", "the", "then", "there", "this", "to",
        "was", "what", "when", "where", "which", "who", "why", "will", "with", "you", "your",
    ];
    text.split(|c: char| !c.is_alphanumeric())
        .map(str::to_lowercase)
        .filter(|word| !word.is_empty() && !STOP.contains(&word.as_str()))
        .map(|word| {
            if word.len() > 3 {
                word.trim_end_matches('s').to_owned()
            } else {
                word
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use smartcourse_proto::content::SentenceScore;

    use super::*;

    fn passage(sentences: &[(&str, f64)]) -> Passage {
        let mut passage = Passage {
            score: 1.0,
            ..Passage::default()
        };
        for (text, cosine) in sentences {
            let start = passage.text.len() as u32;
            passage.text.push_str(text);
            passage.sentences.push(SentenceScore {
                start,
                end: passage.text.len() as u32,
                cosine: *cosine,
            });
            passage.text.push(' ');
        }
        passage
    }

    #[tokio::test]
    async fn the_best_sentence_comes_first_and_repetition_is_left_out() {
        let passages = [passage(&[
            ("Bread rises because of yeast.", 0.2),
            ("A saga is a sequence of steps with compensations.", 0.8),
            ("A saga is a sequence of steps with compensations.", 0.79),
            ("Each compensation of a saga undoes one step.", 0.7),
        ])];
        let statements = Extractive
            .answer("What is a saga?", &passages, 0.45)
            .await
            .expect("answers");
        let quotes: Vec<&str> = statements
            .iter()
            .map(|statement| statement.quote.as_str())
            .collect();
        assert_eq!(
            quotes,
            [
                "A saga is a sequence of steps with compensations.",
                "Each compensation of a saga undoes one step."
            ]
        );
    }

    #[tokio::test]
    async fn nothing_similar_enough_is_a_refusal() {
        let passages = [passage(&[("Bread rises because of yeast.", 0.3)])];
        assert!(
            Extractive
                .answer("What is a saga?", &passages, 0.45)
                .await
                .expect("answers")
                .is_empty()
        );
    }
}
