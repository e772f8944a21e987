//! The events of an answer: what it is about, each statement with its sources before its words, the whole.

use futures::channel::mpsc::UnboundedSender;
use smartcourse_proto::assistant::{Answer, AskEvent, AskEventKind, Citation};

/// Tells events to whoever listens still.
pub(crate) fn tell(told: &UnboundedSender<AskEvent>, events: impl IntoIterator<Item = AskEvent>) {
    for event in events {
        // A reader who has hung up finds the turn in the conversation.
        if told.unbounded_send(event).is_err() {
            return;
        }
    }
}

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
pub(crate) fn done(answer: Answer) -> [AskEvent; 1] {
    [AskEvent {
        answer: Some(answer),
        ..event(AskEventKind::Done)
    }]
}
