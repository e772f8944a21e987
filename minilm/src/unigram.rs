//! SentencePiece's unigram model: of all ways to cut a text into pieces of the vocabulary, the most likely one.
//!
//! It follows the tokeniser of XLM-RoBERTa: characters are replaced one by one, runs of blanks become one, and a blank is
//! written as `▁` before the word.

use std::collections::HashMap;

/// How a blank is written.
const BLANK: char = '▁';
/// How much less likely than the least likely piece a character is that no piece has.
const UNKNOWN: f32 = 10.0;

/// The vocabulary.
pub(crate) struct Unigram {
    pieces: HashMap<Box<str>, u32>,
    /// Logarithms of the likelihoods, by piece.
    scores: Vec<f32>,
    /// What a character is replaced by.
    replaced: HashMap<char, Box<str>>,
    /// Bytes of the longest piece.
    longest: usize,
    unknown: u32,
    unknown_score: f32,
}

impl Unigram {
    /// Over pieces, each with its score, and the characters that are replaced. `unknown` is the piece for what no other has.
    pub(crate) fn new(
        pieces: impl IntoIterator<Item = (Box<str>, f32)>,
        replaced: HashMap<char, Box<str>>,
        unknown: u32,
    ) -> Self {
        let (mut known, mut scores) = (HashMap::new(), Vec::new());
        let (mut longest, mut least) = (0, f32::INFINITY);
        for ((piece, score), id) in pieces.into_iter().zip(0_u32..) {
            longest = longest.max(piece.len());
            least = least.min(score);
            scores.push(score);
            known.insert(piece, id);
        }
        Self {
            pieces: known,
            scores,
            replaced,
            longest,
            unknown,
            unknown_score: least - UNKNOWN,
        }
    }

    /// Whether a word, in lower case, is one piece, with or without a capital.
    pub(crate) fn has(&self, word: &str) -> bool {
        let mut letters = word.chars();
        let first = letters.next();
        let capital = first.map(|first| first.to_uppercase().chain(letters).collect::<String>());
        let is_piece = |word: &str| self.pieces.contains_key(&*format!("▁{word}"));
        is_piece(word) || capital.is_some_and(|capital| is_piece(&capital))
    }

    /// The pieces of a text.
    pub(crate) fn encode(&self, text: &str) -> Vec<u32> {
        let text = self.normalised(text);
        let starts: Vec<usize> = text.char_indices().map(|(start, _)| start).collect();
        let end = |place: usize| starts.get(place).copied().unwrap_or(text.len());
        // The best way to each character: its score, the last piece, and where that begins.
        let mut best = vec![(f32::NEG_INFINITY, self.unknown, 0); starts.len() + 1];
        best[0].0 = 0.0;
        for from in 0..starts.len() {
            let begun = best[from].0;
            let alone = (begun + self.unknown_score, self.unknown, from);
            let pieces = (from + 1..=starts.len())
                .take_while(|to| end(*to) - starts[from] <= self.longest)
                .filter_map(|to| {
                    let id = *self.pieces.get(&text[starts[from]..end(to)])?;
                    let known = id != self.unknown;
                    known.then(|| (to, (begun + self.scores[id as usize], id, from)))
                });
            for (to, way) in pieces.chain([(from + 1, alone)]) {
                if way.0 > best[to].0 {
                    best[to] = way;
                }
            }
        }
        let mut ids = Vec::new();
        let mut at = starts.len();
        while at > 0 {
            let (_, id, from) = best[at];
            ids.push(id);
            at = from;
        }
        ids.reverse();
        ids
    }

    fn normalised(&self, text: &str) -> String {
        let mut normalised = String::with_capacity(text.len() + BLANK.len_utf8());
        let mut put = |c: char| {
            let blank = c == ' ';
            if normalised.is_empty() {
                normalised.push(BLANK);
                if blank {
                    return;
                }
            }
            match blank {
                true if normalised.ends_with(BLANK) => {}
                true => normalised.push(BLANK),
                false => normalised.push(c),
            }
        };
        for c in text.chars() {
            match self.replaced.get(&c) {
                Some(by) => by.chars().for_each(&mut put),
                None => put(c),
            }
        }
        normalised
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_likely_pieces_are_taken() {
        let pieces = [
            ("<unk>", 0.0),
            ("▁", -3.0),
            ("▁un", -2.0),
            ("▁unit", -2.5),
            ("it", -2.0),
            ("y", -1.0),
            ("ity", -5.0),
        ];
        let replaced = HashMap::from([('\n', " ".into()), ('Y', "y".into())]);
        let unigram = Unigram::new(pieces.map(|(piece, score)| (piece.into(), score)), replaced, 0);
        assert_eq!(unigram.encode("unity"), [3, 5]);
        assert_eq!(unigram.encode("  un \nitY?"), [2, 1, 4, 5, 0]);
        assert_eq!(unigram.encode(""), [0_u32; 0]);
    }
}
