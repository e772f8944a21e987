//! How well the pieces of passages answer a question, and whether they do. `smartcourse-bench answers` measures what the weights
//! do over the questions of `examples/answers`.

use std::collections::HashSet;

use smartcourse_platform::ports::search::Term;
use smartcourse_proto::content::{Passage, SentenceScore};
use smartcourse_retrieval::{Analyzer, words};
use smartcourse_text::UnitKind;

use super::{leaning::Leaning, pieces::Piece};
use crate::chunk::{byte_offset, piece_kind};

/// What counts beside the piece's own cosine: the share of the question's terms it has, by their rarity; the cosines of its better
/// neighbour and of its passage; the passage's place; that it defines what was asked for, or opens the section that is about it.
const SHARED: f64 = 0.6;
const NEIGHBOUR: f64 = 0.3;
const PASSAGE: f64 = 1.0;
const PLACE: f64 = 0.4;
const DEFINES: f64 = 0.1;
const OPENS: f64 = 0.2;
/// What counts against it: that it only announces what follows, and that it is of few words.
const ANNOUNCES: f64 = 0.1;
const IS_SHORT: f64 = 0.15;
/// Words of a piece that is not short.
const SHORT: usize = 5;
/// How much more the words of a question count than those of the question it leans on.
const OWN: f64 = 2.5;
/// Terms of a question that may ask for a definition, words its subject may have, and what stands after it in English, German,
/// Spanish and French.
const DEFINABLE: usize = 3;
const FAR: usize = 12;
const COPULAS: [&str; 18] = [
    "is",
    "are",
    "was",
    "were",
    "mean",
    "means",
    "describes",
    "refers",
    "ist",
    "sind",
    "war",
    "bezeichnet",
    "bedeutet",
    "es",
    "son",
    "significa",
    "est",
    "sont",
];

/// Of the fit: what it counts that a passage stands out, that the best piece does, how much of the question the best pieces have,
/// and each of the question's first terms: few words are near to much. By a logistic regression over the questions for tuning.
const MARGIN: f64 = 3.0;
const STANDS_OUT: f64 = 1.0;
const COVERED: f64 = 0.8;
const TERM: f64 = 0.07;
const TERMS: usize = 6;
/// What counts in place of its words of a question in another language.
const FOREIGN: f64 = 0.5;
/// Pieces that the best one is held against.
const OTHERS: usize = 7;
/// What a term tells at least: in a version of few chunks all would seem common.
const COMMON: f64 = 1.0;
/// Pieces that are looked at for what they cover of the question, and for the best cosine.
const COVERING: usize = 5;
const CLOSEST: usize = 30;
/// What a question that leans loses when the best pieces have none of its own words.
const LEANS_AWAY: f64 = 0.2;

/// What is asked.
pub(super) struct Question<'q> {
    pub(super) analyzer: &'q Analyzer,
    pub(super) terms: &'q [Term],
    pub(super) leaning: &'q Leaning,
    /// Whether it is of another language than the passages, so that its words tell little.
    pub(super) is_foreign: bool,
}

/// The passages with the scores of their pieces, and how well they answer the question.
pub(super) fn score(
    question: &Question<'_>,
    passages: Vec<(Passage, f64)>,
    pieces: Vec<Vec<Piece>>,
    margin: f64,
) -> (Vec<Passage>, f64) {
    let top = passages
        .iter()
        .map(|(passage, _)| passage.score)
        .fold(f64::MIN_POSITIVE, f64::max);
    let mut judged: Vec<Judged> = Vec::new();
    let mut scored = Vec::with_capacity(passages.len());
    for ((mut passage, cosine), pieces) in passages.into_iter().zip(pieces) {
        let context = PASSAGE * cosine + PLACE * passage.score / top;
        let of_passage = judge(question, &passage, &pieces, context);
        let sentence = |(piece, judged): (&Piece, &Judged)| SentenceScore {
            start: byte_offset(piece.range.start),
            end: byte_offset(piece.range.end),
            cosine: piece.cosine,
            score: Some(judged.score),
            kind: piece_kind(piece.kind).into(),
        };
        passage.sentences = pieces.iter().zip(&of_passage).map(sentence).collect();
        judged.extend(of_passage);
        scored.push(passage);
    }
    judged.sort_by(|a, b| b.score.total_cmp(&a.score));
    (scored, fit(question, &judged, margin))
}

/// A piece that was looked at.
struct Judged {
    score: f64,
    cosine: f64,
    /// Places of the question's terms that it or its heading has.
    has: HashSet<usize>,
}

fn judge(question: &Question<'_>, passage: &Passage, pieces: &[Piece], context: f64) -> Vec<Judged> {
    let heading = question.analyzer.terms(&passage.heading);
    let known = question.terms.iter().filter(|term| term.known);
    let total: f64 = known.map(|term| question.weight(term)).sum();
    // The section's own heading, or without any the lesson's title.
    let about = match passage.heading.rsplit(" › ").next().unwrap_or_default() {
        "" => question.analyzer.terms(&passage.lesson_title),
        own => question.analyzer.terms(own),
    };
    let asked = |term: &&String| question.terms.iter().any(|asked| asked.term == **term);
    let about = about.iter().filter(asked).count() as f64 / about.len().max(1) as f64;
    let opening = pieces.iter().position(|piece| piece.kind == UnitKind::Sentence);
    let judge = |(place, piece): (usize, &Piece)| {
        let text = &passage.text[piece.range.clone()];
        let terms = question.analyzer.terms(text);
        let mut has: HashSet<usize> = HashSet::new();
        let mut shared = 0.0;
        for (index, term) in question.terms.iter().enumerate() {
            if terms.contains(&term.term) {
                shared += question.weight(term);
                has.insert(index);
            } else if heading.contains(&term.term) {
                has.insert(index);
            }
        }
        let neighbours = [place.checked_sub(1), Some(place + 1)];
        let neighbours = neighbours
            .into_iter()
            .flatten()
            .filter_map(|near| pieces.get(near));
        let neighbour = neighbours.map(|near| near.cosine).fold(0.0, f64::max);
        let mut score =
            piece.cosine + context + SHARED * shared / total.max(f64::MIN_POSITIVE) + NEIGHBOUR * neighbour;
        score += DEFINES * question.defined_by(text);
        if Some(place) == opening {
            score += OPENS * about;
        }
        if text.ends_with(':') {
            score -= ANNOUNCES;
        }
        if terms.len() < SHORT {
            score -= IS_SHORT;
        }
        Judged {
            score,
            cosine: piece.cosine,
            has,
        }
    };
    pieces.iter().enumerate().map(judge).collect()
}

/// How well the judged pieces, the best first, answer the question.
fn fit(question: &Question<'_>, judged: &[Judged], margin: f64) -> f64 {
    let [best, others @ ..] = judged else {
        return f64::MIN;
    };
    let others = &others[..others.len().min(OTHERS)];
    let stands_out = match others.len() {
        0 => 0.0,
        count => best.cosine - others.iter().map(|piece| piece.cosine).sum::<f64>() / count as f64,
    };
    let closest = judged
        .iter()
        .take(CLOSEST)
        .map(|piece| piece.cosine)
        .fold(f64::MIN, f64::max);
    let covered = |own: bool| {
        let counts = |term: &Term| !own || question.leaning.is_own(&term.term);
        let told = |terms: &mut dyn Iterator<Item = &Term>| {
            terms
                .filter(|term| counts(term))
                .map(|term| f64::from(term.rarity).max(COMMON))
                .sum::<f64>()
        };
        let all = told(&mut question.terms.iter());
        let share = |piece: &Judged| {
            told(&mut piece.has.iter().map(|index| &question.terms[*index])) / all.max(f64::MIN_POSITIVE)
        };
        judged.iter().take(COVERING).map(share).fold(0.0, f64::max)
    };
    let mut by_words = COVERED * covered(false) + TERM * question.terms.len().min(TERMS) as f64;
    if question.is_foreign {
        by_words = by_words.max(FOREIGN);
    }
    let mut fit = closest + MARGIN * margin + STANDS_OUT * stands_out + by_words;
    if question.leaning.leans() {
        fit -= LEANS_AWAY * (1.0 - covered(true));
    }
    fit
}

impl Question<'_> {
    /// What it tells that a piece has the term.
    fn weight(&self, term: &Term) -> f64 {
        let own = if self.leaning.is_own(&term.term) { OWN } else { 1.0 };
        f64::from(term.rarity) * own
    }

    /// How far `text` says what the question's few terms are: the share of them that is the subject of its `is`.
    fn defined_by(&self, text: &str) -> f64 {
        if self.terms.is_empty() || self.terms.len() > DEFINABLE {
            return 0.0;
        }
        let words = words(text);
        let is = words
            .iter()
            .take(FAR)
            .position(|word| COPULAS.contains(&word.as_str()));
        let Some(is) = is else { return 0.0 };
        let subject = self.analyzer.terms(&words[..is].join(" "));
        let named = self
            .terms
            .iter()
            .filter(|term| subject.contains(&term.term))
            .count();
        match subject.len() <= named + 2 {
            true => named as f64 / self.terms.len() as f64,
            false => 0.0,
        }
    }
}
