//! What the workflow of a seat does: takes up an epoch, says where it stands, ends it.

use smartcourse_platform::grpc::Actor;
use smartcourse_proto::{
    common::Problem,
    course::StepState,
    enrollment::{
        ListOpenOnboardingsRequest, OnboardingState, ReportOnboardingRequest, RestartOnboardingRequest,
    },
};
use smartcourse_tests::{events, refusal};

use crate::harness::{ANN, BO, COURSE, CY, Harness, TEACHER, student};

#[tokio::test]
async fn a_run_takes_up_the_epoch_and_ends_it_once() {
    let harness = Harness::build(None).await;
    let seat = harness.enroll(ANN, COURSE).await.unwrap();
    let state = async || {
        let shown = harness.get(student(ANN), seat.enrollment_id).await.unwrap();
        shown.onboarding.unwrap().state()
    };
    assert_eq!(state().await, OnboardingState::Accepted);
    for run in ["run-1", "run-1", "run-2"] {
        let ensured = harness.ensure(ANN, Some(1), run).await.unwrap();
        assert!(!ensured.nothing_to_do);
        assert_eq!(state().await, OnboardingState::Running);
    }
    let ensured = harness.ensure(ANN, Some(1), "run-1").await.unwrap();
    assert_eq!(
        (harness.finish(&ensured).await, harness.finish(&ensured).await),
        (None, None)
    );
    assert_eq!(state().await, OnboardingState::Completed);
    assert!(harness.ensure(ANN, Some(1), "run-3").await.unwrap().nothing_to_do);
    let nobody = refusal(harness.ensure(BO, Some(1), "run-4").await);
    assert_eq!(nobody.code(), "not_found");
}

#[tokio::test]
async fn the_end_of_an_epoch_names_the_one_that_has_begun_meanwhile() {
    let harness = Harness::build(None).await;
    let seat = harness.enroll(ANN, COURSE).await.unwrap();
    let first = harness.ensure(ANN, Some(1), "run-1").await.unwrap();
    harness.drop_out(student(ANN), seat.enrollment_id).await.unwrap();
    assert!(harness.ensure(ANN, Some(1), "run-1").await.unwrap().nothing_to_do);
    assert_eq!(harness.finish(&first).await, None, "nobody came back");
    harness.enroll(ANN, COURSE).await.unwrap();
    assert_eq!(harness.finish(&first).await, Some(2));
    let second = harness.ensure(ANN, Some(2), "run-1").await.unwrap();
    assert_eq!((second.epoch, second.nothing_to_do), (2, false));
    assert_ne!(second.event_id, first.event_id);
    assert_eq!(harness.finish(&second).await, None);
    assert_eq!(
        harness.finish(&first).await,
        None,
        "the later one is over as well"
    );
}

#[tokio::test]
async fn a_run_that_was_started_raw_takes_a_seat_under_the_same_rules() {
    let harness = Harness::build(Some(1)).await;
    let teacher = refusal(harness.ensure(TEACHER, None, "raw").await);
    assert_eq!(teacher.code(), "not_a_student");
    let ensured = harness.ensure(ANN, None, "raw").await.unwrap();
    assert_eq!((ensured.epoch, ensured.nothing_to_do), (1, false));
    assert_eq!(harness.seats(COURSE).await, (Some(1), 1));
    assert_eq!(harness.starts().await, 0, "the run is there already");
    assert_eq!(
        events(&harness.pool, "enrollment.created").await.unwrap().len(),
        1
    );
    // Its answer was lost.
    assert_eq!(harness.ensure(ANN, None, "raw").await.unwrap(), ensured);
    assert_eq!(
        refusal(harness.ensure(BO, None, "raw-2").await).code(),
        "course_full"
    );

    harness.finish(&ensured).await;
    assert!(harness.ensure(ANN, None, "raw").await.unwrap().nothing_to_do);
    let other = refusal(harness.ensure(ANN, None, "raw-3").await);
    assert_eq!(other.code(), "already_enrolled");
    let id = ensured.enrollment_id;
    harness.drop_out(student(ANN), id).await.unwrap();
    assert!(harness.ensure(ANN, None, "raw").await.unwrap().nothing_to_do);
    assert_eq!(harness.ensure(ANN, None, "raw-4").await.unwrap().epoch, 2);
}

#[tokio::test]
async fn a_raw_run_does_what_was_accepted_and_not_begun() {
    let harness = Harness::build(None).await;
    let seat = harness.enroll(CY, COURSE).await.unwrap();
    let ensured = harness.ensure(CY, None, "raw").await.unwrap();
    assert_eq!((ensured.enrollment_id, ensured.epoch), (seat.enrollment_id, 1));
    assert_eq!(harness.seats(COURSE).await, (None, 1));
}

#[tokio::test]
async fn a_step_that_fails_is_shown_until_it_works() {
    let harness = Harness::build(None).await;
    let seat = harness.enroll(ANN, COURSE).await.unwrap();
    harness.ensure(ANN, Some(1), "run-1").await.unwrap();
    let step = async || {
        let shown = harness.get(student(ANN), seat.enrollment_id).await.unwrap();
        let steps = shown.onboarding.unwrap().steps;
        let step = steps
            .iter()
            .find(|step| step.name == "initialise_progress")
            .unwrap();
        (step.state(), step.attempts)
    };
    let report = async |name: &str, attempt: i32, worked: bool| {
        let request = ReportOnboardingRequest {
            enrollment_id: seat.enrollment_id,
            epoch: 1,
            step: name.to_owned(),
            attempt,
            error: (!worked).then(|| Problem {
                code: "unavailable".to_owned(),
                message: "The progress service does not answer.".to_owned(),
            }),
        };
        harness
            .enrollment
            .report_onboarding(Actor::Service.request(request))
            .await
    };
    report("initialise_progress", 2, false).await.unwrap();
    assert_eq!(step().await, (StepState::Retrying, 2));
    report("initialise_progress", 3, true).await.unwrap();
    assert_eq!(step().await, (StepState::Completed, 3));
    // It comes late.
    report("initialise_progress", 2, false).await.unwrap();
    assert_eq!(step().await, (StepState::Completed, 3));
    let unknown = refusal(report("make_coffee", 1, false).await);
    assert_eq!(unknown.code(), "not_found");
}

#[tokio::test]
async fn a_start_that_waits_is_not_lost_and_a_lost_run_is_started_again() {
    let harness = Harness::build(None).await;
    let seat = harness.enroll(ANN, COURSE).await.unwrap();
    let open = async || {
        let request = ListOpenOnboardingsRequest::default();
        let open = harness
            .enrollment
            .list_open_onboardings(Actor::Service.request(request))
            .await;
        open.unwrap().items.len()
    };
    let restart = async |epoch: i32| {
        let request = RestartOnboardingRequest {
            enrollment_id: seat.enrollment_id,
            epoch,
        };
        let restarted = harness
            .enrollment
            .restart_onboarding(Actor::Service.request(request))
            .await;
        restarted.unwrap();
        harness.starts().await
    };
    assert_eq!(open().await, 0);
    harness.hand_over().await;
    assert_eq!(open().await, 1);
    assert_eq!(restart(2).await, 0, "it has gone on to another epoch");
    assert_eq!((restart(1).await, restart(1).await), (1, 1));
    harness.hand_over().await;
    let ensured = harness.ensure(ANN, Some(1), "run-2").await.unwrap();
    harness.finish(&ensured).await;
    assert_eq!((open().await, restart(1).await), (0, 0));
}
