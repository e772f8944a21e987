//! The child process over honest, damaged and hostile files.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lopdf::encryption::{EncryptionState, EncryptionVersion, Permissions};
use lopdf::{Dictionary, Stream, dictionary};
use smartcourse_text::{Chunk, ExtractError, Limits, Sandbox, SourceKind};

const WORDS: usize = 150;

fn sandbox(limits: Limits) -> Sandbox {
    Sandbox::new(
        PathBuf::from(env!("CARGO_BIN_EXE_text-child")),
        Vec::new(),
        limits,
    )
}

/// An open file of these bytes that has no name any more.
fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

async fn extract_with(limits: Limits, kind: SourceKind, bytes: &[u8]) -> Result<Vec<Chunk>, ExtractError> {
    sandbox(limits).read_file(kind, file(bytes), WORDS).await
}

async fn extract_pdf(bytes: &[u8]) -> Result<Vec<Chunk>, ExtractError> {
    extract_with(Limits::default(), SourceKind::Pdf, bytes).await
}

/// `common::two_pages` encrypted with a user password.
fn encrypted(user_password: &str) -> Vec<u8> {
    let mut pdf = common::two_pages();
    let version = EncryptionVersion::V2 {
        document: &pdf,
        owner_password: "owner",
        user_password,
        key_length: 128,
        permissions: Permissions::PRINTABLE,
    };
    let state = EncryptionState::try_from(version).unwrap();
    pdf.encrypt(&state).unwrap();
    common::bytes(pdf)
}

#[tokio::test]
async fn honest_files_come_through() {
    let pages = extract_pdf(&common::bytes(common::two_pages())).await.unwrap();
    let found: Vec<_> = pages
        .iter()
        .map(|chunk| (chunk.page, chunk.text.as_str()))
        .collect();
    let expected = [
        (
            Some(1),
            "Each value in Rust has an owner, and when the owner goes out of scope, the value is dropped.",
        ),
        (Some(2), "A reference borrows a value without owning it."),
    ];
    assert_eq!(found, expected);

    let markdown = extract_with(Limits::default(), SourceKind::Markdown, b"# Hi\n\nthere")
        .await
        .unwrap();
    assert_eq!(
        (markdown[0].text.as_str(), &*markdown[0].heading),
        ("Hi\n\nthere", "Hi")
    );
}

#[tokio::test]
async fn files_without_text_say_why() {
    let good = common::bytes(common::two_pages());
    assert_eq!(
        extract_pdf(&good[..good.len() / 2]).await,
        Err(ExtractError::Damaged)
    );
    assert_eq!(extract_pdf(b"").await, Err(ExtractError::Empty));
    assert_eq!(
        extract_pdf(&encrypted("secret")).await,
        Err(ExtractError::Encrypted)
    );
    let scan = common::pdf(&["0 0 100 100 re f", "0 0 100 100 re f"], |_| Dictionary::new());
    assert_eq!(
        extract_pdf(&common::bytes(scan)).await,
        Err(ExtractError::NoTextLayer)
    );
    let no_pages = common::pdf(&[], |_| Dictionary::new());
    assert_eq!(
        extract_pdf(&common::bytes(no_pages)).await,
        Err(ExtractError::Damaged)
    );
}

#[tokio::test]
async fn restrictions_without_a_password_do_not_hinder() {
    let pages = extract_pdf(&encrypted("")).await.unwrap();
    assert!(pages[0].text.starts_with("Each value in Rust"), "{pages:?}");
}

#[tokio::test]
async fn a_form_that_draws_itself_ends() {
    let pdf = common::pdf(&["/X Do"], |pdf| {
        let form = pdf.new_object_id();
        let objects = dictionary! { "X" => form };
        let dictionary = dictionary! {
            "Type" => "XObject", "Subtype" => "Form", "BBox" => vec![0.into(), 0.into(), 9.into(), 9.into()],
            "Resources" => dictionary! { "XObject" => objects.clone() },
        };
        pdf.set_object(form, Stream::new(dictionary, b"/X Do".to_vec()));
        dictionary! { "XObject" => objects }
    });
    assert_eq!(
        extract_pdf(&common::bytes(pdf)).await,
        Err(ExtractError::NoTextLayer)
    );
}

/// A PDF whose reading takes far longer than any limit used here.
fn slow() -> Vec<u8> {
    let content = common::lines(&["many words on this line"; 200]).repeat(40);
    let pages = vec![content.as_str(); 400];
    common::bytes(common::pdf(&pages, |_| Dictionary::new()))
}

#[tokio::test]
async fn processor_time_is_limited() {
    let limits = Limits {
        cpu_seconds: 1,
        wall: Duration::from_secs(60),
        ..Limits::default()
    };
    assert_eq!(
        extract_with(limits, SourceKind::Pdf, &slow()).await,
        Err(ExtractError::TimedOut)
    );
}

#[tokio::test]
async fn wall_time_is_limited() {
    let limits = Limits {
        wall: Duration::from_millis(300),
        ..Limits::default()
    };
    let start = Instant::now();
    assert_eq!(
        extract_with(limits, SourceKind::Pdf, &slow()).await,
        Err(ExtractError::TimedOut)
    );
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn memory_is_limited() {
    let limits = Limits {
        address_space_bytes: 160 << 20,
        ..Limits::default()
    };
    let text = "word ".repeat(8 << 20);
    assert_eq!(
        extract_with(limits, SourceKind::Markdown, text.as_bytes()).await,
        Err(ExtractError::Limit)
    );
}

#[tokio::test]
async fn output_is_limited() {
    let limits = Limits {
        output_bytes: 1000,
        ..Limits::default()
    };
    let text = "word ".repeat(1000);
    assert_eq!(
        extract_with(limits, SourceKind::PlainText, text.as_bytes()).await,
        Err(ExtractError::Limit)
    );
}

#[tokio::test]
async fn failures_of_the_surroundings_can_be_retried() {
    let read = async |program: &str, args: &[&str]| {
        let args = args.iter().map(OsString::from).collect();
        let sandbox = Sandbox::new(program.into(), args, Limits::default());
        let texts = sandbox
            .read_texts(SourceKind::Markdown, &["a"], WORDS, |_, _| ())
            .await;
        (
            texts.unwrap_err(),
            sandbox
                .read_file(SourceKind::Markdown, file(b"a"), WORDS)
                .await
                .unwrap_err(),
        )
    };
    for (program, args) in [("/nonexistent/program", &[][..]), ("/bin/sh", &["-c", "exit 3"])] {
        let (texts, file) = read(program, args).await;
        assert!(texts.is_retryable() && file.is_retryable(), "{texts:?} {file:?}");
    }
}

/// The outcome of each text, read together.
async fn read_all(sandbox: &Sandbox, texts: &[&str]) -> Vec<Result<Vec<Chunk>, ExtractError>> {
    let mut outcomes = Vec::new();
    let each = |place, outcome| {
        assert_eq!(place, outcomes.len());
        outcomes.push(outcome);
    };
    sandbox
        .read_texts(SourceKind::Markdown, texts, WORDS, each)
        .await
        .unwrap();
    outcomes
}

#[tokio::test]
async fn texts_are_read_together() {
    let many = vec!["# Title\n\nSome *words*."; 1200];
    let texts: Vec<&str> = ["", "ünd lea\u{300}st"].into_iter().chain(many).collect();
    let outcomes = read_all(&sandbox(Limits::default()), &texts).await;
    let found: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().map(|chunks| chunks[0].text.as_str()))
        .collect();
    assert_eq!(found[..2], [Err(&ExtractError::Empty), Ok("ünd lea\u{300}st")]);
    assert!(
        found[2..]
            .iter()
            .all(|outcome| *outcome == Ok("Title\n\nSome words."))
    );
    assert_eq!(outcomes.len(), texts.len());
}

#[tokio::test]
async fn a_text_that_kills_the_child_marks_only_itself() {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_text-child"));
    let sandbox = Sandbox::new(program, vec!["--attempt".into()], Limits::default());
    let texts = ["fine", "allocate", "abort", "fine", "panic", "fine", "abort"];
    let outcomes = read_all(&sandbox, &texts).await;
    for (text, outcome) in texts.iter().zip(outcomes) {
        let expected = match *text {
            "allocate" => Err(ExtractError::Limit),
            "abort" | "panic" => Err(ExtractError::Crashed),
            _ => Ok(1),
        };
        assert_eq!(outcome.map(|chunks| chunks.len()), expected, "{text}");
    }
}
