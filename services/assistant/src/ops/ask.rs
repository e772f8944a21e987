//! One question: condense, retrieve, answer, check every citation, keep the turn.

use std::{sync::Arc, time::Instant};

use futures::{TryFutureExt as _, TryStreamExt as _, channel::mpsc, future};
use smartcourse_platform::{
    Error, Result,
    error::Problems,
    grpc::Actor,
    ports::answers::{Exchange, Question, Statement},
};
use smartcourse_proto::{
    assistant::{Answer, AskEvent, AskRequest, Citation, Conversation, Turn},
    content::{Passages, RetrieveRequest},
    course::LivePointersRequest,
    events::AssistantAnswered,
    ids::UserId,
    limits,
};
use smartcourse_telemetry::catalogue::ANSWER_SECONDS;
use tracing::Instrument as _;

use crate::{State, codes, events, ops::conversations, small_talk};

/// Passages an answer may draw from.
const PASSAGES: i32 = 6;
/// Questions before one that it may lean on, together; and words of a question that leans on none.
const LEANED_ON: usize = 3;
const WHOLE: usize = 4;
/// What is said when the course does not answer.
const REFUSAL: &str = "The course material does not answer this question.";

/// Where the events of an answer go; a reader who has hung up hears nothing more.
pub(crate) type Told = mpsc::UnboundedSender<AskEvent>;

/// A question that is to be answered.
pub(crate) struct Asked {
    begun: Instant,
    user: UserId,
    question: String,
    conversation: Conversation,
    is_new: bool,
    version: i32,
}

/// Whether a question may be asked, and where: what fails here is no answer at all.
pub(crate) async fn begin(state: &Arc<State>, actor: Actor, request: AskRequest) -> Result<Asked> {
    let begun = Instant::now();
    let asked = asked(state, actor, request, begun).await;
    if let Err(error) = &asked {
        ANSWER_SECONDS.since(begun, [error.code()]);
    }
    asked
}

async fn asked(state: &Arc<State>, actor: Actor, request: AskRequest, begun: Instant) -> Result<Asked> {
    let user = actor.user()?;
    Problems::only_text("question", &request.question, limits::QUESTION)?;
    let known = request.conversation_id.as_deref();
    let pointers = LivePointersRequest {
        course_ids: vec![request.course_id],
        instructor_id: None,
    };
    let pointers = state.course.get_live_pointers(Actor::Service.request(pointers));
    let (conversation, live) = future::try_join(
        conversations::open(state, user, request.course_id.into(), known),
        pointers.map_err(Error::from),
    )
    .await?;
    let Some(live) = live.items.first() else {
        let detail = "the course has no published version to answer from";
        return Err(Error::new(&codes::NOT_PUBLISHED, detail));
    };
    Ok(Asked {
        begun,
        user,
        question: request.question.trim().to_owned(),
        conversation,
        is_new: known.is_none(),
        version: live.version,
    })
}

/// Answers, and tells each statement as soon as it stands; keeps the turn, and tells that at last. To be run unbroken.
pub(crate) async fn finish(state: Arc<State>, asked: Asked, told: Told) -> Result<()> {
    let begun = asked.begun;
    let answer = answer(&state, asked, &told).await;
    let outcome = match &answer {
        Ok(answer) if answer.refused => "not_found",
        Ok(_) => "answered",
        Err(error) => error.code(),
    };
    ANSWER_SECONDS.since(begun, [outcome]);
    answer.map(|answer| events::tell(&told, events::done(answer)))
}

async fn answer(state: &Arc<State>, asked: Asked, told: &Told) -> Result<Answer> {
    let mut answer = Answer {
        conversation_id: asked.conversation.id.clone(),
        version: asked.version,
        ..Answer::default()
    };
    events::tell(told, [events::meta(&answer)]);
    match small_talk::reply(&asked.question) {
        Some(reply) => say(&mut answer, told, reply, Vec::new()),
        None => from_course(state, &asked, &mut answer, told).await?,
    }
    answer.refused = answer.citations.is_empty();
    let turn = Turn {
        question: asked.question,
        answer: Some(answer.clone()),
        asked_at: Some(conversations::now()),
    };
    let event = AssistantAnswered {
        course_id: asked.conversation.course_id,
        user_id: asked.user.0,
        version: answer.version,
        refused: answer.refused,
    };
    let state = Arc::clone(state);
    conversations::keep(state, asked.user, asked.conversation, asked.is_new, turn, event).await?;
    Ok(answer)
}

/// Adds a statement to the answer, and tells it.
fn say(answer: &mut Answer, told: &Told, text: &str, citations: Vec<Citation>) {
    let text = match answer.answer.is_empty() {
        true => text.to_owned(),
        false => format!("\n{text}"),
    };
    events::tell(told, events::statement(&text, &citations));
    answer.answer.push_str(&text);
    answer.citations.extend(citations);
}

/// Says what a published version answers, and where it stands there; that it does not, when nothing stands.
async fn from_course(state: &State, asked: &Asked, answer: &mut Answer, told: &Told) -> Result<()> {
    let conversation = &asked.conversation;
    let retrieve = RetrieveRequest {
        course_id: conversation.course_id,
        version: asked.version,
        question: asked.question.clone(),
        before: before(conversation),
        limit: PASSAGES,
    };
    let found = state.content.retrieve(Actor::Service.request(retrieve)).await?;
    let question = Question {
        text: &asked.question,
        history: &history(conversation),
        passages: &found.items,
        answers: answers(&found),
    };
    let answering = async {
        let mut statements = state.answerer.answer(question);
        while let Some(statement) = statements.try_next().await? {
            if let Some((text, citations)) = checked(statement, &found, answer) {
                say(answer, told, &text, citations);
            }
        }
        Ok::<_, Error>(())
    };
    let span = tracing::info_span!("answer", passages = found.items.len());
    answering.instrument(span).await?;
    if answer.citations.is_empty() {
        say(answer, told, REFUSAL, Vec::new());
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

/// A statement with the numbers of its citations, and those, which go on from the others of the answer. A citation whose quote
/// does not stand in its passage is dropped, and so is a statement without any: an answer never lies about its source.
fn checked(statement: Statement, found: &Passages, answer: &Answer) -> Option<(String, Vec<Citation>)> {
    let mut citations = Vec::new();
    let mut text = statement.text;
    for cited in statement.citations {
        let Some(passage) = found.items.get(cited.passage) else {
            let passage = cited.passage;
            tracing::error!(passage, "a citation named no passage and was dropped");
            continue;
        };
        if passage.version != answer.version || cited.quote.is_empty() || !passage.text.contains(&cited.quote)
        {
            tracing::error!(lesson_id = %passage.lesson_id, "a citation did not stand in its passage and was dropped");
            continue;
        }
        let n = answer.citations.len() + citations.len() + 1;
        text.push_str(&format!(" [{n}]"));
        citations.push(Citation {
            n: i32::try_from(n).unwrap_or(i32::MAX),
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
    (!citations.is_empty()).then_some((text, citations))
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
