//! The feed in the app, from the events that concern somebody.

use smartcourse_platform::grpc::Actor;
use smartcourse_proto::{events::*, notification::NotificationRef};
use smartcourse_tests::{
    engines::event_log::postgres::{deliver_batch, place},
    refusal,
};

use crate::harness::{ANN, BO, COURSE, Harness, student};

const TEACHER: i64 = 1;

fn titles(feed: &[smartcourse_proto::notification::Notification]) -> Vec<&str> {
    feed.iter().map(|entry| entry.title.as_str()).collect()
}

#[tokio::test]
async fn everybody_is_told_what_concerns_them() {
    let harness = Harness::build().await;
    let enrolled = EnrollmentCreated {
        enrollment_id: 1,
        epoch: 1,
        course_id: COURSE,
        user_id: ANN,
        instructor_id: TEACHER,
        course_title: "Sagas".to_owned(),
    };
    let failed = CoursePublishFailed {
        course_id: COURSE,
        version: 1,
        instructor_id: TEACHER,
        code: "asset_missing".to_owned(),
    };
    let published = CoursePublished {
        course_id: COURSE,
        version: 2,
        instructor_id: TEACHER,
        title: "Sagas, again".to_owned(),
        ai_ready: true,
    };
    let completed = CourseCompleted {
        enrollment_id: 1,
        epoch: 1,
        course_id: COURSE,
        user_id: ANN,
        version: 2,
    };
    let dropped = EnrollmentDropped {
        enrollment_id: 2,
        epoch: 1,
        course_id: 99,
        user_id: ANN,
    };
    harness.hear("course.publish_failed", &failed).await;
    harness.hear("enrollment.created", &enrolled).await;
    harness.hear("course.published", &published).await;
    harness.hear("course.completed", &completed).await;
    harness.hear("enrollment.dropped", &dropped).await;
    harness
        .hear("course.archived", &CourseArchived { course_id: COURSE })
        .await;
    // The newest first, with what the course was called last, or its number when nobody said.
    assert_eq!(
        titles(&harness.feed(ANN).await),
        [
            "You left course 99",
            "You completed Sagas, again",
            "You are enrolled in Sagas"
        ]
    );
    assert_eq!(
        titles(&harness.feed(TEACHER).await),
        ["Sagas, again is published", "Publishing course 7 failed"]
    );
    assert!(harness.feed(BO).await.is_empty());
}

#[tokio::test]
async fn an_event_that_comes_twice_is_told_once() {
    let harness = Harness::build().await;
    let issued = CertificateIssued {
        code: "A".to_owned(),
        course_id: COURSE,
        user_id: ANN,
        course_title: "Sagas".to_owned(),
        ..CertificateIssued::default()
    };
    harness.hear("certificate.issued", &issued).await;
    // A group that is set back reads the log again.
    for again in [
        "update platform.event_groups set position = 0",
        "delete from platform.inbox",
    ] {
        sqlx::query(again).execute(&harness.pool).await.unwrap();
    }
    place(&harness.pool).await.unwrap();
    let feed = smartcourse_notification::Feed::new(smartcourse_notification::Channels {
        sms: true,
        web_push: true,
    });
    deliver_batch(&harness.pool, &feed).await.unwrap();
    assert_eq!(titles(&harness.feed(ANN).await), ["Your certificate for Sagas"]);
    assert_eq!(harness.deliveries().await.len(), 1);
}

#[tokio::test]
async fn an_entry_is_read_once_by_its_owner() {
    let harness = Harness::build().await;
    harness
        .hear(
            "course.completed",
            &CourseCompleted {
                course_id: COURSE,
                user_id: ANN,
                ..CourseCompleted::default()
            },
        )
        .await;
    let id = harness.feed(ANN).await[0].id;
    let unread = async || {
        let count = harness.notification.count_unread(student(ANN).request(())).await;
        count.unwrap().unread
    };
    let read = async |actor: Actor| {
        let request = NotificationRef { id };
        harness.notification.mark_read(actor.request(request)).await
    };
    assert_eq!(refusal(read(student(BO)).await).code(), "not_found");
    assert_eq!(unread().await, 1);
    let first = read(student(ANN)).await.unwrap().read_at;
    assert_eq!(read(student(ANN)).await.unwrap().read_at, first);
    assert_eq!(unread().await, 0);
}
