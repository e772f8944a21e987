//! Pseudo-text that is the same at every run: sentences of common English words around terms that are rare.

use serde_json::{Value, json};

const SUBJECTS: [&str; 40] = [
    "worker",
    "service",
    "history",
    "message",
    "database",
    "reader",
    "queue",
    "schedule",
    "transaction",
    "course",
    "student",
    "answer",
    "question",
    "server",
    "process",
    "record",
    "version",
    "network",
    "memory",
    "signal",
    "index",
    "vector",
    "lesson",
    "engine",
    "client",
    "teacher",
    "system",
    "program",
    "function",
    "document",
    "request",
    "timer",
    "table",
    "library",
    "machine",
    "model",
    "letter",
    "river",
    "garden",
    "market",
];
const VERBS: [&str; 32] = [
    "keeps",
    "writes",
    "reads",
    "sends",
    "follows",
    "changes",
    "repeats",
    "finds",
    "holds",
    "measures",
    "starts",
    "finishes",
    "explains",
    "compares",
    "collects",
    "orders",
    "replaces",
    "protects",
    "describes",
    "builds",
    "moves",
    "shares",
    "checks",
    "removes",
    "returns",
    "carries",
    "learns",
    "teaches",
    "remembers",
    "improves",
    "divides",
    "joins",
];
const ADJECTIVES: [&str; 32] = [
    "small",
    "durable",
    "early",
    "quiet",
    "exact",
    "simple",
    "careful",
    "open",
    "second",
    "large",
    "common",
    "strong",
    "local",
    "public",
    "recent",
    "slow",
    "useful",
    "different",
    "private",
    "early",
    "complete",
    "single",
    "natural",
    "modern",
    "heavy",
    "clear",
    "sudden",
    "patient",
    "broken",
    "honest",
    "final",
    "distant",
];
const JOINERS: [&str; 16] = [
    "because",
    "while",
    "although",
    "after",
    "before",
    "unless",
    "so that",
    "whenever",
    "until",
    "and then",
    "but only if",
    "as soon as",
    "even when",
    "since",
    "where",
    "in case",
];
const SYLLABLES: [&str; 24] = [
    "ba", "ren", "to", "mi", "cal", "dor", "ves", "lun", "ter", "qua", "so", "nim", "gar", "pel", "ix",
    "hol", "wen", "fa", "dris", "ko", "mur", "zan", "ti", "ol",
];
/// Sentences of a section: with their words a section is one chunk.
const SENTENCES: usize = 9;

/// A generator of numbers (SplitMix64): the same seed gives the same course on every machine.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// A generator for this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        // The remainder is below the length of an array.
        words[(self.next() % words.len() as u64) as usize]
    }

    /// A rare word: there are some fourteen thousand.
    fn term(&mut self) -> String {
        (0..3).map(|_| self.pick(&SYLLABLES)).collect()
    }

    fn clause(&mut self, term: &str) -> String {
        let (adjective, subject, verb, object) = (
            self.pick(&ADJECTIVES),
            self.pick(&SUBJECTS),
            self.pick(&VERBS),
            self.pick(&SUBJECTS),
        );
        match self.next() % 3 {
            0 => format!("the {adjective} {subject} {verb} the {term}"),
            1 => format!("a {subject} of the {term} {verb} every {object}"),
            _ => format!("the {subject} {verb} one {adjective} {object}"),
        }
    }

    fn sentence(&mut self, term: &str) -> String {
        let (first, joiner, second) = (self.clause(term), self.pick(&JOINERS), self.clause(term));
        let mut sentence = format!("{first} {joiner} {second}.");
        if let Some(head) = sentence.get_mut(..1) {
            head.make_ascii_uppercase();
        }
        sentence
    }

    /// The heading and the text of a section that makes one chunk.
    pub(crate) fn section(&mut self) -> (String, String) {
        let terms = [self.term(), self.term()];
        let heading = format!("The {} {}", self.pick(&ADJECTIVES), terms[0]);
        let sentences: Vec<String> = (0..SENTENCES)
            .map(|index| self.sentence(&terms[index % 2]))
            .collect();
        (heading, sentences.join(" "))
    }

    /// A question in the words of the sections.
    pub(crate) fn question(&mut self) -> String {
        let (adjective, subject, object, term) = (
            self.pick(&ADJECTIVES),
            self.pick(&SUBJECTS),
            self.pick(&SUBJECTS),
            self.term(),
        );
        format!("How does the {adjective} {subject} of the {term} work with a {object}?")
    }

    /// A lesson of so many sections, as the API takes it.
    pub(crate) fn lesson(&mut self, number: usize, sections: usize) -> Value {
        let mut markdown = String::new();
        for _ in 0..sections {
            let (heading, text) = self.section();
            markdown.push_str(&format!("## {heading}\n\n{text}\n\n"));
        }
        let title = format!("Lesson {number} about {}", self.term());
        json!({"id": format!("l{number}"), "title": title, "type": "text", "content": {"markdown": markdown}})
    }

    /// Lessons numbered from 1.
    pub(crate) fn lessons(&mut self, count: usize, sections: usize) -> Vec<Value> {
        (1..=count).map(|number| self.lesson(number, sections)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_text_and_another_seed_another() {
        assert_eq!(Dice::new(1).section(), Dice::new(1).section());
        assert_ne!(Dice::new(1).section(), Dice::new(2).section());
        let words = Dice::new(1).section().1.split_whitespace().count();
        assert!((90..=150).contains(&words), "{words}");
    }
}
