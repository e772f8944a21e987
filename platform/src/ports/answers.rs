//! The answer port: from a question and passages of the course to statements that name the passages they stand in.

use futures::stream::BoxStream;
use smartcourse_proto::{
    assistant::{AnswerNote, Usage},
    content::Passage,
};

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
    /// Their language (BCP 47); empty where it is not known.
    pub language: &'a str,
    /// Whether they answer the question.
    pub answers: bool,
    /// Whether an answer may cost something; else the passages are quoted.
    pub may_cost: bool,
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

/// What comes about of an answer, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// It goes on with this statement.
    Statement(Statement),
    /// From here on the passages are quoted, for this reason.
    Quoted(AnswerNote),
    /// A call of a model has ended, well or not, and took this.
    Spent(Usage),
}

/// Something that answers from passages only.
pub trait Answerer: Send + Sync {
    /// Names what answers, as readers and operators see it.
    fn name(&self) -> &str;
    /// What answering may cost, by an estimate; nothing when no model is paid for it.
    fn most(&self, question: &Question<'_>) -> Usage;
    /// What answers the question, as it comes about; no statement when the passages do not answer it. Fails only when nothing
    /// can be said at all: a model that is away is a [`Part::Quoted`].
    fn answer<'a>(&'a self, question: Question<'a>) -> BoxStream<'a, Result<Part>>;
}
