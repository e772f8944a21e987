//! What a new version means for learners.

use crate::house::{House, texts};

#[tokio::test]
async fn a_lesson_more_lowers_the_percentage_and_keeps_the_certificate() {
    let house = House::build().await;
    house.publish(&texts(&["a", "b"])).await;
    house.enroll(10, 1).await;
    house.complete(10, "a").await.unwrap();
    let done = house.complete(10, "b").await.unwrap();
    house.publish(&texts(&["c", "b", "a"])).await;
    house.deliver().await;
    let progress = house.progress(10).await.unwrap();
    assert_eq!((progress.version, progress.percent), (2, 66.66));
    assert_eq!(progress.completed_at, done.completed_at);
    let order: Vec<&str> = progress
        .lessons
        .iter()
        .map(|lesson| lesson.lesson_id.as_str())
        .collect();
    assert_eq!(order, ["c", "b", "a"]);
    let certificates = house.certificates(10).await;
    assert_eq!(certificates[0].version, 1);

    // Done again: no second completion, no second certificate.
    assert_eq!(house.complete(10, "c").await.unwrap().percent, 100.0);
    assert_eq!(house.certificates(10).await, certificates);
    assert_eq!(house.events("course.completed", 10).await.len(), 1);
}

#[tokio::test]
async fn a_version_without_the_last_open_lesson_completes_the_course() {
    let house = House::build().await;
    house.publish(&texts(&["a", "b"])).await;
    // One had done the rest, one had not, one has left, one has left and heard of it before the set-up.
    for user in 10..13 {
        house.enroll(user, 1).await;
    }
    house.complete(10, "a").await.unwrap();
    house.complete(11, "b").await.unwrap();
    house.complete(12, "a").await.unwrap();
    house.drop_out(12).await;
    let version = house.publish(&texts(&["a"])).await;
    house.deliver().await;
    let progress = house.progress(10).await.unwrap();
    assert!(progress.completed_at.is_some());
    let completed = house.events("course.completed", 10).await;
    assert_eq!(completed.len(), 1);
    assert_eq!(completed[0]["version"], version);
    let [certificate] = house.certificates(10).await.try_into().unwrap();
    assert_eq!(
        (certificate.version, certificate.full_name.as_str()),
        (version, "Learner 10")
    );
    for user in [11, 12] {
        assert!(house.events("course.completed", user).await.is_empty());
        assert!(house.certificates(user).await.is_empty());
    }

    // Hearing of it again, or of an older flip, changes nothing.
    house.announce(version).await;
    house.announce(1).await;
    house.deliver().await;
    assert_eq!(house.events("course.completed", 10).await.len(), 1);

    // Who comes back finds the course completed.
    house.enroll(12, 2).await;
    let completed = house.events("course.completed", 12).await;
    assert_eq!(completed.len(), 1);
    assert_eq!(completed[0]["epoch"], 2);
    assert_eq!(house.certificates(12).await.len(), 1);
}

#[tokio::test]
async fn a_drop_that_is_heard_of_before_the_set_up_still_counts() {
    let house = House::build().await;
    house.publish(&texts(&["a", "b"])).await;
    house.enroll(10, 1).await;
    house.complete(10, "a").await.unwrap();
    let late = house.seat(10, 2);
    house.drop_out(10).await;
    house.publish(&texts(&["a"])).await;
    house.deliver().await;
    // The first epoch was over when the version came, and so is the second one by now.
    house.initialise(late).await;
    assert!(house.events("course.completed", 10).await.is_empty());
    house.enroll(10, 3).await;
    assert_eq!(house.events("course.completed", 10).await.len(), 1);
}

#[tokio::test]
async fn a_course_that_was_withdrawn_shows_no_lessons_and_keeps_what_was_earned() {
    let house = House::build().await;
    house.publish(&texts(&["a"])).await;
    house.enroll(10, 1).await;
    house.complete(10, "a").await.unwrap();
    house.neighbours().published = None;
    let progress = house.progress(10).await.unwrap();
    assert_eq!((progress.total_lessons, progress.percent), (0, 0.0));
    assert!(progress.completed_at.is_some());
    assert_eq!(house.complete(10, "a").await.unwrap_err().code(), "not_found");
    assert_eq!(house.certificates(10).await.len(), 1);
}

#[tokio::test]
async fn who_was_told_an_older_version_counts_against_the_newer_one() {
    let house = House::build().await;
    house.publish(&texts(&["a", "b"])).await;
    house.enroll(10, 1).await;
    let newer = house.prepare(&texts(&["a"])).await;
    house.announce(newer).await;
    house.deliver().await;
    // The course service answered just before the flip.
    let progress = house.complete(10, "a").await.unwrap();
    assert_eq!(progress.version, newer);
    assert!(progress.completed_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_republish_and_a_last_lesson_at_the_same_moment_never_miss_each_other() {
    let house = House::build().await;
    house.publish(&texts(&["a", "b"])).await;
    house.deliver().await;
    for round in 0..40 {
        let user = 10 + round;
        // Odd versions have a lesson nobody does, even ones do not.
        house.publish(&texts(&["a", "b"])).await;
        house.deliver().await;
        house.enroll(user, 1).await;
        let version = house.prepare(&texts(&["a"])).await;
        house.announce(version).await;
        let (writer, hearer) = (house.clone(), house.clone());
        let (written, ()) = tokio::join!(
            async move {
                tokio::spawn(async move { writer.complete(user, "a").await })
                    .await
                    .unwrap()
            },
            async move { tokio::spawn(async move { hearer.deliver().await }).await.unwrap() }
        );
        written.unwrap();
        house.neighbours().published = Some(version);
        assert!(
            house.progress(user).await.unwrap().completed_at.is_some(),
            "round {round}"
        );
        assert_eq!(house.events("course.completed", user).await.len(), 1);
        assert_eq!(house.certificates(user).await.len(), 1);
    }
}
