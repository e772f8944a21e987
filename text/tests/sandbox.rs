//! The child process over honest, damaged and hostile files.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pdf_extract::encryption::{EncryptionState, EncryptionVersion, Permissions};
use pdf_extract::{Dictionary, Stream, dictionary};
use smartcourse_text::{Document, ExtractError, Limits, Sandbox, SourceKind};

fn sandbox(limits: Limits) -> Sandbox {
    Sandbox {
        program: PathBuf::from(env!("CARGO_BIN_EXE_text-child")),
        args: Vec::new(),
        limits,
    }
}

async fn extract_with(limits: Limits, kind: SourceKind, bytes: &[u8]) -> Result<Document, ExtractError> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("upload");
    std::fs::write(&file, bytes).unwrap();
    sandbox(limits).extract(kind, &file).await
}

async fn extract_pdf(bytes: &[u8]) -> Result<Document, ExtractError> {
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
    let document = extract_pdf(&common::bytes(common::two_pages())).await.unwrap();
    assert_eq!(
        document.text,
        "Each value in Rust has an owner, and when the owner goes out of scope, the value is dropped.\n\n\
A reference borrows a value without owning it."
    );
    let pages: Vec<_> = document
        .anchors
        .iter()
        .map(|a| (a.page, &document.text[a.start..a.start + 4]))
        .collect();
    assert_eq!(pages, [(Some(1), "Each"), (Some(2), "A re")]);

    let markdown = extract_with(Limits::default(), SourceKind::Markdown, b"# Hi\n\nthere")
        .await
        .unwrap();
    assert_eq!(markdown.text, "Hi\n\nthere");
    assert_eq!(markdown.anchors[0].heading_path, ["Hi"]);
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
    let document = extract_pdf(&encrypted("")).await.unwrap();
    assert!(
        document.text.starts_with("Each value in Rust"),
        "{}",
        document.text
    );
}

#[tokio::test]
async fn a_form_that_draws_itself_kills_only_the_child() {
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
    assert_eq!(extract_pdf(&common::bytes(pdf)).await, Err(ExtractError::Crashed));
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
    let absent = sandbox(Limits::default())
        .extract(SourceKind::Pdf, Path::new("/nonexistent/upload"))
        .await;
    assert!(
        matches!(&absent, Err(error) if error.is_retryable()),
        "{absent:?}"
    );
    let no_program = Sandbox {
        program: "/nonexistent/program".into(),
        ..sandbox(Limits::default())
    };
    assert!(matches!(
        no_program.extract(SourceKind::Pdf, Path::new("/")).await,
        Err(ExtractError::Io(_))
    ));
    let other = Sandbox {
        program: "/bin/sh".into(),
        args: vec![OsString::from("-c"), "exit 3".into()],
        ..sandbox(Limits::default())
    };
    assert!(matches!(
        other.extract(SourceKind::Pdf, Path::new("/")).await,
        Err(ExtractError::Io(_))
    ));
}
