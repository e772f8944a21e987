//! The answer port: from a question and passages of the course to statements that name the passages they stand in.

use futures::stream::BoxStream;
use smartcourse_proto::content::Passage;

use crate::error::Result;

/// What is asked, and what may be answered from.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The question.
    pub text: &'a str,
    /// What was asked and answered before it, the earliest first.
    pub history: &'a [Exchange<'a>],
    /// The passages.
    pub passages: &'a [Passage],
    /// Whether they answer the question.
    pub answers: bool,
}

/// An earlier question and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange<'a> {
    /// The question.
    pub question: &'a str,
    /// What was answered.
    pub answer: &'a str,
}

/// A part of an answer, and what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The text, without marks of its citations.
    pub text: String,
    /// What supports it; a statement without any does not stand.
    pub citations: Vec<Citation>,
}

/// A span of a passage.
#[derive(Debug, Clone, PartialEq)]
pub struct Citation {
    /// Index of the passage.
    pub passage: usize,
    /// The span, verbatim.
    pub quote: String,
    /// 0 to 1; higher fits the question better.
    pub score: f64,
}

/// Something that answers from passages only.
pub trait Answerer: Send + Sync {
    /// The statements that answer the question, as they come about; none when the passages do not answer it.
    fn answer<'a>(&'a self, question: Question<'a>) -> BoxStream<'a, Result<Statement>>;
}
