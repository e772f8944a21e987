//! The seats of a publish, and their undoing.

use smartcourse_platform::grpc::Actor;
use smartcourse_proto::enrollment::SetSeatLimitRequest;
use smartcourse_tests::refusal;

use crate::harness::{ANN, COURSE, Harness};

/// A course nobody has prepared.
const OTHER: i64 = 20;

#[tokio::test]
async fn a_discard_takes_the_seats_of_its_version_for_good() {
    let harness = Harness::build(None).await;
    for _ in 0..2 {
        harness.prepare(OTHER, 1, Some(3)).await.unwrap();
        assert_eq!(harness.seats(OTHER).await, (Some(3), 0));
    }
    for _ in 0..2 {
        harness.discard(OTHER, 1).await;
        assert_eq!(harness.seats(OTHER).await, (None, 0));
    }
    let late = refusal(harness.prepare(OTHER, 1, Some(3)).await);
    assert_eq!(late.code(), "version_discarded");
    assert_eq!(harness.seats(OTHER).await, (None, 0));
    harness.prepare(OTHER, 2, Some(4)).await.unwrap();
    assert_eq!(harness.seats(OTHER).await, (Some(4), 0));
}

#[tokio::test]
async fn a_discard_that_comes_first_refuses_what_it_undoes() {
    let harness = Harness::build(None).await;
    harness.discard(OTHER, 1).await;
    let late = refusal(harness.prepare(OTHER, 1, Some(3)).await);
    assert_eq!(late.code(), "version_discarded");
}

#[tokio::test]
async fn seats_others_rely_on_stay() {
    let harness = Harness::build(None).await;
    // A later version found them.
    harness.prepare(OTHER, 1, Some(3)).await.unwrap();
    harness.prepare(OTHER, 2, Some(9)).await.unwrap();
    harness.discard(OTHER, 1).await;
    harness.discard(OTHER, 2).await;
    assert_eq!(harness.seats(OTHER).await, (Some(3), 0));
    // Somebody sits on one.
    harness.enroll(ANN, COURSE).await.unwrap();
    harness.discard(COURSE, 1).await;
    assert_eq!(harness.seats(COURSE).await, (None, 1));
    // Their limit was set since.
    harness.prepare(21, 1, None).await.unwrap();
    let limit = SetSeatLimitRequest {
        course_id: 21,
        max: Some(5),
    };
    harness
        .enrollment
        .set_seat_limit(Actor::Service.request(limit))
        .await
        .unwrap();
    harness.discard(21, 1).await;
    assert_eq!(harness.seats(21).await, (Some(5), 0));
}
