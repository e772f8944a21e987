//! What a course answers: its passages, statements that stand on them, and what those may cost.

use futures::TryStreamExt as _;
use smartcourse_platform::{
    Error, Result,
    grpc::Actor,
    ports::answers::{Exchange, Part, Question, Statement},
};
use smartcourse_proto::{
    assistant::{Answer, Citation, Conversation, Usage},
    content::{Passages, RetrieveRequest},
};
use tracing::Instrument as _;

use super::{
    draft::{Asked, Draft},
    questions, spending,
};
use crate::{State, about_platform, citation::standing, small_talk};

/// Passages an answer may draw from.
const PASSAGES: i32 = 6;
/// Questions before one that it may lean on, together; and words of a question that leans on none.
const LEANED_ON: usize = 3;
const WHOLE: usize = 4;
/// What is said when the course does not answer.
const REFUSAL: &str = "The course material does not answer this question.";

/// What an answer that only quotes is called.
const QUOTES: &str = "extractive";

/// Says what a published version answers, and where it stands there; that it does not, when nothing stands.
pub(super) async fn from_course(state: &State, asked: &Asked, draft: &mut Draft) -> Result<()> {
    let conversation = &asked.conversation;
    let retrieve = RetrieveRequest {
        course_id: conversation.course_id,
        version: asked.version,
        question: asked.question.clone(),
        before: before(conversation),
        limit: PASSAGES,
    };
    let found = state.content.retrieve(Actor::Service.request(retrieve)).await?;
    let looked_for = match found.asked.as_str() {
        "" => &asked.question,
        looked_for => looked_for,
    };
    draft.question = Some(questions::Question::of(looked_for, &found.language));
    let mut question = Question {
        text: &asked.question,
        history: &history(conversation),
        passages: &found.items,
        language: &found.language,
        answers: answers(&found),
        may_cost: true,
    };
    let most = state.answerer.most(&question);
    if most != Usage::default() {
        let course = conversation.course_id.into();
        draft.reserved = spending::reserve(&state.pool, &state.limits, asked.user, course, &most).await?;
        question.may_cost = draft.reserved.is_some();
    }
    draft.answer.engine = Some(state.answerer.name().to_owned());
    let answering = async {
        let mut parts = state.answerer.answer(question);
        while let Some(part) = parts.try_next().await? {
            match part {
                Part::Statement(statement) => {
                    if let Some((text, citations)) = checked(statement, &found, &draft.answer) {
                        draft.say(&text, citations);
                    }
                }
                Part::Quoted(note) => {
                    draft.answer.note = Some(note.into());
                    if draft.answer.citations.is_empty() {
                        draft.answer.engine = Some(QUOTES.to_owned());
                    }
                }
                Part::Spent(usage) => draft.spent(usage),
            }
        }
        Ok::<_, Error>(())
    };
    let span = tracing::info_span!("answer", passages = found.items.len());
    answering.instrument(span).await?;
    if draft.answer.citations.is_empty() {
        draft.answer.engine = None;
        let about_platform = about_platform::reply(&asked.question);
        if about_platform.is_some() {
            // No lesson is missing.
            draft.question = None;
        }
        draft.say(about_platform.unwrap_or(REFUSAL), Vec::new());
    }
    Ok(())
}

/// Whether the passages answer the question. A content service of 0.2 leaves it to the cosines.
fn answers(found: &Passages) -> bool {
    let cosines = found.items.iter().flat_map(|passage| &passage.sentences);
    let is_close = || {
        cosines
            .map(|sentence| sentence.cosine)
            .any(|cosine| cosine >= found.refuse_below)
    };
    found.answers.unwrap_or_else(is_close)
}

/// What a question may lean on: the last one that was no small talk; before a fragment, also what that leaned on.
fn before(conversation: &Conversation) -> String {
    let asked = conversation.turns.iter().rev().map(|turn| turn.question.as_str());
    let mut before: Vec<&str> = Vec::new();
    for question in asked
        .filter(|question| small_talk::reply(question).is_none())
        .take(LEANED_ON)
    {
        before.insert(0, question);
        if question.split_whitespace().count() >= WHOLE {
            break;
        }
    }
    before.join(" ")
}

/// What was asked and answered before.
fn history(conversation: &Conversation) -> Vec<Exchange<'_>> {
    let turns = conversation.turns.iter().map(|turn| Exchange {
        question: &turn.question,
        answer: turn.answer.as_ref().map_or("", |answer| &answer.answer),
    });
    turns.collect()
}

/// A statement with the numbers of its citations, which go on from the others of the answer; `None` when nothing supports it.
fn checked(statement: Statement, found: &Passages, answer: &Answer) -> Option<(String, Vec<Citation>)> {
    let mut citations = standing(statement.citations, &found.items, answer.version);
    let mut text = statement.text;
    for (n, citation) in (answer.citations.len() + 1..).zip(&mut citations) {
        text.push_str(&format!(" [{n}]"));
        citation.n = i32::try_from(n).unwrap_or(i32::MAX);
    }
    (!citations.is_empty()).then_some((text, citations))
}

#[cfg(test)]
mod tests {
    use smartcourse_platform::ports::answers as ports;
    use smartcourse_proto::{assistant::Turn, content::Passage};

    use super::*;

    #[test]
    fn a_statement_stands_on_what_is_there() {
        let passage = |version: i32, text: &str| Passage {
            version,
            text: text.to_owned(),
            ..Passage::default()
        };
        let found = Passages {
            items: vec![passage(2, "Bread rises."), passage(1, "Bread fell.")],
            ..Passages::default()
        };
        let statement = |spans: &[(usize, &str)]| Statement {
            text: "It rises.".to_owned(),
            citations: spans
                .iter()
                .map(|(passage, quote)| ports::Citation {
                    passage: *passage,
                    quote: (*quote).to_owned(),
                    score: 0.5,
                })
                .collect(),
        };
        let mut answer = Answer {
            version: 2,
            ..Answer::default()
        };
        let mut check = |spans: &[(usize, &str)]| {
            let (text, citations) = checked(statement(spans), &found, &answer)?;
            answer.citations.extend(citations);
            Some(text)
        };
        assert_eq!(check(&[(0, "Bread rises.")]).as_deref(), Some("It rises. [1]"));
        assert_eq!(check(&[]), None, "nothing supports it");
        assert_eq!(
            check(&[(0, "Bread fell."), (1, "Bread fell."), (0, ""), (7, "x")]),
            None
        );
        assert_eq!(
            check(&[(0, "rises"), (0, "falls")]).as_deref(),
            Some("It rises. [2]")
        );
        assert_eq!(answer.citations.len(), 2);
    }

    #[test]
    fn a_fragment_leans_on_what_was_asked() {
        let conversation = |asked: &[&str]| Conversation {
            turns: asked
                .iter()
                .map(|question| Turn {
                    question: (*question).to_owned(),
                    ..Turn::default()
                })
                .collect(),
            ..Conversation::default()
        };
        assert_eq!(
            before(&conversation(&[
                "How is bread made?",
                "What is a saga?",
                "thanks"
            ])),
            "What is a saga?"
        );
        assert_eq!(
            before(&conversation(&["What is a saga?", "and why?"])),
            "What is a saga? and why?"
        );
        assert_eq!(before(&conversation(&[])), "");
    }
}
