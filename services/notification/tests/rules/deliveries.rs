//! What is sent: once for its cause, and recorded whatever became of it.

use serde_json::json;
use smartcourse_platform::grpc::Actor;
use smartcourse_proto::notification::{Channel, DeliveryRef, DeliveryState, ListDeliveriesRequest};
use smartcourse_tests::{events, refusal};

use crate::house::{ADMIN, ANN, House, student};

fn welcomed(state: DeliveryState) -> (Channel, String, DeliveryState) {
    (Channel::Email, "welcome".to_owned(), state)
}

#[tokio::test]
async fn an_epoch_is_welcomed_once() {
    let house = House::build().await;
    for _ in 0..2 {
        house.welcome(1).await;
    }
    assert_eq!(house.deliveries().await, [welcomed(DeliveryState::Queued)]);
    house.work().await;
    house.welcome(1).await;
    house.work().await;
    let mails = house.mails();
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
    assert_eq!(house.deliveries().await, [welcomed(DeliveryState::Sent)]);
    // Who left and came again is welcomed again.
    house.access().epoch = 2;
    house.welcome(2).await;
    assert_eq!(house.deliveries().await.len(), 2);
}

#[tokio::test]
async fn whoever_has_left_is_not_welcomed() {
    let house = House::build().await;
    house.access().enrolled = false;
    house.welcome(1).await;
    // Nor for an epoch that is over.
    house.access().enrolled = true;
    house.access().epoch = 2;
    house.welcome(1).await;
    assert!(house.deliveries().await.is_empty());
}

#[tokio::test]
async fn what_was_given_up_is_announced_and_sent_when_it_is_put_back() {
    let house = House::build().await;
    let replay = async |actor: Actor, id: &str| {
        let request = DeliveryRef { id: id.to_owned() };
        house.notification.replay_delivery(actor.request(request)).await
    };
    house.welcome(1).await;
    house.shut(true);
    house.work().await;
    let failed = house.list(ListDeliveriesRequest::default()).await.remove(0);
    assert_eq!((failed.state(), failed.tries), (DeliveryState::Failed, 1));
    assert!(failed.last_error.unwrap().contains("the post is shut"));
    let announced = events(&house.pool, "notification.failed").await.unwrap();
    assert_eq!(
        (
            &announced[0]["task_id"],
            &announced[0]["user_id"],
            &announced[0]["channel"]
        ),
        (&json!(failed.id), &json!(ANN), &json!("email"))
    );

    house.shut(false);
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
    house.work().await;
    assert_eq!(house.mails().len(), 1);
    let sent = refusal(replay(ADMIN, &failed.id).await);
    assert_eq!(sent.code(), "delivery_not_failed");
}

#[tokio::test]
async fn deliveries_are_for_administrators() {
    let house = House::build().await;
    house.welcome(1).await;
    let list = async |actor: Actor| {
        let request = ListDeliveriesRequest::default();
        house.notification.list_deliveries(actor.request(request)).await
    };
    assert_eq!(refusal(list(student(ANN)).await).code(), "forbidden");
    assert_eq!(refusal(list(Actor::Anonymous).await).code(), "unauthenticated");
    let found = async |user: i64, state: DeliveryState| {
        let request = ListDeliveriesRequest {
            user_id: Some(user),
            state: Some(state.into()),
            ..ListDeliveriesRequest::default()
        };
        house.list(request).await.len()
    };
    assert_eq!(found(ANN, DeliveryState::Queued).await, 1);
    assert_eq!(found(ANN, DeliveryState::Sent).await, 0);
    assert_eq!(found(ANN + 1, DeliveryState::Queued).await, 0);
}
