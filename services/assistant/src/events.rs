//! The events of an answer: what it is about, each statement with its sources before its words, the whole.

use smartcourse_proto::assistant::{Answer, AskEvent, AskEventKind, Citation};

fn event(kind: AskEventKind) -> AskEvent {
    AskEvent {
        kind: kind.into(),
        ..AskEvent::default()
    }
}

/// The first: conversation and version.
pub(crate) fn meta(answer: &Answer) -> AskEvent {
    AskEvent {
        answer: Some(answer.clone()),
        ..event(AskEventKind::Meta)
    }
}

/// A statement: what it rests on, then its words.
pub(crate) fn statement(text: &str, citations: &[Citation]) -> Vec<AskEvent> {
    let citations = citations.iter().map(|citation| AskEvent {
        citation: Some(citation.clone()),
        ..event(AskEventKind::Citation)
    });
    let words = text.split_inclusive(char::is_whitespace).map(|word| AskEvent {
        token: word.to_owned(),
        ..event(AskEventKind::Token)
    });
    citations.chain(words).collect()
}

/// The last: the whole, which is kept.
pub(crate) fn done(answer: Answer) -> AskEvent {
    AskEvent {
        answer: Some(answer),
        ..event(AskEventKind::Done)
    }
}
