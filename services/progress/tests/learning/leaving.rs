//! A drop and a completion at the same moment: one of them is true, and what is told agrees with it.

use crate::harness::{Harness, texts};

/// A course of one lesson and a learner of it.
async fn harness() -> Harness {
    let harness = Harness::build().await;
    harness.publish(&texts(&["a"])).await;
    harness.enroll(10, 1).await;
    harness
}

#[tokio::test]
async fn a_completed_course_is_not_left_even_before_anybody_has_heard_of_it() {
    let harness = harness().await;
    harness.complete(10, "a").await.unwrap();
    assert_eq!(
        harness.leave(10).await.unwrap_err().code(),
        "enrollment_completed"
    );
    assert_eq!(harness.certificates(10).await.len(), 1);
}

#[tokio::test]
async fn whoever_leaves_completes_nothing() {
    let harness = Harness::build().await;
    harness.publish(&texts(&["a", "b"])).await;
    harness.enroll(10, 1).await;
    harness.complete(10, "a").await.unwrap();
    // The request was let in before the drop; when it gets to its turn, the drop has happened.
    harness.leave(10).await.unwrap();
    harness.settle(10, false);
    assert_eq!(
        harness.complete(10, "b").await.unwrap_err().code(),
        "not_enrolled"
    );
    harness.leave(10).await.unwrap();
    assert!(harness.certificates(10).await.is_empty());
    assert_eq!(harness.events("progress.updated", 10).await.len(), 1);
    // A republish that leaves nothing open does not change that, whichever of the two events comes first.
    harness.publish(&texts(&["a"])).await;
    harness.drop_out(10).await;
    harness.deliver().await;
    assert!(harness.events("course.completed", 10).await.is_empty());
}

#[tokio::test]
async fn a_drop_that_did_not_happen_is_taken_back_by_the_next_lesson() {
    let harness = harness().await;
    harness.leave(10).await.unwrap();
    // The enrollment service died before its commit, and says that the student is enrolled.
    harness.complete(10, "a").await.unwrap();
    assert_eq!(harness.certificates(10).await.len(), 1);
    assert_eq!(
        harness.leave(10).await.unwrap_err().code(),
        "enrollment_completed"
    );
}

#[tokio::test]
async fn an_epoch_that_was_left_is_not_set_up() {
    let harness = Harness::build().await;
    harness.publish(&texts(&["a"])).await;
    let late = harness.seat(10, 1);
    harness.leave(10).await.unwrap();
    harness.settle(10, false);
    harness.initialise(late).await;
    let records: i64 = sqlx::query_scalar("select count(*) from progress.enrollments")
        .fetch_one(&harness.pool)
        .await
        .unwrap();
    assert_eq!(records, 0);
    harness.enroll(10, 2).await;
    harness.settle(10, true);
    assert_eq!(harness.complete(10, "a").await.unwrap().percent, 100.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_lesson_and_a_drop_at_the_same_moment_agree() {
    let harness = Harness::build().await;
    harness.publish(&texts(&["a"])).await;
    for user in 10..40 {
        harness.enroll(user, 1).await;
        let (leaver, learner) = (harness.clone(), harness.clone());
        let leave = tokio::spawn(async move { leaver.ask_and_drop_out(user).await });
        let complete = tokio::spawn(async move { learner.complete(user, "a").await });
        let (left, done) = (leave.await.unwrap(), complete.await.unwrap());
        assert_ne!(left.is_ok(), done.is_ok(), "{left:?} {done:?}");
        assert_eq!(harness.certificates(user).await.len(), usize::from(done.is_ok()));
    }
}
