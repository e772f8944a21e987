//! Editing a draft: an edit of something older is refused, and an edit that comes twice counts once.

use smartcourse_proto::course::*;
use smartcourse_tests::refusal;

use crate::harness::{Harness, TEACHER, ids, module, sagas, text};

#[tokio::test]
async fn an_edit_of_an_older_draft_is_refused() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let old = harness.content(TEACHER, id, None).await.unwrap().etag;
    let new = harness.put(id, &["s2"], Some(old.clone())).await.unwrap().etag;
    assert_ne!(old, new);

    let stale = refusal(harness.put(id, &["s3"], Some(old.clone())).await);
    assert_eq!(stale.code(), "stale");
    let rename = |if_match: &str| {
        TEACHER.request(UpdateCourseRequest {
            id,
            title: Some("Outboxes".to_owned()),
            if_match: Some(if_match.to_owned()),
            ..UpdateCourseRequest::default()
        })
    };
    let stale = refusal(harness.course.update_course(rename(&old)).await);
    assert_eq!(stale.code(), "stale");
    let delete = DeleteCourseRequest {
        id,
        if_match: Some(old.clone()),
    };
    let stale = refusal(harness.course.delete_course(TEACHER.request(delete)).await);
    assert_eq!(stale.code(), "stale");
    let draft = harness.content(TEACHER, id, None).await.unwrap();
    assert_eq!((ids(&draft), &draft.etag), (vec!["s2"], &new));

    let either = format!("{old}, {new}");
    let renamed = harness.course.update_course(rename(&either)).await.unwrap();
    assert_eq!(renamed.title, "Outboxes");
    assert_ne!(renamed.etag, new, "course and draft have one entity tag");
    harness.put(id, &["s4"], Some("*".to_owned())).await.unwrap();
}

#[tokio::test]
async fn edits_of_different_parts_at_once_are_all_kept() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let add = async |title: &str| {
        let request = AddModuleRequest {
            course_id: id,
            title: title.to_owned(),
            ..AddModuleRequest::default()
        };
        harness.course.add_module(TEACHER.request(request)).await.unwrap()
    };
    tokio::join!(add("Two"), add("Three"), add("Four"));
    let draft = harness.content(TEACHER, id, None).await.unwrap();
    let mut titles: Vec<&str> = draft.modules.iter().map(|module| module.title.as_str()).collect();
    titles.sort_unstable();
    assert_eq!(titles, ["Four", "One", "Three", "Two"]);
    let orders: Vec<i32> = draft.modules.iter().map(|module| module.order).collect();
    assert_eq!(orders, [1, 2, 3, 4]);
    harness.a_day_later().await;
    harness.sweep().await;
    // None of an edit that was replaced or lost the race.
    assert_eq!(harness.documents().await, 1);
}

#[tokio::test]
async fn sixty_edits_leave_one_draft_and_what_is_being_published() {
    let harness = Harness::build().await;
    let id = harness.create(sagas()).await.unwrap().id;
    let empty = harness.content(TEACHER, id, None).await.unwrap();
    assert_eq!((empty.course_id, ids(&empty)), (id, vec![]));
    assert_eq!(harness.documents().await, 0);
    harness.put(id, &["pinned"], None).await.unwrap();
    let target = harness.begun(id).await;
    for _ in 0..60 {
        harness.put(id, &["s1"], None).await.unwrap();
    }
    assert_eq!(harness.sweep().await, 0, "each may still be read");
    harness.a_day_later().await;
    assert_eq!(harness.sweep().await, 59);
    assert_eq!(harness.documents().await, 2);
    harness.save(&target).await.unwrap();
    harness.flip(&target).await.unwrap();
    let version = harness.content(TEACHER, id, Some(1)).await.unwrap();
    assert_eq!(ids(&version), ["pinned"]);
    assert_eq!(harness.sweep().await, 1);
    assert_eq!(harness.documents().await, 2, "the version and the draft");
    assert_eq!(ids(&harness.content(TEACHER, id, None).await.unwrap()), ["s1"]);
    harness.a_day_later().await;
    assert_eq!(harness.sweep().await, 0, "nothing is left to remove");
}

#[tokio::test]
async fn a_request_that_comes_twice_under_a_key_makes_one_thing() {
    let harness = Harness::build().await;
    let keyed = |title: &str| CreateCourseRequest {
        title: title.to_owned(),
        idempotency_key: Some("k".to_owned()),
        ..sagas()
    };
    let one = harness.create(keyed("Sagas")).await.unwrap();
    assert_eq!(harness.create(keyed("Sagas")).await.unwrap().id, one.id);
    let other = refusal(harness.create(keyed("Outboxes")).await);
    assert_eq!(other.code(), "idempotency_mismatch");

    let add = || {
        TEACHER.request(AddModuleRequest {
            course_id: one.id,
            title: "One".to_owned(),
            idempotency_key: Some("m".to_owned()),
            ..AddModuleRequest::default()
        })
    };
    let (first, second) = tokio::join!(harness.course.add_module(add()), harness.course.add_module(add()));
    let module_id = first.unwrap().id;
    assert_eq!(second.unwrap().id, module_id);
    let lesson = || {
        TEACHER.request(AddLessonRequest {
            course_id: one.id,
            module_id: module_id.clone(),
            title: "Steps".to_owned(),
            r#type: LessonType::Text.into(),
            idempotency_key: Some("l".to_owned()),
            ..AddLessonRequest::default()
        })
    };
    let lesson_id = harness.course.add_lesson(lesson()).await.unwrap().id;
    assert_eq!(harness.course.add_lesson(lesson()).await.unwrap().id, lesson_id);
    let draft = harness.content(TEACHER, one.id, None).await.unwrap();
    assert_eq!((draft.modules.len(), ids(&draft)), (1, vec![lesson_id.as_str()]));
}

#[tokio::test]
async fn a_draft_is_told_of_every_problem_at_once_and_stays_as_it_was() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    let untyped = Lesson {
        r#type: LessonType::Unspecified.into(),
        ..text("s1", "")
    };
    let request = PutContentRequest {
        course_id: id,
        modules: vec![module([text("s1", ""), untyped, text("no spaces", "")])],
        if_match: None,
    };
    let error = refusal(harness.course.put_content(TEACHER.request(request)).await);
    assert_eq!(error.code(), "validation_failed");
    let mut fields: Vec<&str> = error.fields().iter().map(|field| field.field.as_str()).collect();
    fields.sort_unstable();
    let at = |lesson: usize, field: &str| format!("modules[0].lessons[{lesson}].{field}");
    assert_eq!(fields, [at(1, "id"), at(1, "type"), at(2, "id")]);
    let draft = harness.content(TEACHER, id, None).await.unwrap();
    assert_eq!(ids(&draft), ["s1"]);
}

#[tokio::test]
async fn parts_are_moved_changed_and_removed() {
    let harness = Harness::build().await;
    let id = harness.draft().await;
    harness.put(id, &["a", "b", "c"], None).await.unwrap();
    let update = UpdateLessonRequest {
        course_id: id,
        lesson_id: "c".to_owned(),
        title: Some("First".to_owned()),
        order: Some(1),
        ..UpdateLessonRequest::default()
    };
    let moved = harness
        .course
        .update_lesson(TEACHER.request(update))
        .await
        .unwrap();
    assert_eq!((moved.title.as_str(), moved.order), ("First", 1));
    let remove = || {
        TEACHER.request(DeletePartRequest {
            course_id: id,
            part_id: "a".to_owned(),
            if_match: None,
        })
    };
    harness.course.delete_lesson(remove()).await.unwrap();
    let gone = refusal(harness.course.delete_lesson(remove()).await);
    assert_eq!(gone.code(), "not_found");
    let draft = harness.content(TEACHER, id, None).await.unwrap();
    assert_eq!(ids(&draft), ["c", "b"]);
}
