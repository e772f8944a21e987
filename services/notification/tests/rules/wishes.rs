//! Which channels somebody wants: asked when a message is queued, and again when it is sent.

use smartcourse_platform::grpc::Actor;
use smartcourse_proto::{
    events::CertificateIssued,
    notification::{Channel, DeliveryState, Preferences, UnsubscribeRequest},
};
use smartcourse_tests::refusal;

use crate::harness::{ANN, COURSE, Harness, PHONE, student};

fn certificate(code: &str) -> CertificateIssued {
    CertificateIssued {
        code: code.to_owned(),
        enrollment_id: 1,
        course_id: COURSE,
        user_id: ANN,
        version: 1,
        course_title: "Sagas".to_owned(),
    }
}

/// Everything, over every channel.
fn everything() -> Preferences {
    Preferences {
        email: Some(true),
        sms: Some(true),
        web_push: Some(true),
        phone: Some(PHONE.to_owned()),
        push_subscription: Some("a browser".to_owned()),
        push_key: None,
    }
}

#[tokio::test]
async fn messages_go_where_they_are_wanted() {
    let harness = Harness::build().await;
    let states = async || -> Vec<(Channel, DeliveryState)> {
        let all = harness.deliveries().await;
        all.into_iter()
            .map(|(channel, _, state)| (channel, state))
            .collect()
    };
    let shown = harness.wish(everything()).await.unwrap();
    assert_eq!(shown.push_key.as_deref(), Some("key"));
    harness.hear("certificate.issued", &certificate("A")).await;
    let queued = DeliveryState::Queued;
    assert_eq!(
        states().await,
        [
            (Channel::Email, queued),
            (Channel::Sms, queued),
            (Channel::WebPush, queued)
        ]
    );
    harness.work().await;
    assert!(
        states()
            .await
            .iter()
            .all(|(_, state)| *state == DeliveryState::Sent)
    );
    // A welcome is not worth a text message.
    harness.welcome(1).await;
    assert_eq!(states().await.len(), 5);
}

#[tokio::test]
async fn a_mail_nobody_wants_is_recorded_and_not_sent() {
    let harness = Harness::build().await;
    harness.welcome(1).await;
    // Wishes changed after it was queued.
    harness
        .wish(Preferences {
            email: Some(false),
            ..Preferences::default()
        })
        .await
        .unwrap();
    harness.work().await;
    harness.hear("certificate.issued", &certificate("A")).await;
    harness.work().await;
    let suppressed = |template: &str| (Channel::Email, template.to_owned(), DeliveryState::Suppressed);
    assert_eq!(
        harness.deliveries().await,
        [suppressed("certificate"), suppressed("welcome")]
    );
    assert!(harness.mails().is_empty());
}

#[tokio::test]
async fn the_link_of_a_mail_ends_mails_and_nothing_else() {
    let harness = Harness::build().await;
    harness.wish(everything()).await.unwrap();
    harness.welcome(1).await;
    harness.work().await;
    let url = harness.mails().remove(0).unsubscribe_url;
    let (page, token) = url.split_once("?token=").unwrap();
    assert_eq!(page, "https://courses.example.org/unsubscribe");
    let unsubscribe = async |token: &str| {
        let request = UnsubscribeRequest {
            token: token.to_owned(),
        };
        harness
            .notification
            .unsubscribe(Actor::Anonymous.request(request))
            .await
    };
    for _ in 0..2 {
        unsubscribe(token).await.unwrap();
    }
    assert_eq!(refusal(unsubscribe("nonsense").await).code(), "not_found");
    let wishes = harness
        .notification
        .get_preferences(student(ANN).request(()))
        .await
        .unwrap();
    let but_mails = Preferences {
        email: Some(false),
        push_key: Some("key".to_owned()),
        ..everything()
    };
    assert_eq!(wishes, but_mails);
}

#[tokio::test]
async fn wishes_that_cannot_be_met_are_refused() {
    let harness = Harness::build().await;
    let error = refusal(
        harness
            .wish(Preferences {
                phone: Some("0151".to_owned()),
                push_subscription: Some("nonsense".to_owned()),
                ..everything()
            })
            .await,
    );
    let fields: Vec<&str> = error.fields().iter().map(|field| field.field.as_str()).collect();
    assert_eq!(
        (error.code(), fields),
        ("validation_failed", vec!["phone", "push_subscription"])
    );
    let request = Actor::Anonymous.request(());
    let nobody = refusal(harness.notification.get_preferences(request).await);
    assert_eq!(nobody.code(), "unauthenticated");
}

#[tokio::test]
async fn two_changes_at_once_are_both_kept() {
    let harness = Harness::build().await;
    let phone = Preferences {
        phone: Some(PHONE.to_owned()),
        ..Preferences::default()
    };
    let sms = Preferences {
        sms: Some(true),
        ..Preferences::default()
    };
    let (one, other) = tokio::join!(harness.wish(phone), harness.wish(sms));
    one.and(other).unwrap();
    let wishes = harness.wish(Preferences::default()).await.unwrap();
    assert_eq!((wishes.sms, wishes.phone.as_deref()), (Some(true), Some(PHONE)));
}

#[tokio::test]
async fn a_browser_that_is_gone_is_forgotten() {
    let harness = Harness::build().await;
    let wishes = Preferences {
        email: Some(false),
        sms: Some(false),
        push_subscription: Some("gone".to_owned()),
        ..everything()
    };
    harness.wish(wishes).await.unwrap();
    harness.welcome(1).await;
    harness.work().await;
    let push = harness.deliveries().await.pop().unwrap();
    assert_eq!((push.0, push.2), (Channel::WebPush, DeliveryState::Failed));
    let wishes = harness.wish(Preferences::default()).await.unwrap();
    assert_eq!(wishes.push_subscription, None);
}
