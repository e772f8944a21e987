//! The sentences of a lesson that a draft may quote.

use std::{collections::HashSet, sync::Arc};

use smartcourse_proto::{
    assistant::Drafted,
    content::{Passage, Passages, PieceKind},
};
use smartcourse_retrieval::{Analyzer, leans};

use crate::citation::cite;

/// Words of a sentence that tells something by itself.
const WORDS: std::ops::RangeInclusive<usize> = 5..=45;

/// A lesson, as a draft is made of it.
pub(crate) struct Lesson<'p> {
    pub(super) analyzer: Arc<Analyzer>,
    /// Those that may be quoted, in their order.
    pub(super) sentences: Vec<Sentence<'p>>,
}

/// A sentence of a lesson.
pub(super) struct Sentence<'p> {
    pub(super) text: &'p str,
    pub(super) passage: &'p Passage,
    /// The terms it is about.
    pub(super) terms: HashSet<String>,
}

impl<'p> Lesson<'p> {
    pub(crate) fn of(passages: &'p Passages) -> Self {
        let analyzer = Analyzer::of(&passages.language);
        let mut seen = HashSet::new();
        let mut sentences = Vec::new();
        for passage in &passages.items {
            for piece in &passage.sentences {
                let range = piece.start as usize..piece.end as usize;
                let text = passage.text.get(range).unwrap_or_default().trim();
                let is_whole =
                    piece.kind() == PieceKind::Sentence && WORDS.contains(&text.split_whitespace().count());
                // Handouts say a thing twice.
                if is_whole && !leans(text) && seen.insert(text) {
                    let asked = analyzer.asked(text).into_iter();
                    let terms = asked.map(|asked| asked.term).collect();
                    sentences.push(Sentence { text, passage, terms });
                }
            }
        }
        Self { analyzer, sentences }
    }
}

impl Sentence<'_> {
    /// What it gives to a draft.
    pub(super) fn drafted(&self, text: String, weight: f64) -> Drafted {
        Drafted {
            text,
            weight,
            citation: Some(cite(self.passage, self.text)),
            ..Drafted::default()
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use smartcourse_proto::content::SentenceScore;

    use super::*;

    /// A lesson of these sentences.
    pub(crate) fn lesson(id: &str, sentences: &[&str]) -> Passages {
        let mut passage = Passage {
            lesson_id: id.to_owned(),
            lesson_title: format!("Lesson {id}"),
            version: 1,
            ..Passage::default()
        };
        for sentence in sentences {
            let start = passage.text.len() as u32;
            passage.text.push_str(sentence);
            passage.sentences.push(SentenceScore {
                start,
                end: passage.text.len() as u32,
                kind: PieceKind::Sentence.into(),
                ..SentenceScore::default()
            });
            passage.text.push(' ');
        }
        Passages {
            items: vec![passage],
            language: "en".to_owned(),
            ..Passages::default()
        }
    }

    #[test]
    fn what_cannot_be_read_alone_is_not_quoted() {
        let passages = lesson(
            "1",
            &[
                "A saga is a sequence of steps with compensations.",
                "It undoes every step that was done.",
                "Too short.",
                "A saga is a sequence of steps with compensations.",
            ],
        );
        let kept: Vec<&str> = Lesson::of(&passages)
            .sentences
            .iter()
            .map(|sentence| sentence.text)
            .collect();
        assert_eq!(kept, ["A saga is a sequence of steps with compensations."]);
    }
}
