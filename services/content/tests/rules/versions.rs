//! What a version is made of: what it takes over from earlier ones, and what its undoing leaves.

use smartcourse_platform::grpc::Actor;
use smartcourse_proto::{
    content::{RetrieveRequest, SearchRequest, SearchScope},
    course::{LessonContent, LessonType},
};
use smartcourse_tests::refusal;

use crate::harness::{COURSE, Harness, TEACHER, document, header, lesson, of, text, video};

fn quiz() -> smartcourse_proto::course::Lesson {
    lesson("quiz", LessonType::Quiz, LessonContent::default())
}

#[tokio::test]
async fn a_version_is_read_embedded_and_found() {
    let harness = Harness::build().await;
    harness.save(1, &[text("a", "A saga undoes its steps."), quiz()]);
    assert_eq!(harness.plan(1).await.unwrap(), ["a"]);
    let early = refusal(harness.ready(1).await);
    assert_eq!(early.code(), "internal", "a lesson is still to be read");
    // A parser that cannot be run is worth another try.
    let parser = refusal(harness.extract(1, "a").await);
    assert_eq!(parser.code(), "unavailable");
    harness.extracted(1, "a", "A saga undoes its steps.").await;
    assert!(
        harness.plan(1).await.unwrap().is_empty(),
        "a retry finds what is there"
    );
    assert_eq!(harness.extract(1, "a").await.unwrap().chunks, 1);
    assert_eq!(harness.plan_embedding(1).await.unwrap(), ["a"]);
    assert_eq!(
        refusal(harness.ready(1).await).code(),
        "internal",
        "a vector is missing"
    );
    for _ in 0..2 {
        let last = harness.embed(1, "a").await.unwrap().pop().unwrap();
        assert_eq!((last.done, last.total), (2, 2), "the chunk and its sentence");
    }
    let ready = harness.ready(1).await.unwrap();
    assert_eq!((ready.ai_ready, ready.chunks, ready.vectors), (true, 1, 1));
    for _ in 0..2 {
        assert_eq!(harness.index(1).await.unwrap(), 2, "the course and its text");
    }
    let question = RetrieveRequest {
        course_id: COURSE,
        version: 1,
        question: "What does a saga undo?".to_owned(),
        limit: 3,
        ..RetrieveRequest::default()
    };
    // A fragment comes with the question before it, and both may be as long as a question is.
    let long = RetrieveRequest {
        question: "saga ".repeat(800),
        ..question.clone()
    };
    let found = harness.content.retrieve(Actor::Service.request(long)).await;
    assert_eq!(found.unwrap().items.len(), 1);
    let found = harness
        .content
        .retrieve(Actor::Service.request(question))
        .await
        .unwrap();
    assert_eq!(found.items.len(), 1);
    assert_eq!(
        (found.items[0].lesson_id.as_str(), found.items[0].version),
        ("a", 1)
    );
    let search = async |lesson_text: bool| {
        let request = SearchRequest {
            q: "undoes".to_owned(),
            scopes: vec![SearchScope {
                course_id: COURSE,
                version: 1,
                lesson_text,
            }],
            ..SearchRequest::default()
        };
        let page = harness.content.search(Actor::Service.request(request)).await;
        page.unwrap().items.len()
    };
    assert_eq!((search(true).await, search(false).await), (1, 0));
}

#[tokio::test]
async fn what_did_not_change_is_taken_over() {
    let harness = Harness::build().await;
    let (a, b) = (text("a", "one"), text("b", "two"));
    harness.save(1, &[a.clone(), b, video("v")]);
    let mut plan = harness.plan(1).await.unwrap();
    plan.sort_unstable();
    assert_eq!(plan, ["a", "b", "v"]);
    let left_out = harness.extract(1, "v").await.unwrap();
    assert_eq!(left_out.warning.unwrap().code, "needs_transcript");
    harness.process(1).await;

    harness.save(2, &[text("b", "two, edited"), a, text("c", "three"), video("v")]);
    assert_eq!(harness.plan(2).await.unwrap(), ["b", "c"]);
    assert_eq!(harness.extract(2, "a").await.unwrap().chunks, 1);
    for lesson in ["b", "c"] {
        harness.extracted(2, lesson, lesson).await;
    }
    assert_eq!(harness.plan_embedding(2).await.unwrap(), ["b", "c"]);
    harness.process(2).await;
    let ready = harness.ready(2).await.unwrap();
    assert_eq!((ready.ai_ready, ready.chunks, ready.vectors), (false, 3, 3));
    assert_eq!(ready.warnings[0].lesson_id, "v");
    // A title is part of what is embedded, and not of what is read.
    let mut renamed = text("a", "one");
    renamed.title = "Another".to_owned();
    harness.save(3, &[renamed]);
    assert!(harness.plan(3).await.unwrap().is_empty());
    assert_eq!(harness.plan_embedding(3).await.unwrap(), ["a"]);
}

#[tokio::test]
async fn a_version_without_any_text_is_not_published() {
    let harness = Harness::build().await;
    harness.save(1, &[video("v"), quiz()]);
    harness.plan(1).await.unwrap();
    harness.extract(1, "v").await.unwrap();
    let error = refusal(harness.ready(1).await);
    assert_eq!(error.code(), "no_usable_lesson");
    assert!(error.detail().contains("Lesson v"), "{}", error.detail());
}

#[tokio::test]
async fn a_discard_removes_its_version_and_refuses_what_comes_late() {
    let harness = Harness::build().await;
    let asset = harness
        .upload(TEACHER, header("a.txt"), b"A saga.")
        .await
        .unwrap();
    let lessons = [text("a", "one"), document("d", &asset.id)];
    for version in [1, 2] {
        harness.save(version, &lessons);
        harness.process(version).await;
        assert_eq!(harness.parts(version).await, [1, 2, 2, 3]);
    }
    for _ in 0..2 {
        harness.discard(1).await;
        assert_eq!(harness.parts(1).await, [0; 4]);
    }
    let late = [
        harness.copy_files(1).await.map(drop),
        harness.plan(1).await.map(drop),
        harness.extract(1, "a").await.map(drop),
        harness.plan_embedding(1).await.map(drop),
        harness.embed(1, "a").await.map(drop),
        harness.ready(1).await.map(drop),
        harness.index(1).await.map(drop),
    ];
    for answer in late {
        assert_eq!(refusal(answer).code(), "version_discarded");
    }
    assert_eq!(harness.parts(1).await, [0; 4]);
    assert_eq!(harness.parts(2).await, [1, 2, 2, 3], "another version stays");
    // A discard may well come before anything it undoes.
    harness.save(3, &lessons);
    harness.discard(3).await;
    assert_eq!(refusal(harness.plan(3).await).code(), "version_discarded");
    // Nothing is taken over from what was discarded.
    harness.discard(2).await;
    harness.save(4, &lessons);
    assert_eq!(harness.plan(4).await.unwrap(), ["a", "d"]);
}

#[tokio::test]
async fn every_file_a_version_names_is_there_and_copied_once() {
    let harness = Harness::build().await;
    let asset = harness
        .upload(TEACHER, header("a.txt"), b"A saga.")
        .await
        .unwrap();
    harness.save(1, &[document("d", &asset.id), document("e", &asset.id)]);
    harness.save(2, &[document("d", "a-lost")]);
    for _ in 0..2 {
        let check = Actor::Service.request(of(1));
        harness.content.check_assets(check).await.unwrap();
        assert_eq!(harness.copy_files(1).await.unwrap(), 1);
    }
    let copy = format!("courses/{COURSE}/v1/{}", asset.id);
    assert_eq!(harness.deps.files.size(&copy).await.unwrap(), Some(7));
    let lost = refusal(harness.content.check_assets(Actor::Service.request(of(2))).await);
    assert_eq!(lost.code(), "asset_missing");
    assert!(lost.detail().contains("Lesson d"), "{}", lost.detail());
    assert_eq!(refusal(harness.copy_files(2).await).code(), "asset_missing");
    let refused = refusal(harness.content.check_assets(TEACHER.request(of(1))).await);
    assert_eq!(refused.code(), "forbidden");
}

#[tokio::test]
async fn many_lessons_are_planned_page_by_page() {
    let harness = Harness::build().await;
    let lessons: Vec<_> = (0..450).map(|n| text(&format!("l{n}"), "Words.")).collect();
    harness.save(1, &lessons);
    let (mut from, mut pages, mut planned) = (Some(0), Vec::new(), Vec::new());
    while let Some(first) = from {
        let plan = harness.plan_page(1, first).await.unwrap();
        assert_eq!(plan.total_lessons, 450);
        pages.push(plan.tasks.len());
        planned.extend(plan.tasks.into_iter().map(|task| task.lesson_id));
        from = plan.next_from;
    }
    assert_eq!(pages, [200, 200, 50]);
    let ids: Vec<_> = lessons.into_iter().map(|lesson| lesson.id).collect();
    assert_eq!(planned, ids);
    let early = refusal(harness.ready(1).await);
    assert_eq!(early.code(), "internal", "nothing is lost between two pages");
}
