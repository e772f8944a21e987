//! The events of an answer: what it is about, each statement with its sources before its words, the whole. They are made in the same
//! way when they are told and when a turn that is kept is followed once more.

use smartcourse_proto::assistant::{Answer, AskEvent, AskEventKind, Citation, Statement, Turn};

fn event(kind: AskEventKind) -> AskEvent {
    AskEvent {
        kind: kind.into(),
        ..AskEvent::default()
    }
}

/// Adds events to those before, and numbers them from 1.
pub(crate) fn number(told: &mut Vec<AskEvent>, events: impl IntoIterator<Item = AskEvent>) {
    for event in events {
        let n = i64::try_from(told.len() + 1).unwrap_or(i64::MAX);
        told.push(AskEvent { n, ..event });
    }
}

/// All events of a turn that is kept, by its number.
pub(crate) fn of(turn: &Turn, n: i32) -> Vec<AskEvent> {
    let answer = turn.answer.clone().unwrap_or_default();
    let mut told = Vec::new();
    number(&mut told, [meta(&answer.conversation_id, answer.version, n)]);
    // A turn of 0.2 was told as one.
    let whole = [Statement {
        bytes: u32::try_from(answer.answer.len()).unwrap_or(u32::MAX),
        citations: u32::try_from(answer.citations.len()).unwrap_or(u32::MAX),
    }];
    let statements = match turn.statements.is_empty() {
        true => &whole[..],
        false => &turn.statements,
    };
    let (mut text, mut citations) = (answer.answer.as_str(), answer.citations.as_slice());
    for one in statements {
        let (said, rest) = text.split_at_checked(one.bytes as usize).unwrap_or((text, ""));
        let (cited, others) = citations.split_at((one.citations as usize).min(citations.len()));
        number(&mut told, statement(said, cited));
        (text, citations) = (rest, others);
    }
    number(&mut told, [done(answer)]);
    told
}

/// The first: conversation, version and the number of the turn.
pub(crate) fn meta(conversation_id: &str, version: i32, turn: i32) -> AskEvent {
    AskEvent {
        answer: Some(Answer {
            conversation_id: conversation_id.to_owned(),
            version,
            ..Answer::default()
        }),
        turn,
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
