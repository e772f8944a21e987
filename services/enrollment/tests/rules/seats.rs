//! Who gets a seat, by every way in.

use serde_json::json;
use smartcourse_platform::grpc::Actor;
use smartcourse_proto::{
    course::CourseStatus,
    enrollment::{AccessRequest, EnrollRequest, EnrollmentStatus, SetSeatLimitRequest},
    ids::UserId,
    user::Role,
};
use smartcourse_tests::{events, refusal};

use crate::harness::{ADMIN, ANN, BO, COURSE, CY, Harness, Known, TEACHER, student};

#[tokio::test]
async fn the_last_seat_is_taken_once() {
    let harness = Harness::build(Some(2)).await;
    let (one, two, three) = tokio::join!(
        harness.enroll(ANN, COURSE),
        harness.enroll(BO, COURSE),
        harness.enroll(CY, COURSE),
    );
    let (seated, refused): (Vec<_>, Vec<_>) = [one, two, three].into_iter().partition(Result::is_ok);
    assert_eq!((seated.len(), refused.len()), (2, 1));
    for answer in refused {
        assert_eq!(refusal(answer).code(), "course_full");
    }
    assert_eq!(harness.seats(COURSE).await, (Some(2), 2));
    assert_eq!(harness.starts().await, 2);
    let created = events(&harness.pool, "enrollment.created").await.unwrap();
    assert_eq!(created.len(), 2);
}

#[tokio::test]
async fn a_seat_is_announced_with_what_it_is_for() {
    let harness = Harness::build(None).await;
    let seat = harness.enroll(ANN, COURSE).await.unwrap();
    assert_eq!((seat.status(), seat.epoch), (EnrollmentStatus::Active, 1));
    let created = json!({
        "enrollment_id": seat.enrollment_id, "epoch": 1, "course_id": COURSE, "user_id": ANN,
        "instructor_id": TEACHER, "course_title": "Sagas",
    });
    assert_eq!(
        events(&harness.pool, "enrollment.created").await.unwrap(),
        [created]
    );
}

#[tokio::test]
async fn nobody_has_two_seats() {
    let harness = Harness::build(Some(1)).await;
    let (one, other) = tokio::join!(harness.enroll(ANN, COURSE), harness.enroll(ANN, COURSE));
    assert_ne!(one.is_ok(), other.is_ok());
    let seat = one.or(other).unwrap();
    // Not that the course is full.
    let again = refusal(harness.enroll(ANN, COURSE).await);
    let fact = ("enrollment_id".to_owned(), json!(seat.enrollment_id));
    assert_eq!((again.code(), again.facts()), ("already_enrolled", &[fact][..]));
    assert_eq!(harness.seats(COURSE).await, (Some(1), 1));
}

#[tokio::test]
async fn a_request_that_comes_twice_under_a_key_gets_the_same_seat() {
    let harness = Harness::build(None).await;
    harness.publish(8, None, &[]).await;
    let enroll = async |course_id: i64| {
        let request = EnrollRequest {
            course_id,
            user_id: 0,
            idempotency_key: Some("k".to_owned()),
        };
        harness.enrollment.enroll(student(ANN).request(request)).await
    };
    let seat = enroll(COURSE).await.unwrap();
    assert_eq!(enroll(COURSE).await.unwrap(), seat);
    assert_eq!(refusal(enroll(8).await).code(), "idempotency_mismatch");
    assert_eq!(harness.seats(COURSE).await, (None, 1));
}

#[tokio::test]
async fn a_course_that_builds_on_others_demands_them() {
    let harness = Harness::build(None).await;
    harness.publish(8, Some(1), &[COURSE, 9]).await;
    let missing = async |user: i64| {
        let error = refusal(harness.enroll(user, 8).await);
        assert_eq!(error.code(), "prerequisite_missing");
        error.facts()[0].1.clone()
    };
    assert_eq!(missing(ANN).await, json!([COURSE, 9]));
    let seat = harness.enroll(ANN, COURSE).await.unwrap();
    assert_eq!(missing(ANN).await, json!([COURSE, 9]), "a seat is no completion");
    harness.complete(&seat).await;
    assert_eq!(missing(ANN).await, json!([9]));
    harness.publish(9, None, &[]).await;
    let seat = harness.enroll(ANN, 9).await.unwrap();
    harness.complete(&seat).await;
    harness.enroll(ANN, 8).await.unwrap();
    assert_eq!(refusal(harness.enroll(BO, 8).await).code(), "course_full");
}

#[tokio::test]
async fn an_archived_prerequisite_asks_nothing_any_more() {
    let harness = Harness::build(None).await;
    harness.publish(8, None, &[COURSE]).await;
    assert_eq!(
        refusal(harness.enroll(ANN, 8).await).code(),
        "prerequisite_missing"
    );
    let archive = |known: &mut Known, status: CourseStatus| {
        let course = known.courses.get_mut(&COURSE).unwrap();
        course.status = status.into();
    };
    // It may be published again.
    archive(&mut harness.known(), CourseStatus::Draft);
    assert_eq!(
        refusal(harness.enroll(ANN, 8).await).code(),
        "prerequisite_missing"
    );
    archive(&mut harness.known(), CourseStatus::Archived);
    harness.enroll(ANN, 8).await.unwrap();
}

#[tokio::test]
async fn only_students_hold_seats() {
    let harness = Harness::build(None).await;
    let instructor = Actor::User {
        id: UserId(TEACHER),
        role: Role::Instructor,
    };
    for (actor, user, code) in [
        (instructor, 0, "forbidden"),
        (Actor::Anonymous, 0, "unauthenticated"),
        (student(ANN), BO, "forbidden"),
        (ADMIN, 0, "forbidden"),
        (ADMIN, TEACHER, "not_a_student"),
        (Actor::Service, TEACHER, "not_a_student"),
    ] {
        let refused = refusal(harness.enroll_as(actor, user, COURSE).await);
        assert_eq!(refused.code(), code, "{actor:?} for {user}");
    }
    assert_eq!(harness.seats(COURSE).await, (None, 0));
    harness.enroll_as(ADMIN, ANN, COURSE).await.unwrap();
    harness.enroll_as(student(BO), BO, COURSE).await.unwrap();
}

#[tokio::test]
async fn what_is_not_published_has_no_seats() {
    let harness = Harness::build(None).await;
    assert_eq!(refusal(harness.enroll(ANN, 99).await).code(), "not_found");
    let show = |status: CourseStatus| {
        let mut known = harness.known();
        known.courses.get_mut(&COURSE).unwrap().status = status.into();
    };
    for status in [CourseStatus::Draft, CourseStatus::Archived] {
        show(status);
        assert_eq!(refusal(harness.enroll(ANN, COURSE).await).code(), "not_published");
    }
    show(CourseStatus::Published);
    harness.discard(COURSE, 1).await;
    assert_eq!(refusal(harness.enroll(ANN, COURSE).await).code(), "not_published");
}

#[tokio::test]
async fn an_event_asks_under_the_same_rules() {
    let harness = Harness::build(Some(1)).await;
    harness.command(TEACHER, COURSE).await;
    harness.command(ANN, COURSE).await;
    harness.command(BO, COURSE).await;
    harness.command(ANN, COURSE).await;
    harness.command(ANN, 99).await;
    assert_eq!(harness.seats(COURSE).await, (Some(1), 1));
    let refused =
        |user: i64, course: i64, code: &str| json!({"course_id": course, "user_id": user, "code": code});
    assert_eq!(
        events(&harness.pool, "enrollment.refused").await.unwrap(),
        [
            refused(TEACHER, COURSE, "not_a_student"),
            refused(BO, COURSE, "course_full"),
            refused(ANN, COURSE, "already_enrolled"),
            refused(ANN, 99, "not_found"),
        ]
    );
}

#[tokio::test]
async fn a_lower_limit_keeps_everybody_in() {
    let harness = Harness::build(None).await;
    for user in [ANN, BO] {
        harness.enroll(user, COURSE).await.unwrap();
    }
    let limit = async |actor: Actor, max: i32| {
        let request = SetSeatLimitRequest {
            course_id: COURSE,
            max: Some(max),
        };
        harness.enrollment.set_seat_limit(actor.request(request)).await
    };
    assert_eq!(refusal(limit(student(ANN), 9).await).code(), "forbidden");
    assert_eq!(refusal(limit(ADMIN, 0).await).code(), "validation_failed");
    limit(Actor::Service, 1).await.unwrap();
    assert_eq!(harness.seats(COURSE).await, (Some(1), 2));
    assert_eq!(refusal(harness.enroll(CY, COURSE).await).code(), "course_full");
    limit(Actor::Service, 3).await.unwrap();
    harness.enroll(CY, COURSE).await.unwrap();
}

#[tokio::test]
async fn enrollments_and_access_are_ones_own() {
    let harness = Harness::build(None).await;
    let seat = harness.enroll(ANN, COURSE).await.unwrap();
    let id = seat.enrollment_id;
    for actor in [student(ANN), ADMIN, Actor::Service] {
        assert_eq!(harness.get(actor, id).await.unwrap().user_id, ANN);
    }
    assert_eq!(refusal(harness.get(student(BO), id).await).code(), "not_found");
    assert_eq!(
        refusal(harness.drop_out(student(BO), id).await).code(),
        "not_found"
    );
    let access = async |actor: Actor, user_id: i64| {
        let request = AccessRequest {
            course_id: COURSE,
            user_id,
        };
        harness.enrollment.get_access(actor.request(request)).await
    };
    assert!(access(student(ANN), ANN).await.unwrap().enrolled);
    assert!(!access(student(BO), BO).await.unwrap().enrolled);
    assert_eq!(refusal(access(student(BO), ANN).await).code(), "forbidden");
}
