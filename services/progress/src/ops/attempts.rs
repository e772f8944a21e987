//! An attempt at a quiz, graded here against the published version's key, which never leaves the server.
//!
//! Attempts are counted per enrollment and lesson, over all versions and epochs: neither a republish nor a drop and a
//! new enrollment gives them back. The limit holds until the quiz is passed; after that every attempt is graded and
//! recorded, none is limited, and the best score can only rise. A passed attempt finishes the lesson in the same
//! transaction.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sha2::{Digest as _, Sha256};
use smartcourse_platform::{Error, Result, fault, grpc::Actor, idempotency::IdempotencyKey};
use smartcourse_proto::{
    course::{GetContentRequest, LessonType, Quiz},
    ids::{EnrollmentId, VersionId},
    progress::{AttemptResult, QuestionAnswer, QuestionResult, SubmitAttemptRequest},
};
use sqlx::{PgConnection, types::Json};

use crate::{
    State, codes, completion,
    enrollments::Enrollment,
    grading::{self, Grade},
    learner::{self, Learner},
    percentage,
    standing::Standing,
};

/// How an attempt's questions are stored.
type Results = Vec<QuestionResult>;

pub(crate) async fn submit(
    state: &State,
    actor: Actor,
    request: SubmitAttemptRequest,
) -> Result<AttemptResult> {
    let learner = learner::learner(state, actor.user()?, request.course_id.into()).await?;
    let lesson_id = request.lesson_id.as_str();
    let key = request
        .idempotency_key
        .map(|key| idempotency(learner.enrollment_id, lesson_id, key, &request.answers));
    // First of all: what was graded stays so, whatever has become of the quiz since.
    let earlier = match &key {
        Some(key) => key.earlier(&mut *state.pool.acquire().await?).await?,
        None => None,
    };
    if let Some(attempt) = earlier {
        return again(state, &learner, lesson_id, attempt).await;
    }
    if learner.lesson(state, lesson_id).await? != LessonType::Quiz {
        return Err(not_a_quiz());
    }
    let quiz = quiz(state, learner.version(), lesson_id).await?;
    let answers = grading::read(&quiz, request.answers)?;

    let (mut tx, mut enrollment) = learner.begin(state).await?;
    if let Some(key) = &key
        && let Some(attempt) = key.earlier(&mut tx).await?
    {
        tx.rollback().await?;
        return again(state, &learner, lesson_id, attempt).await;
    }
    let done = completion::is_done(&mut tx, &enrollment, lesson_id).await?;
    let used = used(&mut tx, &enrollment, lesson_id).await?;
    if left(&quiz, used, done) == Some(0) {
        return Err(Error::new(
            &codes::ATTEMPTS_EXHAUSTED,
            format!("all {used} attempts at this quiz are used"),
        ));
    }
    let attempt = used + 1;
    let grade = grading::grade(&quiz, &answers);
    let pass_percent = quiz.pass_percent;
    sqlx::query!(
        "insert into progress.quiz_attempts
             (enrollment_id, lesson_id, attempt, epoch, version, answers, results, score, pass_percent, passed)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        enrollment.enrollment_id.0,
        lesson_id,
        attempt,
        enrollment.epoch,
        learner.version,
        Json(&answers) as _,
        Json(&grade.questions) as _,
        grade.score,
        pass_percent,
        grade.passed
    )
    .execute(&mut *tx)
    .await?;
    if let Some(key) = &key {
        key.remember(&mut tx, &attempt).await?;
    }
    let progress = if grade.passed {
        completion::finish_lesson(&mut tx, &mut enrollment, lesson_id, &learner).await?
    } else {
        let version = completion::newest(&mut tx, learner.course_id, learner.version).await?;
        Standing::read(&mut tx, &enrollment, version)
            .await?
            .into_progress(&enrollment)
    };
    fault::commit(tx, "progress.submit_attempt").await?;
    Ok(AttemptResult {
        attempts_left: left(&quiz, attempt, done || grade.passed),
        progress: Some(progress),
        ..result(lesson_id, attempt, pass_percent, grade)
    })
}

/// The answer to an attempt that was graded before.
async fn again(state: &State, learner: &Learner, lesson_id: &str, attempt: i32) -> Result<AttemptResult> {
    let (mut tx, enrollment) = learner.begin(state).await?;
    let (version, recorded) = recorded(&mut tx, &enrollment, lesson_id, attempt).await?;
    let done = completion::is_done(&mut tx, &enrollment, lesson_id).await?;
    let used = used(&mut tx, &enrollment, lesson_id).await?;
    let newest = completion::newest(&mut tx, learner.course_id, learner.version).await?;
    let standing = Standing::read(&mut tx, &enrollment, newest).await?;
    tx.rollback().await?;
    let quiz = quiz(state, VersionId::new(learner.course_id, version), lesson_id).await?;
    Ok(AttemptResult {
        attempts_left: left(&quiz, used, done),
        progress: Some(standing.into_progress(&enrollment)),
        ..recorded
    })
}

/// The quiz of a lesson, with its key. A version never changes, so it is fetched once.
async fn quiz(state: &State, version: VersionId, lesson_id: &str) -> Result<Arc<Quiz>> {
    let place = (version, lesson_id.to_owned());
    if let Some(quiz) = state.quizzes.get(&place).await {
        return Ok(quiz);
    }
    let request = Actor::Service.request(GetContentRequest {
        course_id: version.course_id.0,
        version: Some(version.version),
    });
    let modules = state.course.get_content(request).await?.modules.into_iter();
    let mut lessons = modules.flat_map(|module| module.lessons);
    let lesson = lessons.find(|lesson| lesson.id == lesson_id);
    let quiz = lesson.and_then(|lesson| lesson.content?.quiz);
    let quiz = Arc::new(quiz.ok_or_else(not_a_quiz)?);
    state.quizzes.insert(place, Arc::clone(&quiz)).await;
    Ok(quiz)
}

fn not_a_quiz() -> Error {
    Error::new(&codes::NOT_A_QUIZ, "this lesson is not a quiz")
}

/// Attempts left; `None` means as many as one likes.
fn left(quiz: &Quiz, used: i32, done: bool) -> Option<i32> {
    let most = quiz.max_attempts.filter(|_| !done);
    most.map(|most| (most - used).max(0))
}

async fn used(tx: &mut PgConnection, enrollment: &Enrollment, lesson_id: &str) -> Result<i32> {
    Ok(sqlx::query_scalar!(
        r#"select coalesce(max(attempt), 0) as "used!" from progress.quiz_attempts
           where enrollment_id = $1 and lesson_id = $2"#,
        enrollment.enrollment_id.0,
        lesson_id
    )
    .fetch_one(tx)
    .await?)
}

fn result(lesson_id: &str, attempt: i32, pass_percent: i32, grade: Grade) -> AttemptResult {
    AttemptResult {
        lesson_id: lesson_id.to_owned(),
        attempt,
        score: percentage::percent(grade.score),
        passed: grade.passed,
        pass_percent,
        questions: grade.questions,
        attempts_left: None,
        progress: None,
    }
}

/// An earlier attempt as it was graded then, and the version whose quiz it was.
async fn recorded(
    tx: &mut PgConnection,
    enrollment: &Enrollment,
    lesson_id: &str,
    attempt: i32,
) -> Result<(i32, AttemptResult)> {
    let row = sqlx::query!(
        r#"select version, score, passed, pass_percent, results as "questions: Json<Results>"
           from progress.quiz_attempts where enrollment_id = $1 and lesson_id = $2 and attempt = $3"#,
        enrollment.enrollment_id.0,
        lesson_id,
        attempt
    )
    .fetch_one(tx)
    .await?;
    let grade = Grade {
        score: row.score,
        passed: row.passed,
        questions: row.questions.0,
    };
    Ok((row.version, result(lesson_id, attempt, row.pass_percent, grade)))
}

/// The same key and answers are the same attempt. The enrollment's lock orders requests that share one.
fn idempotency(
    enrollment_id: EnrollmentId,
    lesson_id: &str,
    key: String,
    answers: &[QuestionAnswer],
) -> IdempotencyKey {
    let by_question: BTreeMap<&str, BTreeSet<&str>> = answers
        .iter()
        .map(|answer| {
            let values = answer.values.iter().map(String::as_str);
            (answer.question_id.as_str(), values.collect())
        })
        .collect();
    let mut hash = Sha256::new();
    for (question, values) in by_question {
        // Lengths keep apart what would run together.
        hash.update(format!("{}:{question}{}:", question.len(), values.len()));
        for value in values {
            hash.update(format!("{}:{value}", value.len()));
        }
    }
    IdempotencyKey::new(
        format!("submit_attempt:{enrollment_id}:{lesson_id}"),
        key,
        format!("{:x}", hash.finalize()),
    )
}
