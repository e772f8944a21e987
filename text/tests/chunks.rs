//! Properties every document's chunks have.

use proptest::prelude::*;
use smartcourse_text::{Anchor, Document, SourceKind, chunk, extract, sentences};

/// Documents of words, sentences, long words, several scripts and blanks, with pages or sections anywhere.
fn documents() -> impl Strategy<Value = Document> {
    let piece = prop_oneof![
        "[a-z]{1,9}[.,!?]? ",
        "[A-Z][a-z]{0,5}\\.\n",
        "[ \t\n\u{a0}]{1,3}",
        "[東京語。！]{1,20}",
        "(fn|x|=|\\{|\\}|;|::|é|🙂){1,9}",
        "[a-z]{60,200}",
    ];
    let pieces = prop::collection::vec(
        (piece, prop::option::weighted(0.1, (0..3_u32, 0..3_usize))),
        0..120,
    );
    pieces.prop_map(|pieces| {
        let mut document = Document::default();
        for (piece, place) in pieces {
            if let Some((page, headings)) = place {
                document.anchors.push(Anchor {
                    start: document.text.len(),
                    page: Some(page),
                    heading_path: ["A", "B"][..headings.min(2)].iter().map(|&h| h.into()).collect(),
                    ..Anchor::default()
                });
            }
            document.text.push_str(&piece);
        }
        document
    })
}

/// `text` without what `ranges` cover.
fn uncovered(text: &str, ranges: impl Iterator<Item = std::ops::Range<usize>>) -> String {
    let mut rest = String::new();
    let mut at = 0;
    for range in ranges {
        rest.push_str(&text[at..range.start]);
        at = range.end;
    }
    rest + &text[at..]
}

proptest! {
    #[test]
    fn chunks_are_verbatim_in_order_and_complete(document in documents(), max_words in 1..60_usize) {
        let chunks = chunk(&document, max_words);
        let mut end = 0;
        for (ordinal, chunk) in chunks.iter().enumerate() {
            prop_assert_eq!(chunk.ordinal as usize, ordinal);
            prop_assert!(chunk.start >= end && chunk.start < chunk.end);
            prop_assert_eq!(&chunk.text, &document.text[chunk.start..chunk.end]);
            prop_assert_eq!(chunk.text.trim(), &chunk.text);
            prop_assert!(chunk.text.split_whitespace().count() <= max_words);
            let pages: Vec<_> = document.anchors.iter().filter(|a| (chunk.start + 1..chunk.end).contains(&a.start)).collect();
            prop_assert!(pages.iter().all(|anchor| anchor.page == chunk.page || chunk.page.is_none() && anchor.page.is_none()));
            end = chunk.end;
        }
        let left = uncovered(&document.text, chunks.iter().map(|c| c.start..c.end));
        prop_assert!(left.trim().is_empty(), "not covered: {:?}", left);
    }

    #[test]
    fn sentences_are_in_order_and_complete(text in "([a-zA-Z.!?。 \n\"”)]|e\\.g\\. |🙂){0,200}") {
        let ranges = sentences(&text);
        prop_assert!(ranges.iter().all(|range| text[range.clone()].trim() == &text[range.clone()] && !range.is_empty()));
        prop_assert!(ranges.is_sorted_by(|a, b| a.end <= b.start));
        prop_assert!(uncovered(&text, ranges.into_iter()).trim().is_empty());
    }
}

#[test]
fn markdown_sections_become_chunks_with_their_path() {
    let source =
        "# Ownership\n\n## What is it?\n\nA set of rules. It is checked.\n\n## Moves\n\nA value moves.\n";
    let chunks = chunk(&extract(SourceKind::Markdown, source.as_bytes()).unwrap(), 150);
    let found: Vec<_> = chunks.iter().map(|c| (&*c.heading, c.text.as_str())).collect();
    let expected = [
        (
            "Ownership › What is it?",
            "Ownership\n\nWhat is it?\n\nA set of rules. It is checked.",
        ),
        ("Ownership › Moves", "Moves\n\nA value moves."),
    ];
    assert_eq!(found, expected);
}

#[test]
fn transcripts_group_cues_and_keep_the_time_of_the_first() {
    let mut source = "WEBVTT\n\n".to_owned();
    for cue in 0..40 {
        source.push_str(&format!(
            "00:{cue:02}.000 --> 00:{:02}.000\ncue {cue} says five words.\n\n",
            cue + 1
        ));
    }
    let chunks = chunk(&extract(SourceKind::WebVtt, source.as_bytes()).unwrap(), 50);
    assert!(chunks.len() == 4, "{}", chunks.len());
    let times: Vec<_> = chunks.iter().map(|chunk| chunk.start_seconds.unwrap()).collect();
    assert_eq!(times, [0.0, 10.0, 20.0, 30.0]);
    let third = &chunks[1].cues[1];
    assert!(chunks[1].text[third.start..].starts_with("cue 12 says") && third.start_seconds == 12.0);
    assert!(chunks.iter().all(|chunk| chunk.cues.len() == 9));
}

#[test]
fn code_and_scripts_without_spaces_stay_small() {
    let code = "let x: Vec<u8> = vec![0; 32]; // {}\n".repeat(60);
    let japanese = "所有権は規則の集合です。".repeat(80);
    for text in [code, japanese] {
        let chunks = chunk(
            &Document {
                text,
                anchors: Vec::new(),
            },
            150,
        );
        assert!(chunks.len() > 3);
        let marks = |text: &str| {
            text.chars()
                .filter(|c| c.is_ascii_punctuation() || !c.is_ascii())
                .count()
        };
        assert!(chunks.iter().all(|chunk| marks(&chunk.text) <= 225));
    }
}
