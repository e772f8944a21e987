//! Courses and who may do what with them: owners, prerequisites, seats, the archive, deletion.

use serde_json::json;
use smartcourse_proto::course::*;
use smartcourse_proto::user::Role;
use smartcourse_tests::{events, refusal};

use crate::harness::{COLLEAGUE, Harness, STUDENT, TEACHER, ids, sagas, user};
use smartcourse_platform::grpc::Actor;

#[tokio::test]
async fn only_instructors_create_courses() {
    let harness = Harness::build().await;
    for (actor, code) in [
        (STUDENT, "forbidden"),
        (Actor::Anonymous, "unauthenticated"),
        (Actor::Service, "unauthenticated"),
    ] {
        let refused = refusal(harness.course.create_course(actor.request(sagas())).await);
        assert_eq!(refused.code(), code);
    }
    let empty = CreateCourseRequest {
        max_enrollments: Some(0),
        language: Some("no language".to_owned()),
        ..CreateCourseRequest::default()
    };
    let error = refusal(harness.create(empty).await);
    let fields: Vec<&str> = error.fields().iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["title", "description", "max_enrollments", "language"]);
}

#[tokio::test]
async fn a_draft_is_there_for_its_owner_only() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    // An instructor who is none any more does not own courses either.
    let demoted = user(7, Role::Student);
    for actor in [COLLEAGUE, STUDENT, demoted, Actor::Anonymous] {
        assert_eq!(refusal(harness.get(actor, id).await).code(), "not_found");
        let content = refusal(harness.content(actor, id, None).await);
        assert_eq!(content.code(), "not_found");
    }
    let request = PublishRequest {
        id,
        ..PublishRequest::default()
    };
    let publish = async |actor: Actor| refusal(harness.course.publish(actor.request(request.clone())).await);
    assert_eq!(publish(COLLEAGUE).await.code(), "not_found");
    assert_eq!(publish(demoted).await.code(), "not_found");
    assert_eq!(publish(Actor::Anonymous).await.code(), "unauthenticated");
    for actor in [TEACHER, user(1, Role::Admin)] {
        harness.get(actor, id).await.unwrap();
    }
    harness.live(id).await;
    assert_eq!(publish(COLLEAGUE).await.code(), "forbidden");
}

#[tokio::test]
async fn readers_see_what_is_live_and_no_keys_of_quizzes() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let quiz = Quiz {
        pass_percent: 50,
        questions: vec![Question {
            kind: QuestionKind::ShortText.into(),
            prompt: "What undoes a step?".to_owned(),
            correct: vec!["a compensation".to_owned()],
            ..Question::default()
        }],
        ..Quiz::default()
    };
    let lesson = Lesson {
        id: "quiz".to_owned(),
        title: "Quiz".to_owned(),
        r#type: LessonType::Quiz.into(),
        content: Some(LessonContent {
            quiz: Some(quiz),
            ..LessonContent::default()
        }),
        ..Lesson::default()
    };
    let request = PutContentRequest {
        course_id: id,
        modules: vec![crate::harness::module([lesson])],
        if_match: None,
    };
    harness
        .course
        .put_content(TEACHER.request(request))
        .await
        .unwrap();
    harness.live(id).await;
    harness.put(id, &["later"], None).await.unwrap();

    let keys = |content: &Content| {
        let lesson = &content.modules[0].lessons[0];
        let quiz = lesson.content.as_ref().unwrap().quiz.clone().unwrap();
        quiz.questions[0].correct.clone()
    };
    for version in [None, Some(1)] {
        let read = harness.content(STUDENT, id, version).await.unwrap();
        assert_eq!((ids(&read), read.version), (vec!["quiz"], 1));
        assert!(keys(&read).is_empty());
    }
    let own = harness.content(TEACHER, id, Some(1)).await.unwrap();
    assert_eq!(keys(&own), ["a compensation"]);
    assert_eq!(ids(&harness.content(TEACHER, id, None).await.unwrap()), ["later"]);
    let other = refusal(harness.content(STUDENT, id, Some(2)).await);
    assert_eq!(other.code(), "not_found");
}

#[tokio::test]
async fn prerequisites_exist_and_never_lead_back() {
    let harness = Harness::build().await;
    let (a, b, c) = (
        harness.draft().await,
        harness.draft().await,
        harness.draft().await,
    );
    let needs = async |id: i64, prerequisites: &[i64]| {
        let request = UpdateCourseRequest {
            id,
            prerequisites: prerequisites.to_vec(),
            set_prerequisites: true,
            ..UpdateCourseRequest::default()
        };
        harness.course.update_course(TEACHER.request(request)).await
    };
    needs(a, &[b]).await.unwrap();
    needs(b, &[c]).await.unwrap();
    for circle in [&[a][..], &[b], &[c]] {
        let refused = refusal(needs(c, circle).await);
        assert_eq!(refused.code(), "prerequisite_cycle");
    }
    let required = refusal(harness.delete(c).await);
    let courses = required.facts().iter().find(|(name, _)| name == "courses");
    assert_eq!(required.code(), "course_required");
    assert_eq!(courses.map(|(_, ids)| ids), Some(&json!([b])));
    let unknown = refusal(needs(c, &[a, 99]).await);
    assert_eq!(
        (unknown.code(), unknown.fields()[0].field.as_str()),
        ("validation_failed", "prerequisites[1]")
    );
    needs(a, &[]).await.unwrap();
    assert_eq!(needs(c, &[a]).await.unwrap().prerequisites, [a]);
    // Two edits at once cannot close a circle together.
    let (x, y) = (harness.draft().await, harness.draft().await);
    let (of_x, of_y) = ([y], [x]);
    let (one, other) = tokio::join!(needs(x, &of_x), needs(y, &of_y));
    assert_ne!(one.is_ok(), other.is_ok());
    needs(b, &[]).await.unwrap();
    harness.delete(c).await.unwrap();
}

#[tokio::test]
async fn the_limit_of_seats_is_told_once_somebody_may_sit() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let limit = async |max: i32| {
        let request = UpdateCourseRequest {
            id,
            max_enrollments: Some(max),
            ..UpdateCourseRequest::default()
        };
        let updated = harness.course.update_course(TEACHER.request(request)).await;
        assert_eq!(updated.unwrap().max_enrollments, Some(max));
    };
    limit(3).await;
    assert!(harness.limits().is_empty());
    // The publish under way has read the old one.
    let target = harness.begun(id).await;
    limit(4).await;
    harness.save(&target).await.unwrap();
    harness.flip(&target).await.unwrap();
    limit(5).await;
    assert_eq!(harness.limits(), [Some(4), Some(5)]);
}

#[tokio::test]
async fn an_archived_course_is_not_published_until_it_is_a_draft_again() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    harness.live(id).await;
    for _ in 0..2 {
        let archived = harness.set_status(id, CourseStatus::Archived).await.unwrap();
        assert_eq!(archived.status(), CourseStatus::Archived);
    }
    assert_eq!(refusal(harness.publish(id).await).code(), "course_archived");
    assert_eq!(
        refusal(harness.begin_raw(id, "raw").await).code(),
        "course_archived"
    );
    assert_eq!(refusal(harness.get(STUDENT, id).await).code(), "not_found");
    let by_hand = refusal(harness.set_status(id, CourseStatus::Published).await);
    assert_eq!(by_hand.code(), "validation_failed");

    let draft = harness.set_status(id, CourseStatus::Draft).await.unwrap();
    assert_eq!(
        (draft.status(), draft.published_version),
        (CourseStatus::Draft, None)
    );
    let archived = events(&harness.pool, "course.archived").await.unwrap();
    assert_eq!(archived, [json!({"course_id": id})]);
    assert_eq!(harness.live(id).await.version, 2);
    let shown = harness.get(STUDENT, id).await.unwrap();
    assert_eq!(shown.published_version, Some(2));
}

#[tokio::test]
async fn the_status_stays_while_a_publish_is_under_way() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let target = harness.begun(id).await;
    for status in [CourseStatus::Archived, CourseStatus::Draft] {
        let refused = refusal(harness.set_status(id, status).await);
        assert_eq!(refused.code(), "publish_running");
    }
    harness.fail(&target).await;
    harness.set_status(id, CourseStatus::Archived).await.unwrap();
}

#[tokio::test]
async fn only_what_was_never_published_is_deleted() {
    let harness = Harness::build().await;
    let (never, failed, live) = (
        harness.draft().await,
        harness.draft().await,
        harness.draft().await,
    );
    let target = harness.begun(failed).await;
    assert_eq!(refusal(harness.delete(failed).await).code(), "course_in_use");
    harness.abort(&target).await;
    harness.fail(&target).await;
    harness.live(live).await;
    assert_eq!(refusal(harness.delete(live).await).code(), "course_in_use");
    // A draft that once was live has students who may come back to it.
    harness.set_status(live, CourseStatus::Draft).await.unwrap();
    assert_eq!(refusal(harness.delete(live).await).code(), "course_in_use");

    let request = DeleteCourseRequest {
        id: never,
        if_match: None,
    };
    let strange = refusal(harness.course.delete_course(COLLEAGUE.request(request)).await);
    assert_eq!(strange.code(), "not_found");
    for id in [never, failed] {
        harness.delete(id).await.unwrap();
        assert_eq!(refusal(harness.get(TEACHER, id).await).code(), "not_found");
        assert_eq!(refusal(harness.delete(id).await).code(), "not_found");
    }
    let deleted = events(&harness.pool, "course.deleted").await.unwrap();
    assert_eq!(
        deleted,
        [json!({"course_id": never}), json!({"course_id": failed})]
    );
}
