//! The sample course is complete: its manifest names files that exist, and the handout is up to date.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic like tests")]

#[path = "../examples/make_handout/render.rs"]
mod render;

use std::path::PathBuf;

use serde_json::Value;

fn course() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/durable-workflows")
}

fn json(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(course().join(name)).unwrap()).unwrap()
}

fn lessons() -> Vec<Value> {
    let manifest = json("course.json");
    let modules = manifest["modules"].as_array().unwrap();
    modules
        .iter()
        .flat_map(|module| module["lessons"].as_array().unwrap().clone())
        .collect()
}

#[test]
fn the_manifest_names_files_that_exist() {
    assert!(lessons().len() >= 13);
    for lesson in lessons() {
        let key = match lesson["type"].as_str().unwrap() {
            "text" => "markdown_file",
            "pdf" => "file",
            "video" => "transcript",
            "quiz" => "quiz_file",
            other => panic!("unknown type {other}"),
        };
        let file = course().join(lesson[key].as_str().unwrap());
        assert!(file.is_file(), "{} is missing", file.display());
    }
}

#[test]
fn the_handout_is_up_to_date() {
    let markdown = std::fs::read_to_string(course().join("handout.md")).unwrap();
    let committed = std::fs::read(course().join("handout.pdf")).unwrap();
    assert!(
        committed == render::pdf(&markdown).unwrap(),
        "handout.pdf is not what handout.md makes; run cargo run -p smartcourse-launcher --example make_handout"
    );
    let document = lopdf::Document::load_mem(&committed).unwrap();
    assert!(document.get_pages().len() >= 3);
    let text = document.extract_text(&[1]).unwrap();
    assert!(text.contains("Field guide to retries and time-outs"), "{text}");
}

#[test]
fn the_quiz_can_be_answered() {
    let quiz = json("quiz.json");
    let questions = quiz["questions"].as_array().unwrap();
    assert!(questions.len() >= 4);
    for question in questions {
        let correct = question["correct"].as_array().unwrap();
        assert!(!correct.is_empty());
        if question["kind"] != "short_text" {
            let options = question["options"].as_array().unwrap();
            assert!(
                correct
                    .iter()
                    .all(|id| options.iter().any(|option| option["id"] == *id)),
                "{question}"
            );
        }
    }
}

#[test]
fn the_questions_name_lessons_of_the_course() {
    let titles: Vec<Value> = lessons().iter().map(|lesson| lesson["title"].clone()).collect();
    for question in json("questions.json").as_array().unwrap() {
        assert!(
            question["answerable"] == false || titles.contains(&question["lesson"]),
            "{question}"
        );
    }
}
