//! Pictures, scans and recordings, where the programs that read them are installed. Where they are not, these tests say so.

#![cfg(target_os = "linux")]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a helper that fails fails its test, and says what is not tried"
)]

mod common;

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lopdf::{Dictionary, Object, Stream, dictionary};
use smartcourse_text::{Chunk, ExtractError, Limits, SOUND_RATE, Sandbox, SourceKind, Tools};

const PAGE: &[u8] = include_bytes!("files/page.png");
const TEXT: &str = "Arches press outwards, and their abutments withstand the thrust.\n\nThe second paragraph is about beams.";

fn sandbox(tools: Tools) -> Sandbox {
    let program = env!("CARGO_BIN_EXE_text-child").into();
    Sandbox::new(program, Vec::new(), Limits::default()).with_tools(tools)
}

/// A sandbox with the program `name`, if that is installed.
fn with(name: &str) -> Option<Sandbox> {
    let tools = Tools::find();
    if !tools.names().contains(&name) {
        println!("{name} is not installed: not tried");
        return None;
    }
    Some(sandbox(tools))
}

async fn read(sandbox: &Sandbox, kind: SourceKind, bytes: &[u8]) -> Result<Vec<Chunk>, ExtractError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    sandbox.read_any(kind, file, 150, Some("en")).await
}

fn cited(chunks: &[Chunk]) -> Vec<(Option<u32>, &str)> {
    chunks
        .iter()
        .map(|chunk| (chunk.page, chunk.text.as_str()))
        .collect()
}

/// A PDF with the picture on its first and third page, upright and turned, and nothing on the second.
fn scan() -> Vec<u8> {
    // The data of a PNG is that of a PDF.
    let mut data = Vec::new();
    let mut at = 8;
    while at + 8 <= PAGE.len() {
        let length = u32::from_be_bytes(PAGE[at..at + 4].try_into().unwrap()) as usize;
        if &PAGE[at + 4..at + 8] == b"IDAT" {
            data.extend(&PAGE[at + 8..at + 8 + length]);
        }
        at += length + 12;
    }
    let draw = "q 500 0 0 180 40 600 cm /X Do Q";
    let turned = "q 0 500 -180 0 300 100 cm /X Do Q";
    let mut pdf = common::pdf(&[draw, "", turned], |pdf| {
        let picture = dictionary! {
            "Type" => "XObject", "Subtype" => "Image", "Width" => 1000, "Height" => 360, "ColorSpace" => "DeviceGray",
            "BitsPerComponent" => 1, "Filter" => "FlateDecode",
            "DecodeParms" => dictionary! { "Predictor" => 15, "Colors" => 1, "BitsPerComponent" => 1, "Columns" => 1000 },
        };
        let picture = pdf.add_object(Stream::new(picture, data));
        dictionary! { "XObject" => dictionary! { "X" => picture } }
    });
    // A reader turns the page back.
    let third = pdf.get_pages()[&3];
    let page = pdf.get_object_mut(third).and_then(Object::as_dict_mut).unwrap();
    page.set("Rotate", 90);
    common::bytes(pdf)
}

#[tokio::test]
async fn a_picture_of_text_is_read() {
    let Some(sandbox) = with("tesseract") else { return };
    let chunks = read(&sandbox, SourceKind::Image, PAGE).await.unwrap();
    assert_eq!(cited(&chunks), [(None, TEXT)]);
    let blank = [b"P5 90 90 255\n", &[255; 8100][..]].concat();
    let nothing = read(&sandbox, SourceKind::Image, &blank).await;
    assert_eq!(nothing, Err(ExtractError::NoText));
    let broken = read(&sandbox, SourceKind::Image, &PAGE[..200]).await;
    assert!(broken.is_err_and(|error| !error.is_retryable()));
}

#[tokio::test]
async fn a_scan_is_read_page_by_page() {
    let Some(sandbox) = with("tesseract") else { return };
    let chunks = read(&sandbox, SourceKind::Pdf, &scan()).await.unwrap();
    assert_eq!(cited(&chunks), [(Some(1), TEXT), (Some(3), TEXT)]);
    // What a page says itself is not looked for in its pictures.
    let text = read(&sandbox, SourceKind::Pdf, &common::bytes(common::two_pages()))
        .await
        .unwrap();
    assert_eq!(text[1].text, "A reference borrows a value without owning it.");
    let drawn = common::pdf(&["0 0 100 100 re f"], |_| Dictionary::new());
    let nothing = read(&sandbox, SourceKind::Pdf, &common::bytes(drawn)).await;
    assert_eq!(nothing, Err(ExtractError::NoTextLayer));
}

#[tokio::test]
async fn without_the_programs_it_says_which_is_missing() {
    let sandbox = sandbox(Tools::default());
    assert_eq!(
        read(&sandbox, SourceKind::Image, PAGE).await,
        Err(ExtractError::NoRecognition)
    );
    assert_eq!(
        read(&sandbox, SourceKind::Pdf, &scan()).await,
        Err(ExtractError::NoTextLayer)
    );
    assert_eq!(
        read(&sandbox, SourceKind::Recording, b"\0\0\0\x18ftypisom").await,
        Err(ExtractError::NoTrack)
    );
    assert_eq!(
        loud(&sandbox, b"RIFF", 0.0, 1.0).await,
        Err(ExtractError::NoTrack)
    );
}

/// A recording that `ffmpeg` makes with these arguments.
fn recording(directory: &Path, name: &str, args: &[&str]) -> Vec<u8> {
    let target = directory.join(name);
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error"])
        .args(args)
        .arg(&target)
        .current_dir(directory)
        .status()
        .unwrap();
    assert!(made.success(), "{name}");
    std::fs::read(target).unwrap()
}

#[tokio::test]
async fn subtitles_in_a_recording_are_its_transcript() {
    let Some(sandbox) = with("ffmpeg") else { return };
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        File::create(directory.path().join(name))
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    };
    write(
        "de.srt",
        "1\n00:00:01,000 --> 00:00:02,000\nBögen drücken nach außen.\n",
    );
    write(
        "en.srt",
        "1\n00:00:01,500 --> 00:00:03,000\nArches press outwards.\n\n2\n00:01:10,000 --> 00:01:12,000\nBeams bend.\n",
    );
    let two = [
        "-i",
        "de.srt",
        "-i",
        "en.srt",
        "-map",
        "0",
        "-map",
        "1",
        "-metadata:s:s:0",
        "language=ger",
        "-metadata:s:s:1",
        "language=eng",
    ];
    let mp4 = recording(
        directory.path(),
        "a.mp4",
        &[&two[..], &["-c:s", "mov_text"]].concat(),
    );
    // What a WebM is made of.
    let webm = recording(directory.path(), "a.webm", &["-i", "en.srt", "-c:s", "webvtt"]);
    for bytes in [mp4, webm] {
        let chunks = read(&sandbox, SourceKind::Recording, &bytes).await.unwrap();
        let found: Vec<_> = chunks
            .iter()
            .map(|chunk| (chunk.start_seconds, chunk.text.as_str()))
            .collect();
        assert_eq!(found, [(Some(1.5), "Arches press outwards.\nBeams bend.")]);
    }
    let silent = recording(
        directory.path(),
        "a.wav",
        &["-f", "lavfi", "-i", "anullsrc=d=0.1"],
    );
    assert_eq!(
        read(&sandbox, SourceKind::Recording, &silent).await,
        Err(ExtractError::NoTrack)
    );
}

/// Whether the sound of a recording is loud for each tenth of a second of it.
async fn loud(sandbox: &Sandbox, bytes: &[u8], from: f64, length: f64) -> Result<Vec<bool>, ExtractError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let (from, length) = (Duration::from_secs_f64(from), Duration::from_secs_f64(length));
    let sound = sandbox.sound(file, from, length).await?;
    let values: Vec<i16> = sound
        .chunks_exact(2)
        .map(|value| i16::from_le_bytes([value[0], value[1]]))
        .collect();
    let tenths = values.chunks(SOUND_RATE as usize / 10);
    Ok(tenths
        .map(|tenth| tenth.iter().filter(|value| value.unsigned_abs() > 500).count() > tenth.len() / 2)
        .collect())
}

#[tokio::test]
async fn a_recording_is_heard_piece_by_piece() {
    let Some(sandbox) = with("ffmpeg") else { return };
    let directory = tempfile::tempdir().unwrap();
    let tone = [
        "-f",
        "lavfi",
        "-i",
        "sine=d=2:r=44100",
        "-af",
        "volume=0:enable='between(t,0.5,1.2)'",
        "-ac",
        "2",
    ];
    let picture = ["-f", "lavfi", "-i", "color=s=64x64:d=2:r=5"];
    let mp4 = [
        &tone[..4],
        &picture,
        &tone[4..],
        &["-c:v", "mpeg4", "-c:a", "aac"],
    ]
    .concat();
    let gap = [&tone[..5], &["aselect='not(between(t,0.5,1.2))'", "-c:a", "flac"]].concat();
    for (name, args) in [("a.wav", &tone[..]), ("a.mp4", &mp4), ("a.mkv", &gap)] {
        let bytes = recording(directory.path(), name, args);
        let all = loud(&sandbox, &bytes, 0.0, 9.0).await.unwrap();
        // What a codec adds at the end is no tenth of a second.
        assert!((20..=21).contains(&all.len()), "{name}: {all:?}");
        let expected: Vec<bool> = (0..18).map(|tenth| !(5..12).contains(&tenth)).collect();
        assert_eq!(all[..18], expected, "{name}");
        let piece = loud(&sandbox, &bytes, 0.4, 0.9).await.unwrap();
        assert_eq!(piece, expected[4..13], "{name}");
        let behind = loud(&sandbox, &bytes, 9.0, 1.0).await.unwrap();
        assert_eq!(behind, [false; 0], "{name}");
    }
    let silent = recording(
        directory.path(),
        "b.mp4",
        &[&picture[..], &["-c:v", "mpeg4"]].concat(),
    );
    for none in [&silent[..], b"\0\0\0\x18ftypisom", b"RIFF"] {
        let heard = loud(&sandbox, none, 0.0, 1.0).await;
        assert_eq!(heard, Err(ExtractError::DamagedFile));
    }
}

/// A list of other files in the shape of a recording must not make a program open them.
#[tokio::test]
async fn a_list_of_files_is_no_recording() {
    let Some(sandbox) = with("ffmpeg") else { return };
    let mut other = tempfile::NamedTempFile::new().unwrap();
    other
        .write_all(b"WEBVTT\n\n00:01.000 --> 00:02.000\nsecret\n")
        .unwrap();
    let place = other.path().display();
    for list in [
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{place}\n#EXT-X-ENDLIST\n"),
        format!("ffconcat version 1.0\nfile '{place}'\n"),
    ] {
        let outcome = read(&sandbox, SourceKind::Recording, list.as_bytes()).await;
        assert_eq!(outcome, Err(ExtractError::NoTrack));
        let heard = loud(&sandbox, list.as_bytes(), 0.0, 1.0).await;
        assert_eq!(heard, Err(ExtractError::DamagedFile));
    }
}
