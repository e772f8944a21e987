//! Lessons, completion, certificates, and who may see them.

use smartcourse_proto::progress::LessonStatus;

use crate::harness::{Harness, OWNER, STRANGER, texts};

#[tokio::test]
async fn twice_is_the_same_as_once() {
    let harness = Harness::build().await;
    harness.publish(&texts(&["a", "b", "c"])).await;
    harness.enroll(10, 1).await;
    let once = harness.complete(10, "b").await.unwrap();
    assert_eq!((once.completed_lessons, once.percent), (1, 33.33));
    assert_eq!(harness.complete(10, "b").await.unwrap(), once);
    assert_eq!(harness.progress(10).await.unwrap(), once);
    let lessons: Vec<_> = once
        .lessons
        .iter()
        .map(|lesson| (lesson.lesson_id.as_str(), lesson.status()))
        .collect();
    assert_eq!(
        lessons,
        [
            ("a", LessonStatus::NotStarted),
            ("b", LessonStatus::Completed),
            ("c", LessonStatus::NotStarted)
        ]
    );
    let updates = harness.events("progress.updated", 10).await;
    assert_eq!(updates.len(), 1);
    assert_eq!(updates[0]["lesson_id"], "b");
    assert_eq!(harness.complete(10, "z").await.unwrap_err().code(), "not_found");
}

#[tokio::test]
async fn only_whoever_holds_a_seat_that_is_set_up_may_learn() {
    let harness = Harness::build().await;
    harness.publish(&texts(&["a"])).await;
    assert_eq!(
        harness.complete(STRANGER, "a").await.unwrap_err().code(),
        "not_enrolled"
    );
    let waiting = harness.seat(10, 1);
    assert_eq!(harness.progress(10).await.unwrap_err().code(), "not_ready");
    assert_eq!(harness.complete(10, "a").await.unwrap_err().code(), "not_ready");
    assert_eq!(
        harness.progress_of(OWNER, 10).await.unwrap_err().code(),
        "not_ready"
    );
    harness.initialise(waiting).await;
    harness.initialise(waiting).await;
    assert_eq!(harness.progress(10).await.unwrap().percent, 0.0);

    harness.drop_out(10).await;
    assert_eq!(
        harness.complete(10, "a").await.unwrap_err().code(),
        "not_enrolled"
    );
    assert_eq!(harness.progress(10).await.unwrap_err().code(), "not_enrolled");

    // The owner sees it, others do not; a course that is not public is not there for others at all.
    assert_eq!(harness.progress_of(OWNER, 10).await.unwrap().user_id, 10);
    assert_eq!(
        harness.progress_of(STRANGER, 10).await.unwrap_err().code(),
        "forbidden"
    );
    assert_eq!(
        harness.progress_of(OWNER, STRANGER).await.unwrap_err().code(),
        "not_found"
    );
    harness.neighbours().published = None;
    assert_eq!(
        harness.complete(STRANGER, "a").await.unwrap_err().code(),
        "not_found"
    );
    assert_eq!(
        harness.progress_of(STRANGER, 10).await.unwrap_err().code(),
        "not_found"
    );
}

#[tokio::test]
async fn a_new_epoch_keeps_what_was_done_and_an_old_one_changes_nothing() {
    let harness = Harness::build().await;
    harness.publish(&texts(&["a", "b"])).await;
    harness.enroll(10, 1).await;
    harness.complete(10, "a").await.unwrap();
    harness.drop_out(10).await;
    let (first, second) = (harness.seat(10, 1), harness.seat(10, 2));
    assert_eq!(harness.progress(10).await.unwrap_err().code(), "not_ready");
    harness.initialise(second).await;
    harness.initialise(first).await;
    assert_eq!(harness.progress(10).await.unwrap().completed_lessons, 1);
    harness.deliver().await;
    harness.complete(10, "b").await.unwrap();
    let completed = harness.events("course.completed", 10).await;
    assert_eq!(completed.len(), 1);
    assert_eq!(
        completed[0]["epoch"], 2,
        "a drop of the first epoch says nothing of the second"
    );

    // A completion that met a drop: the next epoch is completed too, the certificate stays the one.
    harness.enroll(10, 3).await;
    let epochs: Vec<_> = harness
        .events("course.completed", 10)
        .await
        .into_iter()
        .map(|event| event["epoch"].as_i64().unwrap())
        .collect();
    assert_eq!(epochs, [2, 3]);
    assert_eq!(harness.certificates(10).await.len(), 1);
    assert_eq!(harness.events("certificate.issued", 10).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_last_lessons_at_the_same_moment_complete_the_course_once() {
    let harness = Harness::build().await;
    harness.publish(&texts(&["a", "b", "c", "d"])).await;
    for user in 10..30 {
        harness.enroll(user, 1).await;
        harness.complete(user, "a").await.unwrap();
        harness.complete(user, "b").await.unwrap();
        let calls: Vec<_> = ["c", "d", "c", "d"]
            .into_iter()
            .map(|lesson| {
                let harness = harness.clone();
                tokio::spawn(async move { harness.complete(user, lesson).await })
            })
            .collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        let progress = harness.progress(user).await.unwrap();
        assert_eq!(progress.percent, 100.0);
        assert!(progress.completed_at.is_some());
        assert_eq!(harness.events("course.completed", user).await.len(), 1);
        assert_eq!(harness.events("certificate.issued", user).await.len(), 1);
        assert_eq!(harness.events("progress.updated", user).await.len(), 4);
        assert_eq!(harness.certificates(user).await.len(), 1);
    }
}

#[tokio::test]
async fn a_hundred_and_ninety_nine_of_two_hundred_is_not_all() {
    let harness = Harness::build().await;
    let ids: Vec<String> = (0..200).map(|number| format!("l{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    harness.publish(&texts(&ids)).await;
    harness.enroll(10, 1).await;
    let mut percent = Vec::new();
    for id in ids {
        percent.push(harness.complete(10, id).await.unwrap().percent);
    }
    assert_eq!(percent[198..], [99.5, 100.0]);
    assert_eq!(harness.events("course.completed", 10).await.len(), 1);
}

#[tokio::test]
async fn anybody_can_verify_a_certificate_by_its_code() {
    let harness = Harness::build().await;
    harness.publish(&texts(&["a"])).await;
    harness.enroll(10, 1).await;
    harness.complete(10, "a").await.unwrap();
    let [certificate] = harness.certificates(10).await.try_into().unwrap();
    assert!(harness.certificates(STRANGER).await.is_empty());
    assert_eq!(
        (certificate.full_name.as_str(), certificate.version),
        ("Learner 10", 1)
    );
    assert_eq!(
        harness.events("certificate.issued", 10).await[0]["code"],
        certificate.code
    );
    let typed = certificate.code.to_lowercase().replace('-', "");
    assert_eq!(harness.verify(&typed).await.unwrap(), certificate);
    let other = if certificate.code.ends_with('0') { "1" } else { "0" };
    let wrong = format!("{}{other}", &certificate.code[..certificate.code.len() - 1]);
    for code in [wrong.as_str(), "", "SC-1"] {
        assert_eq!(harness.verify(code).await.unwrap_err().code(), "not_found");
    }

    let document = lopdf::Document::load_mem(&harness.pdf(&certificate.code).await).unwrap();
    let text = document.extract_text(&[1]).unwrap();
    for part in ["Learner 10", "Durable Workflows", certificate.code.as_str()] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}
