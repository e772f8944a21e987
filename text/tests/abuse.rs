//! What a small text made large. A test of its own, since it measures the memory of its process.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::path::PathBuf;

use smartcourse_text::{Chunk, ExtractError, Limits, Sandbox, SourceKind};

/// The outcome of each text.
async fn read_all(texts: &[&str]) -> Vec<Result<Vec<Chunk>, ExtractError>> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_text-child"));
    let sandbox = Sandbox::new(program, Vec::new(), Limits::default());
    let mut outcomes = Vec::new();
    let each = |_, outcome| outcomes.push(outcome);
    sandbox
        .read_texts(SourceKind::Markdown, texts, 150, each)
        .await
        .unwrap();
    outcomes
}

/// Sections of the sixth level, a few bytes each.
fn sections(count: usize) -> String {
    (0..count)
        .map(|number| format!("###### {number}\n\ny\n\n"))
        .collect()
}

/// Resident memory of this process.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

/// What once took gigabytes: a long heading over as many sections as fit into a request.
#[tokio::test]
async fn a_long_heading_over_many_sections_takes_little() {
    let body = 4 << 20;
    let before = resident();
    for (heading, section) in [
        (100_000, "## x\n\ny\n\n"),
        (2 << 20, "## x\n\ny\n\n"),
        (60_000, "# x\n"),
    ] {
        let mut text = format!("# {}\n\n", "h".repeat(heading));
        text.push_str(&section.repeat((body - text.len()) / section.len()));
        let start = std::time::Instant::now();
        let outcome = read_all(&[&text]).await.remove(0);
        println!("{:?}, resident {} MB", start.elapsed(), resident() >> 20);
        assert_eq!(outcome.map(|chunks| chunks.len()), Err(ExtractError::Limit));
    }
    // As many sections as are allowed.
    let text = format!("# {}\n\n{}", "h".repeat(400_000), sections(9_900));
    let chunks = read_all(&[&text]).await.remove(0).unwrap();
    assert!(chunks.len() > 9_900 && chunks.iter().all(|chunk| chunk.heading.len() < 520));
    drop(chunks);
    // Many small texts of that sort are answered one child's output at a time.
    let scraps: String = (1..6)
        .map(|level| format!("{} {}\n\n", "#".repeat(level), "h".repeat(500)))
        .collect();
    let scraps = scraps + &sections(2_000);
    let outcomes = read_all(&vec![scraps.as_str(); body / scraps.len()]).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| *outcome == Err(ExtractError::Limit))
    );
    // What one child may answer, twice: as it comes and as it is read.
    let grown = resident().saturating_sub(before);
    println!("grown by {} MB", grown >> 20);
    assert!(grown < 100 << 20, "{grown} bytes");
}
