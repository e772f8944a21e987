//! One question: whether it may be asked, its answer, and the turn that is kept.

use std::{sync::Arc, time::Instant};

use futures::{TryFutureExt as _, future};
use smartcourse_platform::{Error, Result, error::Problems, grpc::Actor};
use smartcourse_proto::{
    assistant::{Answer, AskRequest, Turn},
    course::LivePointersRequest,
    events::AssistantAnswered,
    limits,
};
use smartcourse_telemetry::catalogue::ANSWER_SECONDS;

use super::{
    conversations::{self, Kept},
    draft::{Asked, Draft},
    from_course::from_course,
    spending,
};
use crate::{State, codes, events, small_talk, under_way::Telling};

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
    let turn = match known {
        None => 1,
        Some(_) => conversations::next_turn(state, user, &conversation).await?,
    };
    Ok(Asked {
        begun,
        turn,
        user,
        question: request.question.trim().to_owned(),
        conversation,
        is_new: known.is_none(),
        version: live.version,
    })
}

/// Answers, and tells each statement as soon as it stands; keeps the turn, and tells that at last. To be run unbroken.
pub(crate) async fn finish(state: Arc<State>, asked: Asked, told: Telling) -> Result<()> {
    let begun = asked.begun;
    let answer = answer(&state, asked, told).await;
    let outcome = match &answer {
        Ok(answer) if answer.refused => "not_found",
        Ok(_) => "answered",
        Err(error) => error.code(),
    };
    ANSWER_SECONDS.since(begun, [outcome]);
    answer.map(drop)
}

async fn answer(state: &Arc<State>, asked: Asked, told: Telling) -> Result<Answer> {
    let answer = Answer {
        conversation_id: asked.conversation.id.clone(),
        version: asked.version,
        ..Answer::default()
    };
    let meta = events::meta(&answer.conversation_id, answer.version, asked.turn);
    let mut draft = Draft::new(answer, told);
    draft.tell([meta]);
    let kept = match answered(state, &asked, &mut draft).await {
        Ok(()) => keep(state, asked, &mut draft).await,
        Err(error) => Err(error),
    };
    if let Some(reserved) = &draft.reserved {
        spending::give_back(&state.pool, reserved, draft.usage.as_ref()).await;
    }
    kept?;
    draft.tell([events::done(draft.answer.clone())]);
    Ok(draft.answer)
}

async fn answered(state: &State, asked: &Asked, draft: &mut Draft) -> Result<()> {
    match small_talk::reply(&asked.question) {
        Some(reply) => draft.say(reply, Vec::new()),
        None => from_course(state, asked, draft).await?,
    }
    draft.answer.refused = draft.answer.citations.is_empty();
    Ok(())
}

async fn keep(state: &Arc<State>, asked: Asked, draft: &mut Draft) -> Result<()> {
    let answer = &draft.answer;
    let event = AssistantAnswered {
        course_id: asked.conversation.course_id,
        user_id: asked.user.0,
        version: answer.version,
        refused: answer.refused,
        usage: draft.usage.clone(),
    };
    let turn = Turn {
        question: asked.question,
        answer: Some(answer.clone()),
        asked_at: Some(conversations::now()),
        n: asked.turn,
        statements: draft.statements.clone(),
    };
    let kept = Kept {
        turn,
        event,
        question: draft.question.as_ref(),
        reserved: draft.reserved.as_ref(),
        usage: draft.usage.as_ref(),
    };
    conversations::keep(state, asked.user, asked.conversation, asked.is_new, kept).await?;
    draft.reserved = None;
    Ok(())
}
