//! Hashed words and character n-grams: a vector without a model.
//!
//! Finds what shares words, stems and spellings with the question, about as well as BM25 does, and nothing that
//! merely shares its meaning. It is what SmartCourse falls back to when the model's weights are absent.

use std::collections::HashMap;

use crate::kernels::normalise;

/// Length of every vector.
pub const DIMENSIONS: usize = 1536;

/// Name stored beside these vectors. Change it with anything that changes a vector.
pub const MODEL_ID: &str = "hashed-ngrams-1536";

/// Weight of a character n-gram relative to its whole word: a word has many of them, so each says less.
const NGRAM_WEIGHT: f32 = 0.4;

/// Weight of a word that says nothing about the subject.
const STOP_WEIGHT: f32 = 0.1;

/// English function words, sorted.
const STOP_WORDS: [&str; 60] = [
    "a", "about", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do",
    "does", "for", "from", "had", "has", "have", "how", "i", "if", "in", "into", "is", "it", "its", "my",
    "no", "not", "of", "on", "or", "our", "should", "so", "than", "that", "the", "their", "them", "then",
    "there", "these", "they", "this", "to", "was", "we", "were", "what", "when", "which", "who", "why",
    "will", "with", "you",
];

/// The embedder; it has no state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hashed;

impl Hashed {
    /// One vector of [`DIMENSIONS`] per text, of Euclidean length 1; all zeros for a text without letters or
    /// digits. The same text has the same vector on every machine.
    pub fn embed(&self, texts: &[&str]) -> Vec<Vec<f32>> {
        texts.iter().map(|text| embed(text)).collect()
    }
}

/// The vector of one text: sublinear counts of its features, each added with a hashed sign at a hashed place so
/// that collisions cancel on average (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning").
fn embed(text: &str) -> Vec<f32> {
    let lower = text.to_lowercase();
    let mut features: HashMap<u64, (f32, f32)> = HashMap::new();
    for word in lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        if STOP_WORDS.binary_search(&word).is_ok() {
            count(&mut features, b'w', word, STOP_WEIGHT);
            continue;
        }
        count(&mut features, b'w', word, 1.0);
        ngrams(word, |ngram| count(&mut features, b'n', ngram, NGRAM_WEIGHT));
    }
    // The map's order is random and float addition is not associative: sort, or equal texts would differ.
    let mut features: Vec<_> = features.into_iter().collect();
    features.sort_unstable_by_key(|(hash, _)| *hash);
    let mut vector = vec![0.0; DIMENSIONS];
    for (hash, (weight, count)) in features {
        let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
        let place = (hash % DIMENSIONS as u64) as usize;
        vector[place] += sign * weight * (1.0 + count.ln());
    }
    normalise(&mut vector);
    vector
}

/// Counts one occurrence of a feature.
fn count(features: &mut HashMap<u64, (f32, f32)>, kind: u8, feature: &str, weight: f32) {
    features.entry(fnv1a(kind, feature)).or_insert((weight, 0.0)).1 += 1.0;
}

/// Calls `each` with the 3- and 4-grams of `word` between boundary marks; a word written without spaces
/// (Chinese, Japanese) also gets its 2-grams, which are its words as often as not.
fn ngrams(word: &str, mut each: impl FnMut(&str)) {
    let marked = format!("<{word}>");
    let starts: Vec<usize> = marked
        .char_indices()
        .map(|(at, _)| at)
        .chain([marked.len()])
        .collect();
    let shortest = if word.chars().any(|c| matches!(u32::from(c), 0x3040..=0x9FFF)) {
        2
    } else {
        3
    };
    for length in shortest..=4_usize {
        for window in starts.windows(length + 1) {
            each(&marked[window[0]..window[length]]);
        }
    }
}

/// FNV-1a, 64 bits, with a final mix (MurmurHash3's) because the sign and the place use different bits.
fn fnv1a(kind: u8, feature: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in std::iter::once(kind).chain(feature.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(a: &str, b: &str) -> f32 {
        let vectors = Hashed.embed(&[a, b]);
        vectors[0].iter().zip(&vectors[1]).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn stop_words_are_sorted() {
        assert!(STOP_WORDS.is_sorted());
    }

    #[test]
    fn vectors_have_length_one_and_repeat() {
        assert!((cosine("Ownership moves.", "Ownership moves.") - 1.0).abs() < 1e-5);
        let text = "Ownership is Rust's most unique feature and has deep implications for the language.";
        assert_eq!(Hashed.embed(&[text]), Hashed.embed(&[text]));
        assert_eq!(Hashed.embed(&[text])[0].len(), DIMENSIONS);
    }

    #[test]
    fn nothing_to_hash_is_the_zero_vector() {
        assert!(
            Hashed
                .embed(&["", " …!? "])
                .iter()
                .flatten()
                .all(|value| *value == 0.0)
        );
    }

    #[test]
    fn related_words_are_nearer_than_unrelated_ones() {
        let question = "how does borrowing work";
        assert!(
            cosine(question, "Borrowed values work like this.")
                > cosine(question, "The traffic light is green.") + 0.1
        );
        assert!(cosine("東京の天気", "天気予報") > cosine("東京の天気", "株式市場") + 0.02);
    }

    #[test]
    fn the_hash_is_stable() {
        // Stored vectors depend on it: a change needs a new MODEL_ID.
        assert_eq!(fnv1a(b'w', "rust"), 0xb407_e9ce_301b_5a8b);
        assert_ne!(fnv1a(b'w', "rust"), fnv1a(b'n', "rust"));
    }
}
