//! One question: condense, retrieve, answer, check every citation, keep the turn.

use std::sync::Arc;

use smartcourse_platform::{
    Error, Result,
    error::{Problems, codes},
    grpc::Actor,
    unbroken,
};
use smartcourse_proto::{
    assistant::{Answer, AskRequest, Citation, Conversation, Turn},
    content::{Passage, Passages, RetrieveRequest},
    course::LivePointersRequest,
    events::AssistantAnswered,
};

use crate::{State, conversations};

/// Characters of a question at most.
const MAX_QUESTION: usize = 2_000;
/// Passages an answer may draw from.
const PASSAGES: i32 = 6;
/// A question with fewer words than this leans on the one before it.
const FOLLOW_UP_WORDS: usize = 4;
/// What is said when the course does not answer.
const REFUSAL: &str = "The course material does not answer this question.";

pub(crate) async fn ask(state: &Arc<State>, actor: Actor, request: AskRequest) -> Result<Answer> {
    let user = actor.user()?;
    let mut problems = Problems::default();
    problems.text("question", &request.question, MAX_QUESTION);
    problems.finish()?;
    let question = request.question.trim();
    let known = request.conversation_id.as_deref();
    let conversation = conversations::open(state, user, request.course_id, known).await?;

    let pointers = LivePointersRequest {
        course_ids: vec![request.course_id],
        instructor_id: None,
    };
    let live = state
        .course
        .clone()
        .get_live_pointers(Actor::Service.request(pointers))
        .await?
        .into_inner();
    let version = live.items.first().map(|pointer| pointer.version).ok_or_else(|| {
        Error::new(
            &codes::NOT_PUBLISHED,
            "the course has no published version to answer from",
        )
    })?;

    let retrieve = RetrieveRequest {
        course_id: request.course_id,
        version,
        question: condensed(&conversation, question),
        limit: PASSAGES,
    };
    let found = state
        .content
        .clone()
        .retrieve(Actor::Service.request(retrieve))
        .await?
        .into_inner();
    let citations = cite(state, question, &found, version).await?;
    let answer = Answer {
        conversation_id: conversation.id.clone(),
        refused: citations.is_empty(),
        answer: if citations.is_empty() {
            REFUSAL.to_owned()
        } else {
            text(&citations)
        },
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
        conversation_id: conversation.id.clone(),
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

/// A fragment such as "and why?" finds nothing by itself: it is asked together with the question before it.
fn condensed(conversation: &Conversation, question: &str) -> String {
    match conversation.turns.last() {
        Some(turn) if question.split_whitespace().count() < FOLLOW_UP_WORDS => {
            format!("{} {question}", turn.question)
        }
        _ => question.to_owned(),
    }
}

/// The answer's statements as citations. One whose quote does not stand in its passage is dropped: an answer never lies
/// about its source.
async fn cite(state: &State, question: &str, found: &Passages, version: i32) -> Result<Vec<Citation>> {
    let threshold = if found.lexical {
        state.config.refuse_below_lexical
    } else {
        state.config.refuse_below
    };
    let statements = state.answerer.answer(question, &found.items, threshold).await?;
    let checked = statements.into_iter().filter_map(|statement| {
        let passage: &Passage = found.items.get(statement.passage)?;
        let stands = passage.version == version && !statement.quote.is_empty() && passage.text.contains(&statement.quote);
        if !stands {
            tracing::error!(lesson_id = %passage.lesson_id, "a citation did not stand in its passage and was dropped");
        }
        stands.then_some((passage, statement))
    });
    Ok((1..)
        .zip(checked)
        .map(|(n, (passage, statement))| Citation {
            n,
            lesson_id: passage.lesson_id.clone(),
            lesson_title: passage.lesson_title.clone(),
            module_title: passage.module_title.clone(),
            version: passage.version,
            page: passage.page,
            start_seconds: passage.start_seconds,
            quote: statement.quote,
            score: statement.score,
        })
        .collect())
}

fn text(citations: &[Citation]) -> String {
    citations
        .iter()
        .map(|citation| format!("{} [{}]", citation.quote, citation.n))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_is_asked_with_the_question_before_it() {
        let turn = Turn {
            question: "What is a saga?".to_owned(),
            ..Turn::default()
        };
        let conversation = Conversation {
            turns: vec![turn],
            ..Conversation::default()
        };
        assert_eq!(condensed(&conversation, "and why?"), "What is a saga? and why?");
        assert_eq!(
            condensed(&conversation, "How does a heartbeat work?"),
            "How does a heartbeat work?"
        );
        assert_eq!(condensed(&Conversation::default(), "and why?"), "and why?");
    }
}
