//! What is found by words: one way to write a text, its words, and which units of a version have the rare ones of a
//! question. Pure functions; nothing here reads or waits.

mod bm25;
mod foreign;
mod leaning;
mod normal;
mod query;
mod snippet;
mod terms;
mod words;

pub use bm25::{Index, Ranked, Term, Text, rarity};
pub use foreign::is_foreign;
pub use leaning::leans;
pub use normal::normal;
pub use query::{Query, Ways};
pub use snippet::snippet;
pub use terms::{Analyzer, Asked};
pub use words::{Word, placed, words};
