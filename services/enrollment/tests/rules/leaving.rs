//! Giving a seat back, and coming again.

use serde_json::json;
use smartcourse_proto::enrollment::{AccessibleRequest, EnrollmentStatus};
use smartcourse_tests::{events, refusal};

use crate::harness::{ANN, BO, COURSE, Harness, student};

#[tokio::test]
async fn a_drop_frees_the_seat_and_coming_again_is_another_epoch() {
    let harness = Harness::build(Some(1)).await;
    let seat = harness.enroll(ANN, COURSE).await.unwrap();
    let id = seat.enrollment_id;
    for _ in 0..2 {
        harness.drop_out(student(ANN), id).await.unwrap();
        assert_eq!(harness.seats(COURSE).await, (Some(1), 0));
    }
    let dropped = json!({"enrollment_id": id, "epoch": 1, "course_id": COURSE, "user_id": ANN});
    assert_eq!(
        events(&harness.pool, "enrollment.dropped").await.unwrap(),
        [dropped]
    );
    let left = harness.get(student(ANN), id).await.unwrap();
    assert_eq!(left.status(), EnrollmentStatus::Dropped);

    let other = harness.enroll(BO, COURSE).await.unwrap();
    assert_eq!(refusal(harness.enroll(ANN, COURSE).await).code(), "course_full");
    harness.drop_out(student(BO), other.enrollment_id).await.unwrap();
    let again = harness.enroll(ANN, COURSE).await.unwrap();
    assert_eq!((again.enrollment_id, again.epoch), (id, 2));
    assert_eq!(
        (again.status(), again.dropped_at),
        (EnrollmentStatus::Active, None)
    );
    let epochs: Vec<_> = events(&harness.pool, "enrollment.created")
        .await
        .unwrap()
        .iter()
        .map(|event| (event["user_id"].clone(), event["epoch"].clone()))
        .collect();
    assert_eq!(
        epochs,
        [
            (json!(ANN), json!(1)),
            (json!(BO), json!(1)),
            (json!(ANN), json!(2))
        ]
    );
}

#[tokio::test]
async fn two_drops_at_once_free_one_seat() {
    let harness = Harness::build(Some(2)).await;
    let seat = harness.enroll(ANN, COURSE).await.unwrap();
    harness.enroll(BO, COURSE).await.unwrap();
    let drop_out = || harness.drop_out(student(ANN), seat.enrollment_id);
    let (one, other) = tokio::join!(drop_out(), drop_out());
    one.and(other).unwrap();
    assert_eq!(harness.seats(COURSE).await, (Some(2), 1));
}

#[tokio::test]
async fn a_completed_course_is_not_left() {
    let harness = Harness::build(None).await;
    let seat = harness.enroll(ANN, COURSE).await.unwrap();
    let id = seat.enrollment_id;
    // The progress service knows before anybody else.
    harness.known().completed.push(id);
    let early = refusal(harness.drop_out(student(ANN), id).await);
    assert_eq!(early.code(), "enrollment_completed");
    assert_eq!(
        harness.get(student(ANN), id).await.unwrap().status(),
        EnrollmentStatus::Active
    );
    harness.known().completed.clear();
    harness.complete(&seat).await;
    let late = refusal(harness.drop_out(student(ANN), id).await);
    assert_eq!(late.code(), "enrollment_completed");
    assert_eq!(harness.seats(COURSE).await, (None, 1));
    let accessible = AccessibleRequest { user_id: ANN };
    let accessible = harness
        .enrollment
        .list_accessible(student(ANN).request(accessible))
        .await;
    assert_eq!(accessible.unwrap().course_ids, [COURSE]);
    assert_eq!(
        refusal(harness.enroll(ANN, COURSE).await).code(),
        "already_enrolled"
    );
}

#[tokio::test]
async fn a_completion_is_of_its_epoch() {
    let harness = Harness::build(None).await;
    let first = harness.enroll(ANN, COURSE).await.unwrap();
    harness.drop_out(student(ANN), first.enrollment_id).await.unwrap();
    harness.complete(&first).await;
    let second = harness.enroll(ANN, COURSE).await.unwrap();
    harness.complete(&first).await;
    let status = async || {
        let shown = harness.get(student(ANN), first.enrollment_id).await.unwrap();
        shown.status()
    };
    assert_eq!(status().await, EnrollmentStatus::Active);
    harness.complete(&second).await;
    assert_eq!(status().await, EnrollmentStatus::Completed);
}
