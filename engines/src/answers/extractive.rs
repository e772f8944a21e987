//! The best sentences of the passages, quoted: it cannot say what the course does not.

use std::collections::BTreeSet;

use futures::stream::{self, BoxStream, StreamExt as _};
use smartcourse_platform::{
    Result,
    ports::answers::{Answerer, Citation, Question, Statement},
};

/// Sentences of an answer at most.
const SENTENCES: usize = 3;
/// Weight of shared words, and of the passage's rank, beside the cosine. Measured on questions about a programming book.
const LEXICAL_WEIGHT: f64 = 0.15;
const RANK_WEIGHT: f64 = 0.15;
/// Balance of relevance against repetition in maximal marginal relevance (Carbonell & Goldstein 1998).
const LAMBDA: f64 = 0.7;
/// A further sentence must be at least this share as good as the best one.
const FURTHER: f64 = 0.75;

/// The best sentences, quoted.
pub struct Extractive;

struct Candidate {
    citation: Citation,
    words: BTreeSet<String>,
    relevance: f64,
}

impl Answerer for Extractive {
    fn answer<'a>(&'a self, question: Question<'a>) -> BoxStream<'a, Result<Statement>> {
        let statements = best(question).into_iter().map(|citation| {
            Ok(Statement {
                text: citation.quote.clone(),
                citations: vec![citation],
            })
        });
        stream::iter(statements).boxed()
    }
}

/// The sentences that answer a question, the best first.
fn best(question: Question<'_>) -> Vec<Citation> {
    let asked = content_words(question.text);
    let passages = question.passages;
    let scores = passages.iter().map(|passage| passage.score);
    let top = scores.fold(f64::MIN_POSITIVE, f64::max);
    let mut candidates = Vec::new();
    for (index, passage) in passages.iter().enumerate() {
        for sentence in &passage.sentences {
            let Some(quote) = passage.text.get(sentence.start as usize..sentence.end as usize) else {
                continue;
            };
            let quote = quote.trim();
            let words = content_words(quote);
            let shared = asked.intersection(&words).count() as f64 / asked.len().max(1) as f64;
            candidates.push(Candidate {
                citation: Citation {
                    passage: index,
                    quote: quote.to_owned(),
                    score: sentence.cosine.clamp(0.0, 1.0),
                },
                words,
                relevance: sentence.cosine + LEXICAL_WEIGHT * shared + RANK_WEIGHT * passage.score / top,
            });
        }
    }
    let scores = candidates.iter().map(|candidate| candidate.citation.score);
    if scores.fold(0.0, f64::max) < question.refuse_below {
        return Vec::new();
    }
    // A heading matches a question well and answers nothing.
    let says_something = |candidate: &Candidate| is_sentence(&candidate.citation.quote);
    if candidates.iter().any(says_something) {
        candidates.retain(says_something);
    }
    let relevances = candidates.iter().map(|candidate| candidate.relevance);
    let strongest = relevances.fold(f64::MIN, f64::max);
    candidates.retain(|candidate| candidate.relevance >= FURTHER * strongest);
    diverse(candidates)
}

/// Whether a text ends like a sentence.
fn is_sentence(text: &str) -> bool {
    text.trim_end_matches(['"', '”', '’', '»', ')', '*', '`'])
        .ends_with(['.', '!', '?', '…', '。'])
}

/// Takes the most relevant candidate, then those that add to what was taken.
fn diverse(mut candidates: Vec<Candidate>) -> Vec<Citation> {
    let mut taken: Vec<Candidate> = Vec::new();
    while taken.len() < SENTENCES {
        let marginal = |candidate: &Candidate| {
            let overlaps = taken.iter().map(|other| overlap(&candidate.words, &other.words));
            let repeated = overlaps.fold(0.0, f64::max);
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
        let is_new = |other: &Candidate| overlap(&candidate.words, &other.words) < 0.8;
        if taken.iter().all(is_new) {
            taken.push(candidate);
        }
    }
    taken.into_iter().map(|candidate| candidate.citation).collect()
}

/// Jaccard similarity of two sets of words.
fn overlap(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f64 {
    a.intersection(b).count() as f64 / a.union(b).count().max(1) as f64
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
        .map(|word| match word.len() {
            0..=3 => word,
            _ => word.trim_end_matches('s').to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use smartcourse_proto::content::{Passage, SentenceScore};

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

    fn quotes(passages: &[Passage]) -> Vec<String> {
        let question = Question {
            text: "What is a saga?",
            history: &[],
            passages,
            refuse_below: 0.45,
        };
        best(question)
            .into_iter()
            .map(|citation| citation.quote)
            .collect()
    }

    #[test]
    fn the_best_sentence_comes_first_and_repetition_is_left_out() {
        let passages = [passage(&[
            ("Bread rises because of yeast.", 0.2),
            ("A saga is a sequence of steps with compensations.", 0.8),
            ("A saga is a sequence of steps with compensations.", 0.79),
            ("Each compensation of a saga undoes one step.", 0.7),
        ])];
        assert_eq!(
            quotes(&passages),
            [
                "A saga is a sequence of steps with compensations.",
                "Each compensation of a saga undoes one step."
            ]
        );
    }

    #[test]
    fn nothing_similar_enough_is_a_refusal() {
        assert!(quotes(&[passage(&[("Bread rises because of yeast.", 0.3)])]).is_empty());
    }
}
