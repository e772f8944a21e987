//! Transcripts as WebVTT.

use std::fmt::Write as _;

use crate::chunk::Chunk;

/// What every file begins with.
pub(crate) const HEAD: &str = "WEBVTT\n\n";
/// Seconds for which a cue stands whose end is not known.
const STANDS: f64 = 10.0;

/// Appends a cue; nothing for words that are none.
pub(crate) fn push(file: &mut String, start: f64, end: f64, words: &str) {
    // A line break would end a cue, or begin one.
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if !words.is_empty() {
        let words = html_escape::encode_text(&words);
        // Writing to a text cannot fail.
        let _ = write!(file, "{} --> {}\n{words}\n\n", time(start), time(end));
    }
}

/// The chunks of a recording as the cues they were made of; `None` when they have no times. Where a cue ended is not known any more:
/// it stands until the next one.
pub(crate) fn of(chunks: &[Chunk]) -> Option<String> {
    let mut cues: Vec<(f64, String)> = Vec::new();
    for chunk in chunks {
        let within = chunk.cues.iter().map(|cue| (cue.start, cue.start_seconds));
        let starts: Vec<(usize, f64)> = [(0, chunk.start_seconds?)].into_iter().chain(within).collect();
        let ends = starts.iter().skip(1).map(|(at, _)| *at).chain([chunk.text.len()]);
        for ((at, start), end) in starts.iter().zip(ends) {
            let words = chunk.text.get(*at..end)?;
            match cues.last_mut() {
                // A cue goes on in the next chunk.
                Some((same, before)) if *same == *start => before.extend([" ", words]),
                _ => cues.push((*start, words.to_owned())),
            }
        }
    }
    let mut file = HEAD.to_owned();
    let nexts = cues.iter().skip(1).map(|(next, _)| Some(*next)).chain([None]);
    for ((start, words), next) in cues.iter().zip(nexts) {
        let next = next.filter(|next| next > start);
        push(
            &mut file,
            *start,
            next.unwrap_or(f64::MAX).min(start + STANDS),
            words,
        );
    }
    (!cues.is_empty()).then_some(file)
}

fn time(seconds: f64) -> String {
    let all = (seconds.max(0.0) * 1000.0).round() as u64;
    let (hours, minutes) = (all / 3_600_000, all / 60_000 % 60);
    let (seconds, thousandths) = (all / 1000 % 60, all % 1000);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{thousandths:03}")
}

#[cfg(test)]
mod tests {
    use smartcourse_text::{SourceKind, extract};

    use super::*;

    #[test]
    fn a_transcript_comes_back_with_its_times() {
        let mut file = HEAD.to_owned();
        push(&mut file, 1.5, 3.0, " An arch <presses>\n\noutwards & down");
        push(&mut file, 3.0, 5.25, "to its abutments. Beams bend.");
        push(&mut file, 4.0, 5.0, " ");
        push(&mut file, 3725.0004, 3726.0, "Columns do not.");
        let read = |file: &str| {
            let document = extract(SourceKind::WebVtt, file.as_bytes()).expect("it is WebVTT");
            let chunks = smartcourse_text::chunk(&document, 6);
            crate::chunk::chunks(chunks)
        };
        let chunks = read(&file);
        assert!(chunks.len() > 1, "{chunks:?}");
        let again = of(&chunks).expect("it has times");
        assert_eq!(
            again,
            "WEBVTT\n\n00:00:01.500 --> 00:00:03.000\nAn arch &lt;presses&gt; outwards &amp; down\n\n\
             00:00:03.000 --> 00:00:13.000\nto its abutments. Beams bend.\n\n\
             01:02:05.000 --> 01:02:15.000\nColumns do not.\n\n"
        );
        assert_eq!(read(&again), chunks);
        let of_pages = extract(SourceKind::Markdown, b"# A\n\nB.").expect("it is Markdown");
        assert_eq!(
            of(&crate::chunk::chunks(smartcourse_text::chunk(&of_pages, 6))),
            None
        );
        assert_eq!(of(&[]), None);
    }
}
