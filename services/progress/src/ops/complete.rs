//! A learner says a lesson is done. A quiz says so itself: it is done when it was passed.

use smartcourse_platform::{Error, Result, fault, grpc::Actor};
use smartcourse_proto::{
    course::LessonType,
    progress::{CompleteLessonRequest, CourseProgress},
};

use crate::{State, codes, completion, learner};

pub(crate) async fn complete(
    state: &State,
    actor: Actor,
    request: CompleteLessonRequest,
) -> Result<CourseProgress> {
    let learner = learner::learner(state, actor.user()?, request.course_id.into()).await?;
    let lesson_id = request.lesson_id.as_str();
    let kind = learner.lesson(state, lesson_id).await?;
    let (mut tx, mut enrollment) = learner.begin(state).await?;
    if kind == LessonType::Quiz && !completion::is_done(&mut tx, &enrollment, lesson_id).await? {
        let detail = "this lesson is done when its quiz is passed";
        return Err(Error::new(&codes::QUIZ_NOT_PASSED, detail));
    }
    let progress = completion::finish_lesson(&mut tx, &mut enrollment, lesson_id, &learner).await?;
    fault::commit(tx, "progress.complete_lesson").await?;
    Ok(progress)
}
