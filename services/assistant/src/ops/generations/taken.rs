//! Taking a draft into the course: it becomes a lesson of the course's own draft.

use smartcourse_platform::{Error, Result, grpc::Actor};
use smartcourse_proto::{
    assistant::{DraftKind, GenerationRef, TakeDraftRequest},
    course::{AddLessonRequest, Lesson, LessonContent, LessonType, PublishState},
};

use super::store;
use crate::{State, codes};

/// Adds the draft, as it is or changed, as a lesson. A second time it is that lesson: its key is the generation's.
pub(crate) async fn take(state: &State, actor: Actor, request: TakeDraftRequest) -> Result<Lesson> {
    let generation = GenerationRef {
        course_id: request.course_id,
        generation_id: request.generation_id,
    };
    let row = store::read(&state.pool, &generation).await?;
    let draft = match row.draft {
        Some(draft) if row.state == PublishState::Completed => draft.0,
        _ => return Err(Error::new(&codes::NO_DRAFT, "the generation has made no draft")),
    };
    let content = match row.kind {
        DraftKind::Quiz => LessonContent {
            quiz: request.quiz.or(draft.quiz),
            ..LessonContent::default()
        },
        _ => LessonContent {
            markdown: Some(request.markdown.unwrap_or(draft.markdown)),
            ..LessonContent::default()
        },
    };
    let lesson_type = match row.kind {
        DraftKind::Quiz => LessonType::Quiz,
        _ => LessonType::Text,
    };
    let add = AddLessonRequest {
        course_id: row.course_id,
        module_id: request.to_module_id,
        title: request.title.unwrap_or(draft.title),
        r#type: lesson_type.into(),
        order: request.order,
        content: Some(content),
        if_match: request.if_match,
        idempotency_key: Some(format!("generation:{}", row.id)),
    };
    let lesson = state.course.add_lesson(actor.request(add)).await?;
    sqlx::query!(
        "update assistant.generations set lesson_id = $2, revision = revision + 1 where id = $1 and lesson_id is distinct from $2",
        row.id,
        lesson.id
    )
    .execute(&state.pool)
    .await?;
    Ok(lesson)
}
