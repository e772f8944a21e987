//! Okapi BM25 over the units of one version (Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and
//! Beyond", 2009), with the words of titles and headings counted as words of what stands under them (BM25F).

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use crate::{Analyzer, Asked, is_foreign, words};

/// How soon a further occurrence of a term adds nothing.
const SATURATION: f32 = 1.2;
/// How much a long text is held against it.
const LENGTH: f32 = 0.75;
/// What a word of the title or of a heading counts, in words of the text.
const TITLE: f32 = 1.0;
const HEADING: f32 = 1.5;
/// Letters of a word that may have one wrong, and of one that may have two: as OpenSearch's `AUTO`, which counts from 3
/// and 6, but with words of three letters taken as they are.
const ONE_WRONG: usize = 4;
const TWO_WRONG: usize = 8;

/// Terms of a question that are looked for, and of these how many that nobody wrote are held against all that are written.
const MOST_TERMS: usize = 200;
const MOST_RESPELT: usize = 8;

/// A unit's text, by field.
#[derive(Debug, Clone, Copy, Default)]
pub struct Text<'a> {
    /// Title of its lesson.
    pub title: &'a str,
    /// The headings it stands under.
    pub heading: &'a str,
    /// The text itself.
    pub body: &'a str,
}

/// Which units have which terms.
pub struct Index {
    language: String,
    analyzer: Arc<Analyzer>,
    postings: HashMap<Box<str>, Vec<Posting>>,
    /// The words as they are written, and how often: what a misspelt one may have been.
    written: HashMap<Box<str>, u32>,
    lengths: Vec<f32>,
    mean_length: f32,
}

struct Posting {
    unit: u32,
    weight: f32,
}

/// What an index says to a question.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ranked {
    /// The units that have any of its terms, best first, by their place in the index.
    pub units: Vec<(usize, f32)>,
    /// Its terms, in order: as they are in the index, or as the index has them spelt.
    pub terms: Vec<Term>,
}

/// A term of a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// The term.
    pub term: String,
    /// How much it tells: the rarer, the more.
    pub rarity: f32,
    /// Whether any unit has it.
    pub known: bool,
}

impl Index {
    /// Of the units of a version in `language` (BCP 47).
    pub fn of<'a>(language: &str, units: impl IntoIterator<Item = Text<'a>>) -> Self {
        let mut index = Self {
            language: language.to_owned(),
            analyzer: Analyzer::of(language),
            postings: HashMap::new(),
            written: HashMap::new(),
            lengths: Vec::new(),
            mean_length: 0.0,
        };
        for text in units {
            index.add(text);
        }
        index.mean_length = index.lengths.iter().sum::<f32>() / index.lengths.len().max(1) as f32;
        index
    }

    fn add(&mut self, text: Text<'_>) {
        let unit = u32::try_from(self.lengths.len()).unwrap_or(u32::MAX);
        let mut weights: HashMap<String, f32> = HashMap::new();
        let mut length = 0.0;
        for (field, weight) in [(text.title, TITLE), (text.heading, HEADING), (text.body, 1.0)] {
            for word in words(field) {
                length += weight;
                *weights.entry(self.analyzer.term(&word)).or_default() += weight;
                *self.written.entry(word.into()).or_default() += 1;
            }
        }
        self.lengths.push(length);
        for (term, weight) in weights {
            let posting = Posting { unit, weight };
            self.postings.entry(term.into()).or_default().push(posting);
        }
    }

    /// The units that fit a question best. A word that no unit has is taken for one that is spelt alike, but for those of which
    /// `has_word` says that they are words.
    pub fn rank(&self, question: &str, has_word: impl Fn(&str) -> bool, limit: usize) -> Ranked {
        let mut scores: HashMap<u32, f32> = HashMap::new();
        let mut terms = Vec::new();
        let mut asked = self.analyzer.asked(question);
        // Words of another language are not misspelt.
        let mut respellings = match is_foreign(question, &self.language) {
            true => 0,
            false => MOST_RESPELT,
        };
        asked.truncate(MOST_TERMS);
        for asked in asked {
            let is_new = !self.postings.contains_key(&*asked.term);
            // Its parts are asked too, and say the same.
            if is_new && asked.has_parts {
                continue;
            }
            let term = match is_new && respellings > 0 && !has_word(&asked.word) {
                true => {
                    respellings -= 1;
                    self.spelt(asked)
                }
                false => asked.term,
            };
            let postings = self.postings.get(&*term).map_or(&[][..], Vec::as_slice);
            let rarity = rarity(self.lengths.len(), postings.len());
            for posting in postings {
                let length = self.lengths[posting.unit as usize] / self.mean_length;
                let saturated = posting.weight * (SATURATION + 1.0)
                    / (posting.weight + SATURATION * (1.0 - LENGTH + LENGTH * length));
                *scores.entry(posting.unit).or_default() += rarity * saturated;
            }
            let known = !postings.is_empty();
            terms.push(Term { term, rarity, known });
        }
        let mut units: Vec<(usize, f32)> = scores
            .into_iter()
            .map(|(unit, score)| (unit as usize, score))
            .collect();
        units.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        units.truncate(limit);
        Ranked { units, terms }
    }

    /// The term that was asked for; of a word that nobody wrote, that of the one it is most likely misspelt from.
    fn spelt(&self, asked: Asked) -> String {
        let letters = asked.word.chars().count();
        let is_plain = asked.word.chars().all(char::is_alphabetic);
        if letters < ONE_WRONG || !is_plain {
            return asked.term;
        }
        let wrong = if letters < TWO_WRONG { 1 } else { 2 };
        let first = asked.word.chars().next();
        // People seldom miss the first letter, and another word that is spelt alike often differs in it.
        let alike = self
            .written
            .iter()
            .filter(|(word, _)| word.chars().next() == first);
        let near = alike.filter_map(|(word, count)| {
            let longer = word.chars().count().abs_diff(letters);
            let distance = if longer > wrong {
                longer
            } else {
                strsim::osa_distance(&asked.word, word)
            };
            (distance <= wrong).then_some((distance, Reverse(*count), word))
        });
        near.min()
            .map_or(asked.term, |(_, _, word)| self.analyzer.term(word))
    }
}

/// Inverse document frequency, never negative (Robertson & Spärck Jones, with Lucene's 1 +): how much a term tells that
/// `having` of `all` units have.
pub fn rarity(all: usize, having: usize) -> f32 {
    let (all, having) = (all as f32, having as f32);
    (1.0 + (all - having + 0.5) / (having + 0.5)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(texts: &[(&str, &str)]) -> Index {
        let text = |(title, body): &(&'static str, &'static str)| Text {
            title,
            heading: "",
            body,
        };
        Index::of(
            "en",
            texts
                .iter()
                .map(|pair| text(&(pair.0.to_owned().leak(), pair.1.to_owned().leak()))),
        )
    }

    fn best(index: &Index, question: &str) -> Vec<usize> {
        index
            .rank(question, |_| false, 10)
            .units
            .into_iter()
            .map(|(unit, _)| unit)
            .collect()
    }

    #[test]
    fn rare_words_titles_and_misspelt_words_count() {
        let index = index(&[
            (
                "Intro",
                "A workflow is a workflow is a workflow, a step is a step.",
            ),
            ("Sagas", "Each step of a workflow has a compensation."),
            ("Workflows", "A workflow survives its process."),
            ("Heartbeats", "A worker tells that it lives."),
        ]);
        assert_eq!(
            best(&index, "What is a step of a saga?")[0],
            1,
            "the title has the rare word"
        );
        assert_eq!(best(&index, "compensatoin"), [1]);
        assert_eq!(best(&index, "heartbeat"), [3]);
        assert_eq!(best(&index, "bread"), [0; 0]);
        let ranked = index.rank("the compensatoin of bread", |_| false, 10);
        let known: Vec<bool> = ranked.terms.iter().map(|term| term.known).collect();
        assert_eq!(known, [true, false]);
        let ranked = index.rank("a heartbleat", |word| word == "heartbleat", 10);
        assert_eq!(ranked.units, [], "it is another word");
        let ranked = index.rank("heartbeat-bread", |_| false, 10);
        let terms: Vec<&str> = ranked.terms.iter().map(|term| term.term.as_str()).collect();
        assert_eq!(terms, ["heartbeat", "bread"]);
    }

    #[test]
    fn nothing_is_found_in_nothing() {
        assert_eq!(Index::of("en", []).rank("saga", |_| false, 10).units, []);
    }
}
