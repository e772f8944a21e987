//! A question that is to be answered, and its answer as it comes about.

use std::time::Instant;

use smartcourse_proto::{
    assistant::{Answer, AskEvent, Citation, Conversation, Statement, Usage},
    ids::UserId,
};

use super::{
    questions::Question,
    spending::{self, Reserved},
};
use crate::{events, under_way::Telling};

/// A question that is to be answered.
pub(crate) struct Asked {
    pub(super) begun: Instant,
    pub(crate) user: UserId,
    pub(super) question: String,
    pub(crate) conversation: Conversation,
    /// The number of its turn.
    pub(crate) turn: i32,
    pub(super) is_new: bool,
    pub(super) version: i32,
}

/// An answer that comes about.
pub(super) struct Draft {
    pub(super) answer: Answer,
    /// What of it was told together.
    pub(super) statements: Vec<Statement>,
    /// What it may take, until that is settled, and what it has taken.
    pub(super) reserved: Option<Reserved>,
    pub(super) usage: Option<Usage>,
    /// What the course was asked, if it was.
    pub(super) question: Option<Question>,
    told: Telling,
}

impl Draft {
    pub(super) fn new(answer: Answer, told: Telling) -> Self {
        Self {
            answer,
            statements: Vec::new(),
            reserved: None,
            usage: None,
            question: None,
            told,
        }
    }

    /// Tells events to whoever listens still: a reader who has hung up finds the turn in the conversation.
    pub(super) fn tell(&self, events: impl IntoIterator<Item = AskEvent>) {
        self.told.tell(events);
    }

    /// Adds a statement, and tells it.
    pub(super) fn say(&mut self, text: &str, citations: Vec<Citation>) {
        let text = match self.answer.answer.is_empty() {
            true => text.to_owned(),
            false => format!("\n{text}"),
        };
        self.tell(events::statement(&text, &citations));
        self.statements.push(Statement {
            bytes: u32::try_from(text.len()).unwrap_or(u32::MAX),
            citations: u32::try_from(citations.len()).unwrap_or(u32::MAX),
        });
        self.answer.answer.push_str(&text);
        self.answer.citations.extend(citations);
    }

    /// Adds what a call of a model took.
    pub(super) fn spent(&mut self, usage: Usage) {
        spending::add_up(&mut self.usage, usage);
    }
}
