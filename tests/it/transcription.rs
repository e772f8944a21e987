//! Recordings that a service transcribes: piece by piece, each asked for once, and what an instructor sees of it.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use smartcourse_tests::{Call, Layout, Provider, Said, Session, World, wait_for};
use smartcourse_text::Tools;

use crate::{LESSONS, executable};

/// What is said in each piece of a recording: at most five minutes, cut where it is quiet.
const SAID: [&str; 5] = [
    "Welcome to the course on bridges.",
    "An arch bridge pushes outwards against its abutments.",
    "A suspension bridge hangs from cables of steel.",
    "A cantilever is held at one end alone.",
    "A truss is made of triangles.",
];
/// Where [`recording`] is quiet.
const QUIET: [f64; 4] = [290.0, 580.0, 870.0, 1160.0];
/// What a piece has before its sound.
const WAV: usize = 44;

/// A recording of 21 minutes, if there is a program to make and to read it.
fn recording() -> Result<Option<Vec<u8>>> {
    if !Tools::find().names().contains(&"ffmpeg") {
        eprintln!("ffmpeg is not installed: not tried");
        return Ok(None);
    }
    let quiet = QUIET
        .map(|from| format!("between(t,{from},{})", from + 1.0))
        .join("+");
    made(&[
        "-f",
        "lavfi",
        "-i",
        "sine=d=1260:r=8000",
        "-af",
        &format!("volume=0:enable='{quiet}'"),
        "-c:a",
        "pcm_u8",
        "-f",
        "wav",
    ])
    .map(Some)
}

/// What `ffmpeg` makes of these arguments.
fn made(args: &[&str]) -> Result<Vec<u8>> {
    let file = tempfile::NamedTempFile::new()?;
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y"]).args(args);
    ensure!(command.arg(file.path()).status()?.success(), "{args:?}");
    Ok(std::fs::read(file.path())?)
}

fn well(words: &str) -> Said {
    let segments = json!([{"id": 0, "start": 2.0, "end": 6.5, "text": format!(" {words}")}]);
    (
        200,
        None,
        json!({ "text": words, "segments": segments }).to_string(),
    )
}

fn fails(status: u16, after: Option<u32>) -> Said {
    (
        status,
        after,
        json!({"error": {"type": "some_error"}}).to_string(),
    )
}

/// Seconds of the piece that was sent.
fn length(call: &Call) -> f64 {
    let sound = call.body.windows(4).position(|bytes| bytes == b"RIFF");
    let size = sound.map_or(0, |at| {
        let size: [u8; 4] = call.body[at + WAV - 4..at + WAV].try_into().unwrap_or_default();
        u32::from_le_bytes(size)
    });
    f64::from(size) / 32_000.0
}

async fn film(instructor: &Session, course: i64, film: &Value) -> Result<()> {
    let text = json!({"id": "l1", "title": "Sagas", "type": "text", "content": {"markdown": LESSONS[0].1}});
    let film = json!({"id": "l2", "title": "Bridges", "type": "audio", "content": film});
    instructor.put_lessons(course, &[text, film]).await?.expect(200)?;
    Ok(())
}

/// The code and the message of the one warning.
fn warning(status: &Value) -> Result<(&str, &str)> {
    ensure!(status["state"] == "completed", "{status}");
    let [warning] = status["warnings"].as_array().context("warnings")?.as_slice() else {
        anyhow::bail!("one warning: {status}");
    };
    let text = |name: &str| warning[name].as_str().unwrap_or_default();
    Ok((text("code"), text("message")))
}

async fn with(executable: &Path, provider: &Provider, layout: Layout) -> Result<World> {
    let settings = [
        ("TRANSCRIPTION__URL", format!("{}/v1", provider.url)),
        ("TRANSCRIPTION__MAX_MINUTES", "30".to_owned()),
    ];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    World::start_with(executable, layout, &settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_transcribed_piece_by_piece_and_corrected() -> Result<()> {
    let Some(recording) = recording()? else {
        return Ok(());
    };
    let provider = Provider::start().await?;
    let mut world = with(executable(), &provider, Layout::Apart).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&[]).await?;
    let asset = instructor
        .upload(course, "bridges.wav", recording)
        .await?
        .expect(201)?;
    film(&instructor, course, &json!({"asset_id": asset["id"]})).await?;

    // The process dies when it has kept the first piece; the others fail in each way that passes before they are there.
    provider.says([well(SAID[0])]);
    let dying = [("SMARTCOURSE_KILL_AT", "content.extract_lesson.after_piece")];
    world.restart("content", &dying).await?;
    world.ready().await?;
    let publish = format!("/courses/{course}/publish");
    instructor.post(&publish, &Value::Null).await?.expect(202)?;
    wait_for("the point", async || {
        let running = world.is_running("content");
        Ok(if running {
            Err("on its way".to_owned())
        } else {
            Ok(())
        })
    })
    .await?;
    ensure!(provider.calls().len() == 1);
    let malformed = (200, None, "{\"text\": \"no times\"}".to_owned());
    let passing = [fails(429, Some(1)), fails(500, None), malformed];
    provider.says(
        passing
            .into_iter()
            .chain(SAID[1..].iter().map(|words| well(words))),
    );
    world.restart("content", &[]).await?;
    let status = instructor.publish_end(course).await?;
    let (code, message) = warning(&status)?;
    ensure!(
        code == "machine_transcript" && message.starts_with("whisper-1 has written down"),
        "{status}"
    );
    ensure!(instructor.get(&format!("/courses/{course}")).await?.expect(200)?["ai_ready"] == true);

    // Each piece was asked for until it was there, and never again.
    let lengths: Vec<f64> = provider.calls().iter().map(length).collect();
    let (first, second, last) = (lengths[0], lengths[1], lengths[7]);
    ensure!(lengths.len() == 8, "{lengths:?}");
    ensure!((290.0..291.0).contains(&first), "{lengths:?}");
    ensure!(
        lengths[1..5].iter().all(|length| *length == second),
        "{lengths:?}"
    );
    ensure!(
        (lengths.iter().sum::<f64>() - 3.0 * second - 1260.0).abs() < 0.1,
        "{lengths:?}"
    );
    ensure!((last - 100.0).abs() < 1.0, "{lengths:?}");

    // The second is that of the recording, and so it is in a citation.
    let place = format!("/courses/{course}/lessons/l2/transcript");
    let found = instructor.get(&place).await?.expect(200)?;
    let found = found.as_str().context("a text")?;
    ensure!(found.starts_with("WEBVTT\n\n00:00:02.000 --> "), "{found}");
    for words in SAID {
        ensure!(found.contains(words), "{found}");
    }
    let question = json!({"question": "What does an arch bridge push against?"});
    let ask = format!("/courses/{course}/ask");
    let answer = instructor.post(&ask, &question).await?.expect(200)?;
    let cited = &answer["citations"][0];
    let begins = cited["start_seconds"].as_f64().context("a second")?;
    ensure!(
        cited["quote"] == SAID[1] && (begins - first - 2.0).abs() < 0.01,
        "{answer}"
    );

    // It is paid for once, and what the instructor gives goes before it.
    warning(&instructor.publish(course).await?)?;
    let corrected = found.replace("abutments", "buttresses");
    let transcript = instructor
        .upload(course, "bridges.vtt", corrected)
        .await?
        .expect(201)?;
    let content = json!({"asset_id": asset["id"], "transcript_asset_id": transcript["id"]});
    film(&instructor, course, &content).await?;
    let status = instructor.publish(course).await?;
    ensure!(status["warnings"] == json!([]), "{status}");
    let answer = instructor.post(&ask, &question).await?.expect(200)?;
    ensure!(
        answer["citations"][0]["quote"] == "An arch bridge pushes outwards against its buttresses.",
        "{answer}"
    );
    ensure!(provider.calls().len() == 8);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_cannot_be_transcribed_leaves_a_warning_that_says_why() -> Result<()> {
    let Some(recording) = recording()? else {
        return Ok(());
    };
    let provider = Provider::start().await?;
    let world = with(executable(), &provider, Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&[]).await?;
    let said = async |bytes: Vec<u8>| {
        let asset = instructor.upload(course, "a.wav", bytes).await?.expect(201)?;
        film(&instructor, course, &json!({"asset_id": asset["id"]})).await?;
        let status = instructor.publish(course).await?;
        let (code, message) = warning(&status)?;
        Ok::<_, anyhow::Error>((code.to_owned(), message.to_owned()))
    };
    let tone = |seconds: u32| {
        let tone = format!("sine=d={seconds}:r=8000");
        made(&["-f", "lavfi", "-i", &tone, "-c:a", "pcm_u8", "-f", "wav"])
    };
    let because = |reason: &str| {
        let none =
            "the recording has no transcript, and no subtitles that could be read; it was not transcribed";
        ("needs_transcript".to_owned(), format!("{none}: {reason}"))
    };
    // Nothing is sent of what is too long.
    let long = said(tone(1900)?).await?;
    ensure!(long == because("it is longer than 30 minutes"), "{long:?}");
    ensure!(provider.calls().is_empty());

    provider.says([fails(400, None)]);
    let refused = said(recording.clone()).await?;
    let answers = |status: u16| {
        because(&format!(
            "the transcription service answers {status} (some_error)"
        ))
    };
    ensure!(refused == answers(400), "{refused:?}");
    ensure!(provider.calls().len() == 1);

    // A service that stays away is asked a few times for each publish, and does not end it.
    provider.says((0..8).map(|_| fails(503, None)));
    let away = said(recording.clone()).await?;
    ensure!(away == answers(503), "{away:?}");
    ensure!(provider.calls().len() == 9);

    // The next publish tries again.
    provider.says(SAID.map(well));
    let status = instructor.publish(course).await?;
    ensure!(warning(&status)?.0 == "machine_transcript", "{status}");
    ensure!(provider.calls().len() == 14);

    provider.says([(200, None, json!({"text": "", "segments": []}).to_string())]);
    let nothing = said(tone(3)?).await?;
    ensure!(nothing == because("nothing is said in it"), "{nothing:?}");
    Ok(())
}
