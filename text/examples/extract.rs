//! Prints the text of a file as readers of a course are quoted it, with the places that can be cited:
//! `cargo run -p smartcourse-text --example extract -- FILE`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it prints the text")]

use std::process::ExitCode;

use smartcourse_text::{extract, sniff};

fn main() -> ExitCode {
    let outcome = std::env::args()
        .nth(1)
        .ok_or("usage: extract FILE".to_owned())
        .and_then(print);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn print(name: String) -> Result<(), String> {
    let bytes = std::fs::read(&name).map_err(|error| format!("{name}: {error}"))?;
    let head = &bytes[..bytes.len().min(4096)];
    let detected = sniff(&name, None, head).map_err(|error| error.to_string())?;
    let document = extract(detected.kind, &bytes).map_err(|error| format!("{}: {error}", error.code()))?;
    for (number, anchor) in document.anchors.iter().enumerate() {
        let end = document
            .anchors
            .get(number + 1)
            .map_or(document.text.len(), |next| next.start);
        let time = anchor
            .start_seconds
            .map(|seconds| format!("{seconds} s "))
            .unwrap_or_default();
        let page = anchor
            .page
            .map(|page| format!("page {page} "))
            .unwrap_or_default();
        println!(
            "--- {page}{time}{}\n{}",
            anchor.heading_path.join(" › "),
            &document.text[anchor.start..end]
        );
    }
    if document.anchors.is_empty() {
        println!("{}", document.text);
    }
    Ok(())
}
