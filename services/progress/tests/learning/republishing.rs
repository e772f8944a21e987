//! What a new version means for learners.

use crate::harness::{COURSE, Harness, texts};

#[tokio::test]
async fn a_lesson_more_lowers_the_percentage_and_keeps_the_certificate() {
    let harness = Harness::build().await;
    harness.publish(&texts(&["a", "b"])).await;
    harness.enroll(10, 1).await;
    harness.complete(10, "a").await.unwrap();
    let done = harness.complete(10, "b").await.unwrap();
    harness.publish(&texts(&["c", "b", "a"])).await;
    harness.deliver().await;
    let progress = harness.progress(10).await.unwrap();
    assert_eq!((progress.version, progress.percent), (2, 66.66));
    assert_eq!(progress.completed_at, done.completed_at);
    let order: Vec<&str> = progress
        .lessons
        .iter()
        .map(|lesson| lesson.lesson_id.as_str())
        .collect();
    assert_eq!(order, ["c", "b", "a"]);
    let certificates = harness.certificates(10).await;
    assert_eq!(certificates[0].version, 1);

    // Done again: no second completion, no second certificate.
    assert_eq!(harness.complete(10, "c").await.unwrap().percent, 100.0);
    assert_eq!(harness.certificates(10).await, certificates);
    assert_eq!(harness.events("course.completed", 10).await.len(), 1);
}

#[tokio::test]
async fn a_version_without_the_last_open_lesson_completes_the_course() {
    let harness = Harness::build().await;
    harness.publish(&texts(&["a", "b"])).await;
    // One had done the rest, one had not, one has left, one has left and heard of it before the set-up.
    for user in 10..13 {
        harness.enroll(user, 1).await;
    }
    harness.complete(10, "a").await.unwrap();
    harness.complete(11, "b").await.unwrap();
    harness.complete(12, "a").await.unwrap();
    harness.drop_out(12).await;
    let version = harness.publish(&texts(&["a"])).await;
    harness.deliver().await;
    let progress = harness.progress(10).await.unwrap();
    assert!(progress.completed_at.is_some());
    let completed = harness.events("course.completed", 10).await;
    assert_eq!(completed.len(), 1);
    assert_eq!(completed[0]["version"], version);
    let [certificate] = harness.certificates(10).await.try_into().unwrap();
    assert_eq!(
        (certificate.version, certificate.full_name.as_str()),
        (version, "Learner 10")
    );
    for user in [11, 12] {
        assert!(harness.events("course.completed", user).await.is_empty());
        assert!(harness.certificates(user).await.is_empty());
    }

    // Hearing of it again, or of an older flip, changes nothing.
    harness.announce(version).await;
    harness.announce(1).await;
    harness.deliver().await;
    assert_eq!(harness.events("course.completed", 10).await.len(), 1);

    // Who comes back finds the course completed.
    harness.enroll(12, 2).await;
    let completed = harness.events("course.completed", 12).await;
    assert_eq!(completed.len(), 1);
    assert_eq!(completed[0]["epoch"], 2);
    assert_eq!(harness.certificates(12).await.len(), 1);
}

#[tokio::test]
async fn the_lessons_of_older_versions_go_and_what_was_done_stays() {
    let harness = Harness::build().await;
    harness.publish(&texts(&["a", "b"])).await;
    harness.enroll(10, 1).await;
    harness.complete(10, "a").await.unwrap();
    for _ in 2..=60 {
        harness.publish(&texts(&["b"])).await;
        harness.deliver().await;
    }
    let next = harness.prepare(&texts(&["a", "b", "c"])).await;
    let versions = "select distinct version from progress.course_lessons order by version";
    let versions: Vec<i32> = sqlx::query_scalar(versions)
        .fetch_all(&harness.pool)
        .await
        .unwrap();
    assert_eq!(
        versions,
        [59, 60, 61],
        "the one before, the live one, the next one"
    );
    assert_eq!(next, 61);
    // The lesson comes back, and it is done.
    harness.publish(&texts(&["a", "b"])).await;
    harness.deliver().await;
    assert_eq!(harness.progress(10).await.unwrap().percent, 50.0);
}

#[tokio::test]
async fn a_drop_that_is_heard_of_before_the_set_up_still_counts() {
    let harness = Harness::build().await;
    harness.publish(&texts(&["a", "b"])).await;
    harness.enroll(10, 1).await;
    harness.complete(10, "a").await.unwrap();
    let late = harness.seat(10, 2);
    harness.drop_out(10).await;
    harness.publish(&texts(&["a"])).await;
    harness.deliver().await;
    // The first epoch was over when the version came, and so is the second one by now.
    harness.initialise(late).await;
    assert!(harness.events("course.completed", 10).await.is_empty());
    harness.enroll(10, 3).await;
    assert_eq!(harness.events("course.completed", 10).await.len(), 1);
}

#[tokio::test]
async fn a_course_that_was_withdrawn_shows_no_lessons_and_keeps_what_was_earned() {
    let harness = Harness::build().await;
    harness.publish(&texts(&["a"])).await;
    harness.enroll(10, 1).await;
    harness.complete(10, "a").await.unwrap();
    harness.neighbours().published = None;
    let progress = harness.progress(10).await.unwrap();
    assert_eq!((progress.total_lessons, progress.percent), (0, 0.0));
    assert!(progress.completed_at.is_some());
    assert_eq!(harness.complete(10, "a").await.unwrap_err().code(), "not_found");
    assert_eq!(harness.certificates(10).await.len(), 1);
}

#[tokio::test]
async fn who_was_told_an_older_version_counts_against_the_newer_one() {
    let harness = Harness::build().await;
    harness.publish(&texts(&["a", "b"])).await;
    harness.enroll(10, 1).await;
    let newer = harness.prepare(&texts(&["a"])).await;
    harness.announce(newer).await;
    harness.deliver().await;
    // The course service answered just before the flip.
    let progress = harness.complete(10, "a").await.unwrap();
    assert_eq!(progress.version, newer);
    assert!(progress.completed_at.is_some());
}

/// Learners whose set-up is done and who have done these lessons.
async fn crowd(harness: &Harness, size: i64, lessons: &[&str]) {
    let learners = "insert into progress.enrollments (enrollment_id, epoch, course_id, user_id, full_name)
                    select n + 1000, 1, $1, n, 'Learner ' || n from generate_series(10, 9 + $2) n";
    sqlx::query(learners)
        .bind(COURSE)
        .bind(size)
        .execute(&harness.pool)
        .await
        .expect("the database answers");
    let done = "insert into progress.progress (enrollment_id, lesson_id, epoch)
                select enrollment_id, unnest($1::text[]), 1 from progress.enrollments";
    sqlx::query(done)
        .bind(lessons)
        .execute(&harness.pool)
        .await
        .expect("the database answers");
}

/// Completions, certificates and their events.
async fn completions(harness: &Harness) -> [i64; 4] {
    let counts = "select array[
                      (select count(*) from progress.enrollments where completed_at is not null),
                      (select count(*) from progress.certificates),
                      (select count(*) from platform.events where type = 'course.completed'),
                      (select count(*) from platform.events where type = 'certificate.issued')]";
    let counts: Vec<i64> = sqlx::query_scalar(counts)
        .fetch_one(&harness.pool)
        .await
        .expect("the database answers");
    counts.try_into().expect("four of them")
}

/// 450 learners lack one lesson, and the version that was heard of does without it.
async fn republished_for_a_crowd() -> Harness {
    let harness = Harness::build().await;
    harness.publish(&texts(&["a", "b"])).await;
    harness.deliver().await;
    crowd(&harness, 450, &["a"]).await;
    harness.publish(&texts(&["a"])).await;
    harness.hear().await;
    harness
}

#[tokio::test]
async fn a_republish_completes_a_crowd_page_by_page_and_each_learner_once() {
    let harness = republished_for_a_crowd().await;
    assert_eq!(
        completions(&harness).await,
        [0; 4],
        "hearing of it looks at nobody"
    );
    harness.work_off().await;
    assert_eq!(completions(&harness).await, [450; 4]);

    // Every page once more, as after a crash between its commit and the end of its task.
    let again = sqlx::query("update platform.tasks set state = 'queued'");
    again.execute(&harness.pool).await.unwrap();
    harness.work_off().await;
    assert_eq!(completions(&harness).await, [450; 4]);
}

#[tokio::test]
async fn a_newer_version_makes_the_pages_of_an_older_one_pointless() {
    let harness = republished_for_a_crowd().await;
    // Nobody works the tasks off before there is a version in which nobody is done.
    harness.publish(&texts(&["a", "c"])).await;
    harness.deliver().await;
    assert_eq!(completions(&harness).await, [0; 4]);
    harness.publish(&texts(&["a"])).await;
    harness.deliver().await;
    assert_eq!(completions(&harness).await, [450; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_republish_and_a_last_lesson_at_the_same_moment_never_miss_each_other() {
    let harness = Harness::build().await;
    harness.publish(&texts(&["a", "b"])).await;
    harness.deliver().await;
    for round in 0..40 {
        let user = 10 + round;
        // Odd versions have a lesson nobody does, even ones do not.
        harness.publish(&texts(&["a", "b"])).await;
        harness.deliver().await;
        harness.enroll(user, 1).await;
        let version = harness.prepare(&texts(&["a"])).await;
        harness.announce(version).await;
        // In every other round the consumer has been there, and the task alone meets the lesson.
        if round % 2 == 0 {
            harness.hear().await;
        }
        let (writer, hearer) = (harness.clone(), harness.clone());
        let (written, ()) = tokio::join!(
            async move {
                tokio::spawn(async move { writer.complete(user, "a").await })
                    .await
                    .unwrap()
            },
            async move { tokio::spawn(async move { hearer.deliver().await }).await.unwrap() }
        );
        written.unwrap();
        harness.neighbours().published = Some(version);
        assert!(
            harness.progress(user).await.unwrap().completed_at.is_some(),
            "round {round}"
        );
        assert_eq!(harness.events("course.completed", user).await.len(), 1);
        assert_eq!(harness.certificates(user).await.len(), 1);
    }
}
