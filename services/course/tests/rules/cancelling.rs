//! Cancelling a publish: before its run, during it, after its flip.

use smartcourse_platform::grpc::Actor;
use smartcourse_proto::course::*;
use smartcourse_tests::{events, refusal};

use crate::harness::{COLLEAGUE, Harness};

#[tokio::test]
async fn before_the_start_it_ends_there() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let target = harness.accepted(id).await;
    let status = harness.cancel(id).await.unwrap();
    assert_eq!(status.state(), PublishState::Cancelled);
    assert_eq!(status.error.unwrap().code, "publish_cancelled");
    assert!(harness.commands().await.is_empty(), "nothing is started any more");
    assert_eq!(
        refusal(harness.begin(&target, "run-1").await).code(),
        "attempt_closed"
    );
    assert_eq!(refusal(harness.cancel(id).await).code(), "attempt_closed");
    assert_eq!(harness.accepted(id).await.version, 2);
}

#[tokio::test]
async fn between_the_start_and_the_first_step_the_run_undoes_it() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let target = harness.accepted(id).await;
    harness.hand_over().await;
    let status = harness.cancel(id).await.unwrap();
    assert_eq!(status.state(), PublishState::Cancelling);
    assert_eq!(harness.commands().await, ["cancel"]);
    harness.begin(&target, "run-1").await.unwrap();
    assert_eq!(harness.status(id).await.state(), PublishState::Cancelling);
    let work = refusal(harness.validate(&target).await);
    assert_eq!(work.code(), "publish_cancelled");
}

#[tokio::test]
async fn while_it_runs_it_ends_cancelled_whatever_fails_meanwhile() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let target = harness.begun(id).await;
    harness.report(&target, 2, StepState::Running).await;
    harness.hand_over().await;
    for _ in 0..2 {
        let status = harness.cancel(id).await.unwrap();
        assert_eq!(status.state(), PublishState::Cancelling);
        assert_eq!(harness.commands().await, ["cancel"]);
    }
    assert_eq!(harness.publish(id).await.unwrap().version, 1, "it is not over");
    for work in [
        harness.validate(&target).await,
        harness.save(&target).await,
        harness.flip(&target).await,
    ] {
        assert_eq!(refusal(work).code(), "publish_cancelled");
    }
    assert!(!harness.abort(&target).await);
    harness.fail(&target).await;
    let status = harness.status(id).await;
    assert_eq!(status.state(), PublishState::Cancelled);
    assert_eq!(status.error.unwrap().code, "publish_cancelled");
    assert_eq!(status.steps[1].state(), StepState::Cancelled);
    let failed = events(&harness.pool, "course.publish_failed").await.unwrap();
    assert!(failed.is_empty(), "a cancelled publish is no failure");
}

#[tokio::test]
async fn after_the_flip_there_is_nothing_to_cancel() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    assert_eq!(refusal(harness.cancel(id).await).code(), "never_published");
    harness.live(id).await;
    assert_eq!(refusal(harness.cancel(id).await).code(), "already_published");
    // The live version stays when the next one is cancelled.
    harness.accepted(id).await;
    harness.cancel(id).await.unwrap();
    let live = harness.get(Actor::Anonymous, id).await.unwrap();
    assert_eq!(live.published_version, Some(1));
}

#[tokio::test]
async fn flip_and_cancel_at_once_are_decided_one_way() {
    let harness = Harness::build().await;
    for _ in 0..5 {
        let id = harness.draft().await;
        let target = harness.begun(id).await;
        harness.save(&target).await.unwrap();
        let (flipped, cancelled) = tokio::join!(harness.flip(&target), harness.cancel(id));
        assert_ne!(flipped.is_ok(), cancelled.is_ok());
    }
}

#[tokio::test]
async fn a_run_that_is_lost_while_it_is_cancelled_stays_cancelled() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let target = harness.begun(id).await;
    harness.cancel(id).await.unwrap();
    harness.hand_over().await;
    let request = RestartAttemptRequest {
        attempt_id: target.attempt_id.clone(),
        run_id: Some("run-1".to_owned()),
        cleanup_reason: None,
    };
    let request = Actor::Service.request(request);
    harness.course.restart_attempt(request).await.unwrap();
    harness.begin(&target, "run-2").await.unwrap();
    assert_eq!(refusal(harness.save(&target).await).code(), "publish_cancelled");
    harness.fail(&target).await;
    assert_eq!(harness.status(id).await.state(), PublishState::Cancelled);
}

#[tokio::test]
async fn only_its_owner_cancels_it() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    harness.begun(id).await;
    let request = || COLLEAGUE.request(CourseRef { id });
    let refused = refusal(harness.course.cancel_publish(request()).await);
    assert_eq!(refused.code(), "not_found");
    let status = refusal(harness.course.get_publish(request()).await);
    assert_eq!(status.code(), "not_found");
    assert_eq!(harness.status(id).await.state(), PublishState::Running);
}
