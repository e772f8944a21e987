//! What is sent: once for its cause, and recorded whatever became of it.

use std::time::Duration;

use serde_json::json;
use smartcourse_platform::grpc::Actor;
use smartcourse_proto::{
    events::{CourseArchived, EnrollmentDropped},
    notification::{Channel, DeliveryRef, DeliveryState, ListDeliveriesRequest},
};
use smartcourse_tests::{events, refusal};

use crate::harness::{ADMIN, ANN, COURSE, Harness, student};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn welcomed(state: DeliveryState) -> (Channel, String, DeliveryState) {
    (Channel::Email, "welcome".to_owned(), state)
}

#[tokio::test]
async fn an_epoch_is_welcomed_once() {
    let harness = Harness::build().await;
    for _ in 0..2 {
        harness.welcome(1).await;
    }
    assert_eq!(harness.deliveries().await, [welcomed(DeliveryState::Queued)]);
    harness.work().await;
    harness.welcome(1).await;
    harness.work().await;
    let mails = harness.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, "ann@example.com");
    let written = (&mails[0].subject, &mails[0].text);
    assert!(written.0.contains("Sagas & Outboxes"), "{}", written.0);
    assert!(
        written.1.contains("https://courses.example.org/courses/7"),
        "{}",
        written.1
    );
    assert!(mails[0].html.contains("Sagas &amp; Outboxes"));
    assert_eq!(harness.deliveries().await, [welcomed(DeliveryState::Sent)]);
    // Who left and came again is welcomed again.
    harness.access().epoch = 2;
    harness.welcome(2).await;
    assert_eq!(harness.deliveries().await.len(), 2);
}

#[tokio::test]
async fn what_was_told_goes_after_a_year_and_is_not_told_again() {
    let harness = Harness::build().await;
    let dropped = EnrollmentDropped {
        enrollment_id: 1,
        epoch: 1,
        course_id: COURSE,
        user_id: ANN,
    };
    harness.hear("enrollment.dropped", &dropped).await;
    harness.welcome(1).await;
    harness.work().await;
    harness.access().epoch = 2;
    harness.welcome(2).await;
    harness.clock.advance(364 * DAY);
    assert_eq!(harness.sweep().await, 0);
    harness.clock.advance(2 * DAY);
    assert_eq!(harness.sweep().await, 2, "the entry and the mail that was sent");
    assert_eq!(harness.sweep().await, 0);
    assert!(harness.feed(ANN).await.is_empty());
    assert_eq!(harness.deliveries().await, [welcomed(DeliveryState::Queued)]);

    // The log is read on from where it was read to, and the epoch that was welcomed is over.
    harness
        .hear("course.archived", &CourseArchived { course_id: COURSE })
        .await;
    harness.welcome(1).await;
    assert!(harness.feed(ANN).await.is_empty());
    assert_eq!(harness.deliveries().await.len(), 1);
}

#[tokio::test]
async fn whoever_has_left_is_not_welcomed() {
    let harness = Harness::build().await;
    harness.access().enrolled = false;
    harness.welcome(1).await;
    // Nor for an epoch that is over.
    harness.access().enrolled = true;
    harness.access().epoch = 2;
    harness.welcome(1).await;
    assert!(harness.deliveries().await.is_empty());
}

#[tokio::test]
async fn what_was_given_up_is_announced_and_sent_when_it_is_put_back() {
    let harness = Harness::build().await;
    let replay = async |actor: Actor, id: &str| {
        let request = DeliveryRef { id: id.to_owned() };
        harness.notification.replay_delivery(actor.request(request)).await
    };
    harness.welcome(1).await;
    harness.shut(true);
    harness.work().await;
    let failed = harness.list(ListDeliveriesRequest::default()).await.remove(0);
    assert_eq!((failed.state(), failed.tries), (DeliveryState::Failed, 1));
    assert!(failed.last_error.unwrap().contains("the post is shut"));
    let announced = events(&harness.pool, "notification.failed").await.unwrap();
    assert_eq!(
        (
            &announced[0]["task_id"],
            &announced[0]["user_id"],
            &announced[0]["channel"]
        ),
        (&json!(failed.id), &json!(ANN), &json!("email"))
    );

    harness.shut(false);
    assert_eq!(
        refusal(replay(student(ANN), &failed.id).await).code(),
        "forbidden"
    );
    for unknown in ["nonsense", "00000000-0000-0000-0000-000000000000"] {
        assert_eq!(refusal(replay(ADMIN, unknown).await).code(), "not_found");
    }
    for _ in 0..2 {
        let back = replay(ADMIN, &failed.id).await.unwrap();
        assert_eq!((back.state(), back.tries), (DeliveryState::Queued, 0));
    }
    harness.work().await;
    assert_eq!(harness.mails().len(), 1);
    let sent = refusal(replay(ADMIN, &failed.id).await);
    assert_eq!(sent.code(), "delivery_not_failed");
}

#[tokio::test]
async fn deliveries_are_for_administrators() {
    let harness = Harness::build().await;
    harness.welcome(1).await;
    let list = async |actor: Actor| {
        let request = ListDeliveriesRequest::default();
        harness.notification.list_deliveries(actor.request(request)).await
    };
    assert_eq!(refusal(list(student(ANN)).await).code(), "forbidden");
    assert_eq!(refusal(list(Actor::Anonymous).await).code(), "unauthenticated");
    let found = async |user: i64, state: DeliveryState| {
        let request = ListDeliveriesRequest {
            user_id: Some(user),
            state: Some(state.into()),
            ..ListDeliveriesRequest::default()
        };
        harness.list(request).await.len()
    };
    assert_eq!(found(ANN, DeliveryState::Queued).await, 1);
    assert_eq!(found(ANN, DeliveryState::Sent).await, 0);
    assert_eq!(found(ANN + 1, DeliveryState::Queued).await, 0);
}
