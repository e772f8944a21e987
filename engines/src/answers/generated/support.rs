//! Whether the passages bear out what a model wrote: each sentence stands on pieces of the passages it names, which have its
//! numbers and most of what it is about, and deny what it denies; its names stand in those passages. What words cannot show –
//! who did what to whom – it does not see.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use smartcourse_platform::ports::answers::{Citation, Statement};
use smartcourse_proto::content::Passage;
use smartcourse_retrieval::{Analyzer, rarity, words};

use super::{
    sentences::{sentences, unmarked},
    wording,
};

/// The share of what a sentence is about, by the rarity of its terms, that its pieces must have; and how much of it in their own
/// words, and not in those of their headings.
const SHARE: f32 = 0.7;
const OWN: f32 = 0.4;
/// Pieces of the named passages that are looked at, alone and two and two: the ones that have most of a sentence.
const LOOKED_AT: usize = 8;

/// What the passages say.
pub(super) struct Support<'p> {
    passages: &'p [Passage],
    analyzer: Arc<Analyzer>,
    pieces: Vec<Piece>,
    /// Of each passage: the terms of its text, its headings and its lesson's title.
    terms: Vec<HashSet<String>>,
    /// In how many pieces a term is.
    having: HashMap<String, usize>,
}

/// A piece that can be quoted.
struct Piece {
    passage: usize,
    quote: String,
    terms: HashSet<String>,
    numbers: BTreeSet<String>,
    denies: bool,
}

/// A sentence that is looked for.
struct Sentence {
    /// What it is about, with how much each term tells.
    terms: Vec<(String, f32)>,
    /// Terms that must be in a named passage.
    names: Vec<String>,
    numbers: BTreeSet<String>,
    denies: bool,
}

impl<'p> Support<'p> {
    /// By these passages of a language.
    pub(super) fn of(passages: &'p [Passage], language: &str) -> Self {
        let mut support = Self {
            passages,
            analyzer: Analyzer::of(language),
            pieces: Vec::new(),
            terms: Vec::new(),
            having: HashMap::new(),
        };
        for (index, passage) in passages.iter().enumerate() {
            let all = [&passage.text, &passage.heading, &passage.lesson_title];
            let all = all.into_iter().flat_map(|text| support.analyzer.terms(text));
            support.terms.push(all.collect());
            for piece in &passage.sentences {
                let quote = passage.text.get(piece.start as usize..piece.end as usize);
                support.add(index, quote.unwrap_or_default().trim());
            }
        }
        support
    }

    fn add(&mut self, passage: usize, quote: &str) {
        if quote.is_empty() {
            return;
        }
        let terms: HashSet<String> = self.analyzer.terms(quote).into_iter().collect();
        for term in &terms {
            *self.having.entry(term.clone()).or_default() += 1;
        }
        self.pieces.push(Piece {
            passage,
            quote: quote.to_owned(),
            terms,
            numbers: wording::numbers(quote),
            denies: wording::denies(quote),
        });
    }

    /// The statement and the pieces it stands on; none when it does not, or names no passage.
    pub(super) fn supported(&self, written: &str) -> Option<Statement> {
        let (text, named) = unmarked(written);
        let named: Vec<usize> = named
            .iter()
            .filter_map(|number| number.checked_sub(1))
            .filter(|index| *index < self.passages.len())
            .collect();
        if named.is_empty() || text.ends_with('?') || !self.is_plain(&text, &named) {
            return None;
        }
        let mut cited: Vec<(usize, f32)> = Vec::new();
        let sentences = sentences(&text);
        for sentence in &sentences {
            for (piece, share) in self.borne_out(sentence, &named)? {
                if cited.iter().all(|(other, _)| *other != piece) {
                    cited.push((piece, share));
                }
            }
        }
        let citation = |(piece, share): (usize, f32)| Citation {
            passage: self.pieces[piece].passage,
            quote: self.pieces[piece].quote.clone(),
            score: f64::from(share.clamp(0.0, 1.0)),
        };
        let citations: Vec<Citation> = cited.into_iter().map(citation).collect();
        (!citations.is_empty()).then_some(Statement { text, citations })
    }

    /// Whether nothing in it leads elsewhere, or is markup, that is not in a named passage letter by letter.
    fn is_plain(&self, text: &str, named: &[usize]) -> bool {
        let foreign = |word: &&str| {
            word.contains("://") || word.contains("](") || word.contains("www.") || word.contains(['<', '`'])
        };
        text.split_whitespace().filter(foreign).all(|word| {
            let word = word.trim_matches(['`', '.', ',', ';', ':']);
            named
                .iter()
                .any(|passage| self.passages[*passage].text.contains(word))
        })
    }

    /// The piece, or the two, that a sentence stands on.
    fn borne_out(&self, text: &str, named: &[usize]) -> Option<Vec<(usize, f32)>> {
        let sentence = self.sentence(text);
        let total: f32 = sentence.terms.iter().map(|(_, weight)| weight).sum();
        let stands = |name: &String| named.iter().any(|passage| self.terms[*passage].contains(name));
        if total <= 0.0 || !sentence.names.iter().all(stands) {
            return None;
        }
        let own = |places: &[usize]| {
            let has = |term: &String| {
                places
                    .iter()
                    .any(|place| self.pieces[*place].terms.contains(term))
            };
            sum(&sentence.terms, has) / total
        };
        let pieces = self.pieces.iter().enumerate();
        let mut near: Vec<(usize, f32)> = pieces
            .filter(|(_, piece)| named.contains(&piece.passage))
            .map(|(place, _)| (place, own(&[place])))
            .collect();
        near.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        near.truncate(LOOKED_AT);
        let near: Vec<usize> = near.into_iter().map(|(place, _)| place).collect();
        let pairs = near
            .iter()
            .enumerate()
            .flat_map(|(at, one)| near[at + 1..].iter().map(|other| vec![*one, *other]));
        let alone = near.iter().map(|place| vec![*place]);
        let found = alone.chain(pairs).find(|places| {
            own(places) >= OWN
                && self.share(&sentence, places) / total >= SHARE
                && self.denies_alike(&sentence, places)
                && sentence.numbers.iter().all(|number| {
                    places
                        .iter()
                        .any(|place| self.pieces[*place].numbers.contains(number))
                })
        })?;
        Some(found.into_iter().map(|place| (place, own(&[place]))).collect())
    }

    /// Whether the piece that has most of a sentence denies when it does; another one may say plainly what is denied there.
    fn denies_alike(&self, sentence: &Sentence, places: &[usize]) -> bool {
        let mut deny = places.iter().map(|place| self.pieces[*place].denies);
        deny.next() == Some(sentence.denies) && (sentence.denies || !deny.any(|denies| denies))
    }

    /// What these pieces have of a sentence, with the headings they stand under.
    fn share(&self, sentence: &Sentence, places: &[usize]) -> f32 {
        let headings: HashSet<String> = places
            .iter()
            .map(|place| &self.passages[self.pieces[*place].passage])
            .flat_map(|passage| [&passage.heading, &passage.lesson_title])
            .flat_map(|heading| self.analyzer.terms(heading))
            .collect();
        sum(&sentence.terms, |term| {
            headings.contains(term)
                || places
                    .iter()
                    .any(|place| self.pieces[*place].terms.contains(term))
        })
    }

    fn sentence(&self, text: &str) -> Sentence {
        let telling = self.analyzer.asked(text);
        let weigh = |term: String| {
            let having = self.having.get(&term).copied().unwrap_or_default();
            let weight = rarity(self.pieces.len(), having);
            (term, weight)
        };
        let is_telling = |word: &String| telling.iter().any(|asked| asked.word == *word);
        let names = wording::names(text).into_iter().flat_map(words);
        let names = names.filter(is_telling).map(|word| self.analyzer.term(&word));
        Sentence {
            names: names.collect(),
            numbers: wording::numbers(text),
            denies: wording::denies(text),
            terms: telling
                .into_iter()
                .filter(|asked| {
                    !wording::says_little(&asked.word) && wording::numbers(&asked.word).is_empty()
                })
                .map(|asked| weigh(asked.term))
                .collect(),
        }
    }
}

fn sum(terms: &[(String, f32)], has: impl Fn(&String) -> bool) -> f32 {
    let had = terms.iter().filter(|(term, _)| has(term));
    had.map(|(_, weight)| weight).sum()
}

#[cfg(test)]
mod tests {
    use smartcourse_proto::content::SentenceScore;

    use super::*;

    fn passage(title: &str, sentences: &[&str]) -> Passage {
        let mut passage = Passage {
            lesson_title: title.to_owned(),
            ..Passage::default()
        };
        for sentence in sentences {
            let start = passage.text.len() as u32;
            passage.text.push_str(sentence);
            passage.sentences.push(SentenceScore {
                start,
                end: passage.text.len() as u32,
                ..SentenceScore::default()
            });
            passage.text.push(' ');
        }
        passage
    }

    fn course() -> Vec<Passage> {
        vec![
            passage(
                "Sagas",
                &[
                    "A saga is a sequence of steps with compensations.",
                    "Garcia-Molina and Salem described it in 1987.",
                    "Each compensation undoes one step, and none of them may fail.",
                    "A step is retried at most five times.",
                ],
            ),
            passage(
                "Bread",
                &[
                    "Dough rises because yeast makes carbon dioxide.",
                    "It should not be baked before it has doubled.",
                ],
            ),
        ]
    }

    fn quotes(written: &str) -> Option<Vec<String>> {
        let course = course();
        let statement = Support::of(&course, "en").supported(written)?;
        for citation in &statement.citations {
            assert!(course[citation.passage].text.contains(&citation.quote));
        }
        Some(
            statement
                .citations
                .into_iter()
                .map(|citation| citation.quote)
                .collect(),
        )
    }

    #[test]
    fn what_the_passages_bear_out_stands_on_their_words() {
        assert_eq!(
            quotes("Sagas are sequences of steps that have compensations [1].").unwrap(),
            ["A saga is a sequence of steps with compensations."]
        );
        assert_eq!(
            quotes("However, it must not be baked before it has doubled. [2]").unwrap(),
            ["It should not be baked before it has doubled."]
        );
        assert_eq!(
            quotes("Steps are retried 5 times at most [1]").unwrap(),
            ["A step is retried at most five times."]
        );
        for of_two in [
            "In 1987, Salem described a sequence of steps with compensations. [1]",
            "Dough must not be baked before it has doubled. [2]",
        ] {
            assert_eq!(quotes(of_two).map(|quotes| quotes.len()), Some(2), "{of_two}");
        }
    }

    #[test]
    fn what_they_do_not_is_nothing() {
        for written in [
            // Without a source, with the wrong one, or with one that is not there.
            "A saga is a sequence of steps with compensations.",
            "A saga is a sequence of steps with compensations [2].",
            "A saga is a sequence of steps with compensations [7].",
            "A saga is a sequence of steps with compensations [0].",
            // Another number, name, thing or sense.
            "A step is retried at most seven times [1].",
            "A step is retried at most 15 times [1].",
            "Garcia-Molina and Salem described it in 1978 [1].",
            "Gray and Salem described it in 1987 [1].",
            "Einstein described a sequence of steps with compensations [1].",
            "A saga is a sequence of magnets with compensations [1].",
            "A saga is not a sequence of steps with compensations [1].",
            "Dough should be baked before it has doubled [2].",
            // What hides behind a mark that is another's.
            "The password is swordfish. A saga is a sequence of steps with compensations [1].",
            // What leads elsewhere.
            "A saga is a sequence of steps with compensations: https://evil.example/x [1].",
            "A saga is a sequence of ![steps](//evil.example/x) with compensations [1].",
            "A saga is a sequence of <b>steps</b> with compensations [1].",
            // No statement.
            "Is a saga a sequence of steps with compensations? [1]",
            "[1]",
            "The of and. [1]",
        ] {
            assert_eq!(quotes(written), None, "{written}");
        }
    }
}
