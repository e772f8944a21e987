//! A publish: one attempt at a time, taken up by one run, decided once, and its record final.

use serde_json::json;
use smartcourse_platform::grpc::{Actor, Transport};
use smartcourse_proto::{
    common::{Problem, VersionRef},
    course::*,
    stubs::CourseStub,
};
use smartcourse_tests::{events, refusal};

use crate::harness::{Harness, STUDENT, TEACHER, ids};

#[tokio::test]
async fn accepted_many_times_at_once_it_is_one_attempt() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let publish = |course: CourseStub<Transport>| async move {
        let request = PublishRequest {
            id,
            ..PublishRequest::default()
        };
        course.publish(TEACHER.request(request)).await.unwrap()
    };
    let calls: Vec<_> = (0..10)
        .map(|_| tokio::spawn(publish(harness.course.clone())))
        .collect();
    let one = harness.publish(id).await.unwrap();
    assert_eq!(one.version, 1);
    for call in calls {
        assert_eq!(call.await.unwrap(), one);
    }
    assert_eq!(harness.commands().await, ["start"]);
    // The workflow server does not answer, and the status says so nevertheless.
    let status = harness.status(id).await;
    assert_eq!(
        (status.state(), status.step, status.percent),
        (PublishState::Accepted, 0, 0)
    );
    harness.hand_over().await;
    assert_eq!(harness.status(id).await.waiting_for(), WaitingFor::Temporal);
    assert_eq!(harness.publish(id).await.unwrap().version, 1);
    assert!(harness.commands().await.is_empty());
}

#[tokio::test]
async fn asked_for_again_by_its_key_it_is_the_same_one_also_after_its_end() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let first = harness.publish_by(id, Some("one")).await.unwrap();
    let under_way = harness.publish_by(id, Some("other")).await.unwrap();
    assert_eq!((first.version, &under_way), (1, &first));
    harness.live(id).await;
    for key in ["one", "other"] {
        assert_eq!(harness.publish_by(id, Some(key)).await.unwrap(), first, "{key}");
    }
    let restore = RestoreRequest {
        course_id: id,
        version: 1,
        idempotency_key: Some("one".to_owned()),
    };
    let mismatch = refusal(harness.course.restore(TEACHER.request(restore)).await);
    assert_eq!(mismatch.code(), "idempotency_mismatch");
    assert_eq!(harness.publish(id).await.unwrap().version, 2);
}

#[tokio::test]
async fn it_belongs_to_the_run_that_began_it() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let target = harness.accepted(id).await;
    let begun = harness.begin(&target, "run-1").await.unwrap();
    assert_eq!(begun.attempt_id, target.attempt_id);
    // The first answer was lost.
    assert_eq!(harness.begin(&target, "run-1").await.unwrap(), begun);
    let other = refusal(harness.begin(&target, "run-2").await);
    assert_eq!(other.code(), "attempt_closed");
    let raw = refusal(harness.begin_raw(id, "run-3").await);
    assert_eq!(raw.code(), "publish_running");
    harness.save(&target).await.unwrap();
    harness.flip(&target).await.unwrap();
    assert!(harness.begin(&target, "run-2").await.unwrap().already_published);
}

#[tokio::test]
async fn a_run_that_names_the_attempt_of_another_course_is_refused() {
    let harness = Harness::build().await;
    let (one, other) = (harness.draft().await, harness.draft().await);
    let target = harness.accepted(one).await;
    let mixed = VersionRef {
        course_id: other,
        ..target.clone()
    };
    let refused = refusal(harness.begin(&mixed, "raw").await);
    assert_eq!(refused.code(), "validation_failed");
    harness.begin(&target, "run-1").await.unwrap();
}

#[tokio::test]
async fn a_run_that_was_started_raw_makes_one_attempt_of_its_own() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let raw = harness.begin_raw(id, "raw").await.unwrap();
    assert_eq!(harness.begin_raw(id, "raw").await.unwrap(), raw);
    assert_eq!(harness.publish(id).await.unwrap().version, raw.version);
    let missing = refusal(harness.begin_raw(id + 1, "raw").await);
    assert_eq!(missing.code(), "not_found");
}

#[tokio::test]
async fn after_the_flip_nothing_is_undone() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let target = harness.live(id).await;
    harness.flip(&target).await.unwrap();
    assert!(harness.abort(&target).await);
    harness.fail(&target).await;
    assert_eq!(harness.status(id).await.state(), PublishState::Completed);
    assert_eq!(ids(&harness.content(STUDENT, id, None).await.unwrap()), ["s1"]);
    let published = json!({
        "course_id": id, "version": 1, "instructor_id": 7, "title": "Sagas", "ai_ready": true,
    });
    assert_eq!(
        events(&harness.pool, "course.published").await.unwrap(),
        [published]
    );
    assert!(
        events(&harness.pool, "course.publish_failed")
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn after_the_abort_nothing_is_published() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let target = harness.begun(id).await;
    harness.save(&target).await.unwrap();
    assert!(
        harness
            .course
            .delete_version(Actor::Service.request(target.clone()))
            .await
            .is_err()
    );
    assert!(!harness.abort(&target).await);
    assert!(!harness.abort(&target).await);
    for late in [
        harness.validate(&target).await,
        harness.save(&target).await,
        harness.flip(&target).await,
    ] {
        assert_eq!(refusal(late).code(), "version_discarded");
    }
    let read = refusal(harness.content(TEACHER, id, Some(1)).await);
    assert_eq!(read.code(), "not_found");
    for _ in 0..2 {
        let request = Actor::Service.request(target.clone());
        harness.course.delete_version(request).await.unwrap();
        harness.fail(&target).await;
    }
    let status = harness.status(id).await;
    assert_eq!(status.state(), PublishState::Failed);
    assert_eq!(status.error.unwrap().code, "asset_missing");
    let failed = json!({"course_id": id, "version": 1, "instructor_id": 7, "code": "asset_missing"});
    assert_eq!(
        events(&harness.pool, "course.publish_failed").await.unwrap(),
        [failed]
    );
    assert_eq!(harness.live(id).await.version, 2);
}

#[tokio::test]
async fn flip_and_abort_at_once_are_decided_one_way() {
    let harness = Harness::build().await;
    for _ in 0..5 {
        let id = harness.draft().await;
        let target = harness.begun(id).await;
        harness.save(&target).await.unwrap();
        let (flipped, came_first) = tokio::join!(harness.flip(&target), harness.abort(&target));
        assert_eq!(flipped.is_ok(), came_first);
        let live = harness.get(TEACHER, id).await.unwrap().published_version;
        assert_eq!(live.is_some(), came_first);
    }
}

#[tokio::test]
async fn what_a_publish_demands_of_the_draft() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    harness.put(id, &[], None).await.unwrap();
    let target = harness.begun(id).await;
    assert_eq!(refusal(harness.validate(&target).await).code(), "no_lessons");
    harness.fail(&target).await;
    assert_eq!(refusal(harness.validate(&target).await).code(), "attempt_closed");

    let request = PutContentRequest {
        course_id: id,
        modules: vec![crate::harness::module([crate::harness::text("s1", " ")])],
        if_match: None,
    };
    harness
        .course
        .put_content(TEACHER.request(request))
        .await
        .unwrap();
    let target = harness.begun(id).await;
    let error = refusal(harness.validate(&target).await);
    assert_eq!(error.code(), "lesson_incomplete");
    assert!(error.detail().contains("s1"), "{}", error.detail());
}

#[tokio::test]
async fn an_edit_after_the_acceptance_belongs_to_the_next_one() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let target = harness.accepted(id).await;
    harness.put(id, &["later"], None).await.unwrap();
    harness.begin(&target, "run-1").await.unwrap();
    harness.validate(&target).await.unwrap();
    for _ in 0..2 {
        harness.save(&target).await.unwrap();
    }
    harness.flip(&target).await.unwrap();
    assert_eq!(ids(&harness.content(STUDENT, id, None).await.unwrap()), ["s1"]);
    harness.live(id).await;
    assert_eq!(ids(&harness.content(STUDENT, id, None).await.unwrap()), ["later"]);

    // The first version once more, as the third; the draft stays.
    let restore = |version| {
        TEACHER.request(RestoreRequest {
            course_id: id,
            version,
            ..RestoreRequest::default()
        })
    };
    let never = refusal(harness.course.restore(restore(7)).await);
    assert_eq!(never.code(), "not_found");
    let restored = harness.course.restore(restore(1)).await.unwrap();
    let target = VersionRef {
        course_id: id,
        version: restored.version,
        attempt_id: harness.status(id).await.attempt_id,
    };
    harness.begin(&target, "run-1").await.unwrap();
    harness.save(&target).await.unwrap();
    harness.flip(&target).await.unwrap();
    let read = harness.content(STUDENT, id, None).await.unwrap();
    assert_eq!((ids(&read), read.version), (vec!["s1"], 3));
    assert_eq!(ids(&harness.content(TEACHER, id, None).await.unwrap()), ["later"]);
    let versions = harness
        .course
        .list_versions(TEACHER.request(CourseRef { id }))
        .await;
    let versions: Vec<(i32, bool)> = versions
        .unwrap()
        .items
        .iter()
        .map(|version| (version.version, version.published))
        .collect();
    assert_eq!(versions, [(3, true), (2, false), (1, false)]);
}

#[tokio::test]
async fn a_restore_is_not_lost_to_another_publish() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    harness.live(id).await;
    harness.live(id).await;
    let restore = async |version| {
        let request = RestoreRequest {
            course_id: id,
            version,
            ..RestoreRequest::default()
        };
        harness.course.restore(TEACHER.request(request)).await
    };
    let other = harness.begun(id).await;
    assert_eq!(refusal(restore(1).await).code(), "publish_running");
    harness.abort(&other).await;
    harness.fail(&other).await;
    let accepted = restore(1).await.unwrap();
    // Asked for again it is the same one.
    assert_eq!(restore(1).await.unwrap(), accepted);
    assert_eq!(harness.publish(id).await.unwrap(), accepted);
    assert_eq!(refusal(restore(2).await).code(), "publish_running");
}

#[tokio::test]
async fn reports_only_go_forward_and_end_with_the_attempt() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let target = harness.accepted(id).await;
    harness.report(&target, 1, StepState::Running).await;
    assert_eq!(harness.status(id).await.step, 0, "no run has taken it up");
    harness.begin(&target, "run-1").await.unwrap();
    harness.report(&target, 1, StepState::Retrying).await;
    harness.report(&target, 3, StepState::Running).await;
    harness.report(&target, 2, StepState::Completed).await;
    let status = harness.status(id).await;
    let states = |status: &PublishStatus| -> Vec<StepState> {
        status.steps.iter().take(4).map(PublishStep::state).collect()
    };
    let (done, running, pending) = (StepState::Completed, StepState::Running, StepState::Pending);
    assert_eq!(
        (status.step, states(&status)),
        (3, vec![done, done, running, pending])
    );

    harness.fail(&target).await;
    let ended = harness.status(id).await;
    assert_eq!(states(&ended), [done, done, StepState::Failed, pending]);
    harness.report(&target, 4, StepState::Running).await;
    assert_eq!(harness.status(id).await, ended);
}

#[tokio::test]
async fn a_run_that_is_gone_is_replaced_and_no_other_is() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let target = harness.begun(id).await;
    harness.hand_over().await;
    let restart = async |run: &str, reason: Option<&str>| {
        let request = RestartAttemptRequest {
            attempt_id: target.attempt_id.clone(),
            run_id: Some(run.to_owned()),
            cleanup_reason: reason.map(|code| Problem {
                code: code.to_owned(),
                message: String::new(),
            }),
        };
        let request = Actor::Service.request(request);
        harness.course.restart_attempt(request).await.unwrap();
    };
    restart("another run", None).await;
    assert!(harness.commands().await.is_empty());
    for _ in 0..2 {
        restart("run-1", None).await;
        assert_eq!(harness.commands().await, ["start"]);
    }
    assert_eq!(harness.status(id).await.state(), PublishState::Accepted);
    harness.begin(&target, "run-2").await.unwrap();
    harness.hand_over().await;
    restart("run-2", Some("publish_lost")).await;
    assert_eq!(harness.commands().await, ["start"]);
    harness.abort(&target).await;
    harness.fail(&target).await;
    harness.hand_over().await;
    restart("run-2", None).await;
    assert!(harness.commands().await.is_empty());
}

#[tokio::test]
async fn the_steps_are_the_workflows() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let target = harness.begun(id).await;
    let flip = MarkPublishedRequest {
        attempt_id: target.attempt_id.clone(),
        ..MarkPublishedRequest::default()
    };
    let flipped = refusal(harness.course.mark_published(TEACHER.request(flip)).await);
    let aborted = refusal(harness.course.abort_version(TEACHER.request(target)).await);
    assert_eq!((flipped.code(), aborted.code()), ("forbidden", "forbidden"));
}
