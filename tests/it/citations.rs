//! What is cited stands where the citation says: on the page that another reader of the PDF shows, in the cue of its second, in the
//! text of the lesson; and it does so after a restart, a further version and a restored one.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use smartcourse_tests::{Layout, Session, World};

use crate::{LESSONS, executable};

/// What the sample course's handout, its transcript and the other lesson answer.
const QUESTIONS: [&str; 6] = [
    "When does a circuit breaker open?",
    "What is a retry budget?",
    "What is full jitter?",
    "What is replay?",
    "Why must workflow code be deterministic?",
    "What is a saga?",
];
/// The first bytes of an MP4 file: enough to be taken for one.
const MP4: &[u8] = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom";

/// The sources, as somebody else reads them.
struct Sources {
    pages: Vec<String>,
    cues: Vec<(f64, String)>,
}

impl Sources {
    fn read() -> Result<(Self, Vec<u8>, String)> {
        let course = crate::root().join("examples/durable-workflows");
        let pdf = std::fs::read(course.join("handout.pdf"))?;
        let transcript = std::fs::read_to_string(course.join("replay.vtt"))?;
        let document = lopdf::Document::load_mem(&pdf)?;
        let pages = document.get_pages().into_keys();
        let pages = pages.map(|page| Ok(letters(&document.extract_text(&[page])?)));
        let sources = Self {
            pages: pages.collect::<Result<_>>()?,
            cues: cues(&transcript)?,
        };
        Ok((sources, pdf, transcript))
    }

    /// Whether a citation stands where it says; answers the kind of its source.
    fn hold(&self, citation: &Value) -> Result<&'static str> {
        let quote = citation["quote"].as_str().context("a quote")?;
        let (stands, kind) = match citation["lesson_id"].as_str() {
            Some("handout") => {
                let page = citation["page"].as_u64().context("a page")?;
                let page = self.pages.get(usize::try_from(page)? - 1).context("the page")?;
                (page.contains(&letters(quote)), "page")
            }
            Some("film") => {
                let second = citation["start_seconds"].as_f64().context("a second")?;
                let cue = self.cues.iter().position(|(start, _)| *start == second);
                let from = &self.cues[cue.context("a cue of that second")?..];
                let (first, rest) = (&from[0].1, &from[1..]);
                let said: String = rest.iter().fold(first.clone(), |said, (_, cue)| said + cue);
                let at = said.find(&letters(quote));
                (at.is_some_and(|at| at < first.len()), "second")
            }
            _ => (LESSONS.iter().any(|(_, text)| text.contains(quote)), "text"),
        };
        ensure!(stands, "{citation}");
        Ok(kind)
    }
}

/// The letters and digits of a text: readers differ in what they make of line ends and hyphens.
fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// The cues of a transcript: when each begins, and its letters.
fn cues(transcript: &str) -> Result<Vec<(f64, String)>> {
    let blocks = transcript
        .split("\n\n")
        .filter_map(|block| block.split_once(" --> "));
    let cue = |(before, after): (&str, &str)| {
        let start = before.lines().last().context("a time")?;
        let parts = start.split(':').map(str::parse::<f64>);
        let seconds = parts.collect::<Result<Vec<_>, _>>()?;
        let seconds = seconds.into_iter().fold(0.0, |sum, part| 60.0 * sum + part);
        let (_, text) = after.split_once('\n').unwrap_or_default();
        Ok((seconds, letters(text)))
    };
    blocks.map(cue).collect()
}

/// Asks everything in one conversation; all that is cited stands in this version, and every kind of source is cited.
async fn ask(session: &Session, course: i64, version: i64, sources: &Sources) -> Result<String> {
    let (mut conversation, mut kinds) = (Value::Null, Vec::new());
    for question in QUESTIONS {
        let mut body = json!({ "question": question });
        if !conversation.is_null() {
            body["conversation_id"] = conversation;
        }
        let answer = session
            .post(&format!("/courses/{course}/ask"), &body)
            .await?
            .expect(200)?;
        let citations = answer["citations"].as_array().context("citations")?;
        ensure!(!citations.is_empty(), "{question}: {answer}");
        for citation in citations {
            ensure!(citation["version"] == version, "{citation}");
            kinds.push(sources.hold(citation)?);
        }
        conversation = answer["conversation_id"].clone();
    }
    for kind in ["page", "second", "text"] {
        ensure!(kinds.contains(&kind), "no {kind} was cited: {kinds:?}");
    }
    Ok(conversation.as_str().context("a conversation")?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_citation_stands_where_it_says() -> Result<()> {
    let (sources, pdf, transcript) = Sources::read()?;
    let mut world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&[]).await?;
    let mut assets = Vec::new();
    for (name, bytes) in [
        ("handout.pdf", &pdf[..]),
        ("clip.mp4", MP4),
        ("clip.vtt", transcript.as_bytes()),
    ] {
        assets.push(instructor.upload(course, name, bytes).await?.expect(201)?["id"].clone());
    }
    let lessons = |last: &str| {
        [
            json!({"id": "handout", "title": "Field guide", "type": "pdf", "content": {"asset_id": assets[0]}}),
            json!({"id": "film", "title": "Replay", "type": "video", "content": {"asset_id": assets[1], "transcript_asset_id": assets[2]}}),
            json!({"id": "text", "title": LESSONS[0].0, "type": "text", "content": {"markdown": last}}),
        ]
    };
    instructor
        .put_lessons(course, &lessons(LESSONS[0].1))
        .await?
        .expect(200)?;
    let status = instructor.publish(course).await?;
    ensure!(
        status["state"] == "completed" && status["warnings"] == json!([]),
        "{status}"
    );
    let conversation = ask(&instructor, course, 1, &sources).await?;

    // What is kept of it says the same, also to a process that was not there.
    world.kill("serve");
    world.restart("serve", &[]).await?;
    world.ready().await?;
    let kept = instructor
        .get(&format!("/conversations/{conversation}"))
        .await?
        .expect(200)?;
    let turns = kept["turns"].as_array().context("turns")?;
    ensure!(turns.len() == QUESTIONS.len(), "{kept}");
    for citation in turns
        .iter()
        .filter_map(|turn| turn["answer"]["citations"].as_array())
        .flatten()
    {
        sources.hold(citation)?;
    }

    // A version of which most is taken over, and one that is the first once more.
    let more = format!("{}{}", LESSONS[0].1, LESSONS[1].1);
    instructor
        .put_lessons(course, &lessons(&more))
        .await?
        .expect(200)?;
    ensure!(instructor.publish(course).await?["state"] == "completed");
    ask(&instructor, course, 2, &sources).await?;
    instructor
        .post(&format!("/courses/{course}/versions/1/restore"), &Value::Null)
        .await?
        .expect(202)?;
    ensure!(instructor.publish_end(course).await?["state"] == "completed");
    ask(&instructor, course, 3, &sources).await?;
    Ok(())
}
