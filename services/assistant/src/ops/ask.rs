//! One question: condense, retrieve, answer, check every citation, keep the turn.

use std::{sync::Arc, time::Instant};

use futures::TryStreamExt as _;
use smartcourse_platform::{
    Error, Result,
    error::Problems,
    grpc::Actor,
    ports::answers::{Exchange, Question, Statement},
    unbroken,
};
use smartcourse_proto::{
    assistant::{Answer, AskRequest, Citation, Conversation, Turn},
    content::{Passages, RetrieveRequest},
    course::LivePointersRequest,
    events::AssistantAnswered,
    limits,
};
use smartcourse_telemetry::catalogue::ANSWER_SECONDS;
use tracing::Instrument as _;

use crate::{State, codes, ops::conversations, small_talk};

/// Passages an answer may draw from.
const PASSAGES: i32 = 6;
/// Questions before one that it may lean on, together; and words of a question that leans on none.
const LEANED_ON: usize = 3;
const WHOLE: usize = 4;
/// What is said when the course does not answer.
const REFUSAL: &str = "The course material does not answer this question.";

pub(crate) async fn ask(state: &Arc<State>, actor: Actor, request: AskRequest) -> Result<Answer> {
    let begun = Instant::now();
    let answer = answer(state, actor, request).await;
    let outcome = match &answer {
        Ok(answer) if answer.refused => "not_found",
        Ok(_) => "answered",
        Err(error) => error.code(),
    };
    ANSWER_SECONDS.since(begun, [outcome]);
    answer
}

async fn answer(state: &Arc<State>, actor: Actor, request: AskRequest) -> Result<Answer> {
    let user = actor.user()?;
    Problems::only_text("question", &request.question, limits::QUESTION)?;
    let question = request.question.trim();
    let known = request.conversation_id.as_deref();
    let conversation = conversations::open(state, user, request.course_id.into(), known).await?;

    let pointers = LivePointersRequest {
        course_ids: vec![request.course_id],
        instructor_id: None,
    };
    let pointers = Actor::Service.request(pointers);
    let live = state.course.get_live_pointers(pointers).await?;
    let Some(live) = live.items.first() else {
        let detail = "the course has no published version to answer from";
        return Err(Error::new(&codes::NOT_PUBLISHED, detail));
    };
    let version = live.version;

    let (text, citations) = match small_talk::reply(question) {
        Some(reply) => (reply.to_owned(), Vec::new()),
        None => from_course(state, &conversation, version, question).await?,
    };
    let answer = Answer {
        conversation_id: conversation.id.clone(),
        refused: citations.is_empty(),
        answer: text,
        citations,
        version,
    };
    let turn = Turn {
        question: question.to_owned(),
        answer: Some(answer.clone()),
        asked_at: Some(conversations::now()),
    };
    let event = AssistantAnswered {
        course_id: conversation.course_id,
        user_id: user.0,
        version: answer.version,
        refused: answer.refused,
    };
    unbroken(conversations::keep(
        Arc::clone(state),
        user,
        conversation,
        known.is_none(),
        turn,
        event,
    ))
    .await?;
    Ok(answer)
}

/// What a published version answers, and where it stands there; nothing stands anywhere when it does not answer.
async fn from_course(
    state: &State,
    conversation: &Conversation,
    version: i32,
    question: &str,
) -> Result<(String, Vec<Citation>)> {
    let retrieve = RetrieveRequest {
        course_id: conversation.course_id,
        version,
        question: question.to_owned(),
        before: before(conversation),
        limit: PASSAGES,
    };
    let found = state.content.retrieve(Actor::Service.request(retrieve)).await?;
    let asked = Question {
        text: question,
        history: &history(conversation),
        passages: &found.items,
        answers: answers(&found),
    };
    let (mut text, mut citations) = (Vec::new(), Vec::new());
    let answering = async {
        let mut statements = state.answerer.answer(asked);
        while let Some(statement) = statements.try_next().await? {
            text.extend(checked(statement, &found, version, &mut citations));
        }
        Ok::<_, Error>(())
    };
    let span = tracing::info_span!("answer", passages = found.items.len());
    answering.instrument(span).await?;
    let text = match citations.is_empty() {
        true => REFUSAL.to_owned(),
        false => text.join("\n"),
    };
    Ok((text, citations))
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

/// A statement with the numbers of its citations, which are added to the others. A citation whose quote does not stand in
/// its passage is dropped, and so is a statement without any: an answer never lies about its source.
fn checked(
    statement: Statement,
    found: &Passages,
    version: i32,
    citations: &mut Vec<Citation>,
) -> Option<String> {
    let before = citations.len();
    let mut text = statement.text;
    for cited in statement.citations {
        let Some(passage) = found.items.get(cited.passage) else {
            let passage = cited.passage;
            tracing::error!(passage, "a citation named no passage and was dropped");
            continue;
        };
        if passage.version != version || cited.quote.is_empty() || !passage.text.contains(&cited.quote) {
            tracing::error!(lesson_id = %passage.lesson_id, "a citation did not stand in its passage and was dropped");
            continue;
        }
        let n = i32::try_from(citations.len() + 1).unwrap_or(i32::MAX);
        text.push_str(&format!(" [{n}]"));
        citations.push(Citation {
            n,
            lesson_id: passage.lesson_id.clone(),
            lesson_title: passage.lesson_title.clone(),
            module_title: passage.module_title.clone(),
            version: passage.version,
            page: passage.page,
            start_seconds: passage.start_seconds,
            quote: cited.quote,
            score: cited.score,
        });
    }
    (citations.len() > before).then_some(text)
}

#[cfg(test)]
mod tests {
    use smartcourse_platform::ports::answers as ports;
    use smartcourse_proto::content::Passage;

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
        let mut citations = Vec::new();
        let mut check = |spans: &[(usize, &str)]| checked(statement(spans), &found, 2, &mut citations);
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
        assert_eq!(citations.len(), 2);
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
