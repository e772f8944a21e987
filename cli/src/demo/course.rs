//! Reads the sample course and creates it through the API.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use smartcourse_proto::course::Quiz;

use super::client::{Client, Memory};

#[derive(Deserialize)]
struct Manifest {
    title: String,
    description: String,
    category: String,
    level: String,
    modules: Vec<Module>,
}

#[derive(Deserialize)]
struct Module {
    title: String,
    lessons: Vec<Lesson>,
}

#[derive(Deserialize)]
struct Lesson {
    title: String,
    #[serde(rename = "type")]
    kind: String,
    markdown_file: Option<String>,
    file: Option<String>,
    transcript: Option<String>,
    quiz_file: Option<String>,
}

/// A question with what a good answer has.
#[derive(Debug, Deserialize)]
pub(super) struct Question {
    pub(super) question: String,
    pub(super) answerable: bool,
    pub(super) lesson: Option<String>,
    pub(super) contains: Option<String>,
}

fn read(directory: &Path, name: &str) -> Result<String> {
    let path = directory.join(name);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The quiz of the sample course, with its key.
pub(super) fn quiz(directory: &Path) -> Result<Quiz> {
    serde_json::from_str(&read(directory, "quiz.json")?).context("quiz.json")
}

/// The questions the demo asks.
pub(super) fn questions(directory: &Path) -> Result<Vec<Question>> {
    serde_json::from_str(&read(directory, "questions.json")?).context("questions.json")
}

/// Creates the course with its files, or finds the one an earlier demo made.
pub(super) async fn prepare(client: &Client, directory: &Path, root: &Path) -> Result<i64> {
    let mut memory = Memory::load(root).unwrap_or_default();
    if let Some(id) = memory.course_id
        && client.course(id).await.is_ok()
    {
        crate::print(&format!("Course {id} of an earlier demo is still here\n"))?;
        return Ok(id);
    }
    let manifest: Manifest = serde_json::from_str(&read(directory, "course.json")?).context("course.json")?;
    let course = client
        .create(&json!({
            "title": manifest.title,
            "description": manifest.description,
            "category": manifest.category,
            "level": manifest.level,
        }))
        .await?;
    crate::print(&format!("Created course {}: {}\n", course.id, course.title))?;
    let mut modules = Vec::new();
    for module in &manifest.modules {
        let mut lessons = Vec::new();
        for lesson in &module.lessons {
            let content = content(client, course.id, directory, lesson).await?;
            lessons.push(json!({"title": lesson.title, "type": lesson.kind, "content": content}));
        }
        modules.push(json!({"title": module.title, "lessons": lessons}));
    }
    client.put_content(course.id, &Value::Array(modules)).await?;
    memory.course_id = Some(course.id);
    memory.save(root)?;
    Ok(course.id)
}

async fn content(client: &Client, course_id: i64, directory: &Path, lesson: &Lesson) -> Result<Value> {
    let mut content = json!({});
    if let Some(file) = &lesson.markdown_file {
        content["markdown"] = json!(read(directory, file)?);
    }
    if let Some(file) = &lesson.quiz_file {
        content["quiz"] = serde_json::from_str(&read(directory, file)?).with_context(|| file.clone())?;
    }
    for (field, file) in [
        ("asset_id", &lesson.file),
        ("transcript_asset_id", &lesson.transcript),
    ] {
        if let Some(file) = file {
            let asset = client.upload(course_id, &directory.join(file)).await?;
            crate::print(&format!(
                "Uploaded {file}: {} bytes, SHA-256 {}…\n",
                asset.size_bytes,
                &asset.sha256[..12]
            ))?;
            content[field] = json!(asset.id);
        }
    }
    Ok(content)
}
