//! The best pieces of the passages, quoted: it cannot say what the course does not.

use std::collections::BTreeSet;

use futures::stream::{self, BoxStream, StreamExt as _};
use smartcourse_platform::{
    Result,
    ports::answers::{Answerer, Citation, Part, Question, Statement},
};
use smartcourse_proto::{
    assistant::Usage,
    content::{Passage, PieceKind, SentenceScore},
};
use smartcourse_retrieval::{leans, words};

/// Pieces of an answer at most, without those they are read with.
const PIECES: usize = 4;
/// Balance of relevance against repetition in maximal marginal relevance (Carbonell & Goldstein 1998).
const LAMBDA: f64 = 0.7;
/// A further piece must be at least this share as good as the best one.
const FURTHER: f64 = 0.78;
/// Share of common words from which two pieces say the same.
const SAME: f64 = 0.8;
/// Items, rows or lines of code that a sentence with a colon announces, as far as they are quoted.
const ANNOUNCED: usize = 6;

/// The best pieces, quoted.
pub struct Extractive;

/// The place of a piece: its passage, and which of its pieces.
type Place = (usize, usize);

struct Candidate {
    place: Place,
    words: BTreeSet<String>,
    relevance: f64,
}

impl Answerer for Extractive {
    fn name(&self) -> &str {
        "extractive"
    }

    fn most(&self, _: &Question<'_>) -> Usage {
        Usage::default()
    }

    fn answer<'a>(&'a self, question: Question<'a>) -> BoxStream<'a, Result<Part>> {
        let quotes = match question.answers {
            true => best(question.passages),
            false => Vec::new(),
        };
        let statements = quotes.into_iter().filter_map(|place| {
            let piece = piece(question.passages, place)?;
            let quote = text(question.passages, place)?;
            let citation = Citation {
                passage: place.0,
                quote: quote.to_owned(),
                score: piece.cosine.clamp(0.0, 1.0),
            };
            Some(Ok(Part::Statement(Statement {
                text: quote.to_owned(),
                citations: vec![citation],
            })))
        });
        stream::iter(statements).boxed()
    }
}

fn piece(passages: &[Passage], (passage, piece): Place) -> Option<&SentenceScore> {
    passages.get(passage)?.sentences.get(piece)
}

fn text(passages: &[Passage], place: Place) -> Option<&str> {
    let piece = piece(passages, place)?;
    let text = &passages.get(place.0)?.text;
    text.get(piece.start as usize..piece.end as usize).map(str::trim)
}

/// The pieces that answer a question, the best first, each with those it is read with.
fn best(passages: &[Passage]) -> Vec<Place> {
    let mut candidates = Vec::new();
    for (index, passage) in passages.iter().enumerate() {
        for (number, piece) in passage.sentences.iter().enumerate() {
            let place = (index, number);
            if let Some(text) = text(passages, place) {
                candidates.push(Candidate {
                    place,
                    words: words(text).into_iter().collect(),
                    relevance: piece.score.unwrap_or(piece.cosine),
                });
            }
        }
    }
    let relevances = candidates.iter().map(|candidate| candidate.relevance);
    let strongest = relevances.fold(f64::MIN, f64::max);
    candidates.retain(|candidate| candidate.relevance >= FURTHER * strongest);
    let mut quoted: Vec<(Place, BTreeSet<String>)> = Vec::new();
    for (rank, place) in diverse(candidates).into_iter().enumerate() {
        for place in read_with(passages, place, rank == 0) {
            let words: BTreeSet<String> = text(passages, place).map(words).into_iter().flatten().collect();
            // Transcripts and handouts say the same thing twice: once is enough.
            if quoted
                .iter()
                .all(|(other, theirs)| *other != place && overlap(&words, theirs) < SAME)
            {
                quoted.push((place, words));
            }
        }
    }
    quoted.into_iter().map(|(place, _)| place).collect()
}

/// A piece, and what it is read with: the sentence before one that points back, what a colon announces, and after the best of
/// an answer the next sentence.
fn read_with(passages: &[Passage], place: Place, is_best: bool) -> Vec<Place> {
    let (passage, number) = place;
    let mut places = vec![place];
    let sentence = |place: Place| piece(passages, place).is_some_and(is_sentence);
    if let Some(before) = number.checked_sub(1).map(|before| (passage, before))
        && sentence(place)
        && sentence(before)
        && runs_on(passages, before)
        && text(passages, place).is_some_and(leans)
    {
        places.insert(0, before);
    }
    let next = (passage, number + 1);
    if is_best && sentence(place) && sentence(next) && runs_on(passages, place) {
        places.push(next);
    }
    let last = *places.last().unwrap_or(&place);
    if text(passages, last).is_some_and(|text| text.ends_with(':')) {
        let announced = (last.1 + 1..).map(|number| (passage, number));
        let listed = |place: &Place| piece(passages, *place).is_some_and(|piece| !is_sentence(piece));
        places.extend(announced.take_while(listed).take(ANNOUNCED));
    }
    places
}

/// Whether the piece after this one stands in the same paragraph.
fn runs_on(passages: &[Passage], place: Place) -> bool {
    let (Some(piece_here), Some(after)) = (piece(passages, place), piece(passages, (place.0, place.1 + 1)))
    else {
        return false;
    };
    let between = passages[place.0]
        .text
        .get(piece_here.end as usize..after.start as usize);
    between.is_some_and(|between| !between.contains('\n'))
}

/// A content service of 0.2 does not say what its pieces are.
fn is_sentence(piece: &SentenceScore) -> bool {
    matches!(piece.kind(), PieceKind::Sentence | PieceKind::Unspecified)
}

/// The most relevant candidate, then those that add to what was taken.
fn diverse(mut candidates: Vec<Candidate>) -> Vec<Place> {
    let mut taken: Vec<Candidate> = Vec::new();
    while taken.len() < PIECES {
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
        let is_new = |other: &Candidate| overlap(&candidate.words, &other.words) < SAME;
        if taken.iter().all(is_new) {
            taken.push(candidate);
        }
    }
    taken.into_iter().map(|candidate| candidate.place).collect()
}

/// Jaccard similarity of two sets of words.
fn overlap(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f64 {
    a.intersection(b).count() as f64 / a.union(b).count().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(pieces: &[(&str, f64, PieceKind)]) -> Passage {
        let mut passage = Passage {
            score: 1.0,
            ..Passage::default()
        };
        for (text, score, kind) in pieces {
            let start = passage.text.len() as u32;
            passage.text.push_str(text);
            passage.sentences.push(SentenceScore {
                start,
                end: passage.text.len() as u32,
                cosine: 0.5,
                score: Some(*score),
                kind: (*kind).into(),
            });
            passage
                .text
                .push(if *kind == PieceKind::Sentence { ' ' } else { '\n' });
        }
        passage
    }

    fn quotes(pieces: &[(&str, f64, PieceKind)]) -> Vec<String> {
        let passages = [passage(pieces)];
        let places = best(&passages).into_iter();
        places
            .map(|place| text(&passages, place).unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_best_piece_comes_first_and_repetition_is_left_out() {
        use PieceKind::Sentence;
        assert_eq!(
            quotes(&[
                ("Bread rises because of yeast.", 0.2, Sentence),
                ("A saga is a sequence of steps with compensations.", 0.8, Sentence),
                (
                    "A saga is a sequence of steps with compensations.",
                    0.79,
                    Sentence
                ),
                ("Each compensation of a saga undoes one step.", 0.7, Sentence),
            ]),
            [
                "A saga is a sequence of steps with compensations.",
                "Each compensation of a saga undoes one step."
            ]
        );
    }

    #[test]
    fn what_a_piece_is_read_with_stands_beside_it() {
        use PieceKind::{Item, Sentence};
        assert_eq!(
            quotes(&[
                ("The axis meets the sphere at two points.", 0.3, Sentence),
                ("These are the poles.", 0.9, Sentence),
                ("Nothing else moves.", 0.1, Sentence),
            ]),
            [
                "The axis meets the sphere at two points.",
                "These are the poles.",
                "Nothing else moves."
            ]
        );
        assert_eq!(
            quotes(&[
                ("Install it so:", 0.9, Sentence),
                ("fetch the archive", 0.2, Item),
                ("unpack it", 0.1, Item),
            ]),
            ["Install it so:", "fetch the archive", "unpack it"]
        );
    }

    #[test]
    fn nothing_gives_nothing() {
        assert!(quotes(&[]).is_empty());
    }
}
