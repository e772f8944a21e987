//! A drop and a completion at the same moment: one of them is true, and what is told agrees with it.

use crate::house::{House, texts};

/// A course of one lesson and a learner of it.
async fn house() -> House {
    let house = House::build().await;
    house.publish(&texts(&["a"])).await;
    house.enroll(10, 1).await;
    house
}

#[tokio::test]
async fn a_completed_course_is_not_left_even_before_anybody_has_heard_of_it() {
    let house = house().await;
    house.complete(10, "a").await.unwrap();
    assert_eq!(house.leave(10).await.unwrap_err().code(), "enrollment_completed");
    assert_eq!(house.certificates(10).await.len(), 1);
}

#[tokio::test]
async fn whoever_leaves_completes_nothing() {
    let house = House::build().await;
    house.publish(&texts(&["a", "b"])).await;
    house.enroll(10, 1).await;
    house.complete(10, "a").await.unwrap();
    // The request was let in before the drop; when it gets to its turn, the drop has happened.
    house.leave(10).await.unwrap();
    house.settle(10, false);
    assert_eq!(house.complete(10, "b").await.unwrap_err().code(), "not_enrolled");
    house.leave(10).await.unwrap();
    assert!(house.certificates(10).await.is_empty());
    assert_eq!(house.events("progress.updated", 10).await.len(), 1);
    // A republish that leaves nothing open does not change that, whichever of the two events comes first.
    house.publish(&texts(&["a"])).await;
    house.drop_out(10).await;
    house.deliver().await;
    assert!(house.events("course.completed", 10).await.is_empty());
}

#[tokio::test]
async fn a_drop_that_did_not_happen_is_taken_back_by_the_next_lesson() {
    let house = house().await;
    house.leave(10).await.unwrap();
    // The enrollment service died before its commit, and says that the student is enrolled.
    house.complete(10, "a").await.unwrap();
    assert_eq!(house.certificates(10).await.len(), 1);
    assert_eq!(house.leave(10).await.unwrap_err().code(), "enrollment_completed");
}

#[tokio::test]
async fn an_epoch_that_was_left_is_not_set_up() {
    let house = House::build().await;
    house.publish(&texts(&["a"])).await;
    let late = house.seat(10, 1);
    house.leave(10).await.unwrap();
    house.settle(10, false);
    house.initialise(late).await;
    let records: i64 = sqlx::query_scalar("select count(*) from progress.enrollments")
        .fetch_one(&house.pool)
        .await
        .unwrap();
    assert_eq!(records, 0);
    house.enroll(10, 2).await;
    house.settle(10, true);
    assert_eq!(house.complete(10, "a").await.unwrap().percent, 100.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_lesson_and_a_drop_at_the_same_moment_agree() {
    let house = House::build().await;
    house.publish(&texts(&["a"])).await;
    for user in 10..40 {
        house.enroll(user, 1).await;
        let (leaver, learner) = (house.clone(), house.clone());
        let leave = tokio::spawn(async move { leaver.ask_and_drop_out(user).await });
        let complete = tokio::spawn(async move { learner.complete(user, "a").await });
        let (left, done) = (leave.await.unwrap(), complete.await.unwrap());
        assert_ne!(left.is_ok(), done.is_ok(), "{left:?} {done:?}");
        assert_eq!(house.certificates(user).await.len(), usize::from(done.is_ok()));
    }
}
