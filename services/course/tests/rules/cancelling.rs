//! Cancelling a publish: before its run, during it, after its flip.

use smartcourse_platform::grpc::Actor;
use smartcourse_proto::course::*;
use smartcourse_tests::{events, refusal};

use crate::house::{COLLEAGUE, House};

#[tokio::test]
async fn before_the_start_it_ends_there() {
    let house = House::build().await;
    let id = house.draft().await;
    let target = house.accepted(id).await;
    let status = house.cancel(id).await.unwrap();
    assert_eq!(status.state(), PublishState::Cancelled);
    assert_eq!(status.error.unwrap().code, "publish_cancelled");
    assert!(house.commands().await.is_empty(), "nothing is started any more");
    assert_eq!(
        refusal(house.begin(&target, "run-1").await).code(),
        "attempt_closed"
    );
    assert_eq!(refusal(house.cancel(id).await).code(), "attempt_closed");
    assert_eq!(house.accepted(id).await.version, 2);
}

#[tokio::test]
async fn between_the_start_and_the_first_step_the_run_undoes_it() {
    let house = House::build().await;
    let id = house.draft().await;
    let target = house.accepted(id).await;
    house.hand_over().await;
    let status = house.cancel(id).await.unwrap();
    assert_eq!(status.state(), PublishState::Cancelling);
    assert_eq!(house.commands().await, ["cancel"]);
    house.begin(&target, "run-1").await.unwrap();
    assert_eq!(house.status(id).await.state(), PublishState::Cancelling);
    let work = refusal(house.validate(&target).await);
    assert_eq!(work.code(), "publish_cancelled");
}

#[tokio::test]
async fn while_it_runs_it_ends_cancelled_whatever_fails_meanwhile() {
    let house = House::build().await;
    let id = house.draft().await;
    let target = house.begun(id).await;
    house.report(&target, 2, StepState::Running).await;
    house.hand_over().await;
    for _ in 0..2 {
        let status = house.cancel(id).await.unwrap();
        assert_eq!(status.state(), PublishState::Cancelling);
        assert_eq!(house.commands().await, ["cancel"]);
    }
    assert_eq!(house.publish(id).await.unwrap().version, 1, "it is not over");
    for work in [
        house.validate(&target).await,
        house.save(&target).await,
        house.flip(&target).await,
    ] {
        assert_eq!(refusal(work).code(), "publish_cancelled");
    }
    assert!(!house.abort(&target).await);
    house.fail(&target).await;
    let status = house.status(id).await;
    assert_eq!(status.state(), PublishState::Cancelled);
    assert_eq!(status.error.unwrap().code, "publish_cancelled");
    assert_eq!(status.steps[1].state(), StepState::Cancelled);
    let failed = events(&house.pool, "course.publish_failed").await.unwrap();
    assert!(failed.is_empty(), "a cancelled publish is no failure");
}

#[tokio::test]
async fn after_the_flip_there_is_nothing_to_cancel() {
    let house = House::build().await;
    let id = house.draft().await;
    assert_eq!(refusal(house.cancel(id).await).code(), "never_published");
    house.live(id).await;
    assert_eq!(refusal(house.cancel(id).await).code(), "already_published");
    // The live version stays when the next one is cancelled.
    house.accepted(id).await;
    house.cancel(id).await.unwrap();
    let live = house.get(Actor::Anonymous, id).await.unwrap();
    assert_eq!(live.published_version, Some(1));
}

#[tokio::test]
async fn flip_and_cancel_at_once_are_decided_one_way() {
    let house = House::build().await;
    for _ in 0..5 {
        let id = house.draft().await;
        let target = house.begun(id).await;
        house.save(&target).await.unwrap();
        let (flipped, cancelled) = tokio::join!(house.flip(&target), house.cancel(id));
        assert_ne!(flipped.is_ok(), cancelled.is_ok());
    }
}

#[tokio::test]
async fn a_run_that_is_lost_while_it_is_cancelled_stays_cancelled() {
    let house = House::build().await;
    let id = house.draft().await;
    let target = house.begun(id).await;
    house.cancel(id).await.unwrap();
    house.hand_over().await;
    let request = RestartAttemptRequest {
        attempt_id: target.attempt_id.clone(),
        run_id: Some("run-1".to_owned()),
        cleanup_reason: None,
    };
    let request = Actor::Service.request(request);
    house.course.restart_attempt(request).await.unwrap();
    house.begin(&target, "run-2").await.unwrap();
    assert_eq!(refusal(house.save(&target).await).code(), "publish_cancelled");
    house.fail(&target).await;
    assert_eq!(house.status(id).await.state(), PublishState::Cancelled);
}

#[tokio::test]
async fn only_its_owner_cancels_it() {
    let house = House::build().await;
    let id = house.draft().await;
    house.begun(id).await;
    let request = || COLLEAGUE.request(CourseRef { id });
    let refused = refusal(house.course.cancel_publish(request()).await);
    assert_eq!(refused.code(), "not_found");
    let status = refusal(house.course.get_publish(request()).await);
    assert_eq!(status.code(), "not_found");
    assert_eq!(house.status(id).await.state(), PublishState::Running);
}
