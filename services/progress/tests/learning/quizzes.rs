//! Attempts: their limit, their keys, and what a pass does.

use smartcourse_proto::{
    course::{Choice, Lesson, Question, QuestionKind, Quiz},
    progress::LessonStatus,
};

use crate::harness::{Harness, quiz_lesson, texts};

const RIGHT: &[(&str, &str)] = &[("q1", "b"), ("q2", "  The LOG ")];
const HALF: &[(&str, &str)] = &[("q1", "b"), ("q2", "no")];
const WRONG: &[(&str, &str)] = &[("q1", "a")];

fn quiz(max_attempts: Option<i32>) -> Lesson {
    let options = ["a", "b"].map(|id| Choice {
        id: id.to_owned(),
        text: id.to_owned(),
    });
    quiz_lesson(Quiz {
        pass_percent: 50,
        max_attempts,
        questions: vec![
            Question {
                id: "q1".to_owned(),
                kind: QuestionKind::SingleChoice.into(),
                options: options.into(),
                correct: vec!["b".to_owned()],
                ..Question::default()
            },
            Question {
                id: "q2".to_owned(),
                kind: QuestionKind::ShortText.into(),
                correct: vec!["the log".to_owned()],
                ..Question::default()
            },
        ],
    })
}

async fn harness(max_attempts: Option<i32>) -> Harness {
    let harness = Harness::build().await;
    let mut lessons = texts(&["a"]);
    lessons.push(quiz(max_attempts));
    harness.publish(&lessons).await;
    harness.enroll(10, 1).await;
    harness
}

#[tokio::test]
async fn a_quiz_is_done_when_it_is_passed() {
    let harness = harness(Some(2)).await;
    assert_eq!(
        harness.complete(10, "quiz").await.unwrap_err().code(),
        "quiz_not_passed"
    );
    let failed = harness.attempt(10, WRONG, None).await.unwrap();
    assert_eq!(
        (failed.attempt, failed.score, failed.passed, failed.attempts_left),
        (1, 0.0, false, Some(1))
    );
    let progress = failed.progress.unwrap();
    assert_eq!(
        (progress.completed_lessons, progress.lessons[1].status()),
        (0, LessonStatus::InProgress)
    );
    assert!(harness.events("progress.updated", 10).await.is_empty());
    assert_eq!(
        harness.complete(10, "quiz").await.unwrap_err().code(),
        "quiz_not_passed"
    );

    let passed = harness.attempt(10, HALF, None).await.unwrap();
    assert_eq!(
        (passed.score, passed.passed, passed.attempts_left),
        (50.0, true, None)
    );
    assert_eq!(passed.progress.unwrap().percent, 50.0);
    assert_eq!(harness.events("progress.updated", 10).await.len(), 1);
    assert_eq!(harness.complete(10, "quiz").await.unwrap().completed_lessons, 1);

    // After a pass nothing is limited, nothing gets worse, and nothing happens twice.
    let better = harness.attempt(10, RIGHT, None).await.unwrap();
    assert_eq!((better.attempt, better.score), (3, 100.0));
    let worse = harness.attempt(10, WRONG, None).await.unwrap();
    assert!(!worse.passed);
    let quiz = &worse.progress.unwrap().lessons[1];
    assert_eq!(
        (quiz.status(), quiz.quiz_score),
        (LessonStatus::Completed, Some(100.0))
    );
    assert_eq!(harness.events("progress.updated", 10).await.len(), 1);

    let done = harness.complete(10, "a").await.unwrap();
    assert!(done.completed_at.is_some());
}

#[tokio::test]
async fn a_passed_quiz_can_be_the_last_lesson() {
    let harness = harness(None).await;
    harness.complete(10, "a").await.unwrap();
    let passed = harness.attempt(10, RIGHT, None).await.unwrap();
    assert!(passed.progress.unwrap().completed_at.is_some());
    assert_eq!(harness.events("course.completed", 10).await.len(), 1);
    assert_eq!(harness.certificates(10).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_at_the_same_time_do_not_exceed_the_limit() {
    let harness = harness(Some(3)).await;
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let harness = harness.clone();
            tokio::spawn(async move { harness.attempt(10, WRONG, None).await })
        })
        .collect();
    let mut numbers = Vec::new();
    for call in calls {
        match call.await.unwrap() {
            Ok(attempt) => numbers.push(attempt.attempt),
            Err(error) => assert_eq!(error.code(), "attempts_exhausted"),
        }
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(
        harness.attempt(10, RIGHT, None).await.unwrap_err().code(),
        "attempts_exhausted"
    );

    // Leaving and coming back gives none back; a version that allows more does.
    harness.enroll(10, 2).await;
    assert_eq!(
        harness.attempt(10, RIGHT, None).await.unwrap_err().code(),
        "attempts_exhausted"
    );
    harness.publish(&[quiz(Some(4))]).await;
    let fourth = harness.attempt(10, RIGHT, None).await.unwrap();
    assert!(fourth.passed && fourth.attempt == 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_one_attempt() {
    let harness = harness(Some(1)).await;
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let harness = harness.clone();
            tokio::spawn(async move { harness.attempt(10, WRONG, Some("k")).await })
        })
        .collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap().unwrap());
    }
    assert!(
        answers
            .iter()
            .all(|answer| *answer == answers[0] && answer.attempt == 1)
    );
    assert_eq!(
        harness.attempt(10, RIGHT, Some("k")).await.unwrap_err().code(),
        "idempotency_mismatch"
    );
    let count: i64 = sqlx::query_scalar("select count(*) from progress.quiz_attempts")
        .fetch_one(&harness.pool)
        .await
        .unwrap();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn a_key_gets_its_answer_whatever_has_become_of_the_quiz() {
    let harness = harness(Some(1)).await;
    let first = harness.attempt(10, WRONG, Some("k")).await.unwrap();
    assert_eq!(first.attempts_left, Some(0));
    let mut changed = quiz(Some(1));
    if let Some(quiz) = changed.content.as_mut().and_then(|content| content.quiz.as_mut()) {
        for question in &mut quiz.questions {
            question.id = format!("new-{}", question.id);
        }
    }
    for lessons in [vec![changed], texts(&["a"])] {
        harness.publish(&lessons).await;
        let again = harness.attempt(10, WRONG, Some("k")).await.unwrap();
        assert_eq!(
            (again.attempt, again.score, &again.questions, again.attempts_left),
            (1, first.score, &first.questions, Some(0))
        );
    }
}

#[tokio::test]
async fn what_cannot_be_graded_is_refused_and_costs_nothing() {
    let harness = harness(Some(1)).await;
    let error = harness.attempt(10, &[("q9", "a")], None).await.unwrap_err();
    assert_eq!(
        (error.code(), error.fields()[0].field.as_str()),
        ("validation_failed", "answers.q9")
    );
    harness.publish(&texts(&["quiz"])).await;
    assert_eq!(
        harness.attempt(10, RIGHT, None).await.unwrap_err().code(),
        "not_a_quiz"
    );
    harness.publish(&texts(&["a"])).await;
    assert_eq!(
        harness.attempt(10, RIGHT, None).await.unwrap_err().code(),
        "not_found"
    );
}
