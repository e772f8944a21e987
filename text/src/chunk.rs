//! Passages for retrieval: runs of whole sentences that stay inside one section and one page.

use std::{ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Anchor, Document, ExtractError, document::heading, sentences};

/// Bytes the heading paths of all passages may have for each byte of the text, and for a document of any size. In
/// honest documents the paths are shorter than the passages; ten thousand scraps under one long heading are not.
const PATHS_PER_TEXT: usize = 16;
const PATHS_AT_LEAST: usize = 64 << 10;

/// A passage of a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// Place in the document's order, from 0.
    pub ordinal: u32,
    /// The headings it stands under, as `Outer › Inner`; empty outside every heading. Passages of one section
    /// share it.
    pub heading: Arc<str>,
    /// The passage, verbatim: `document.text[start..end]`.
    pub text: String,
    /// Byte offset of its first character in [`Document::text`].
    pub start: usize,
    /// Byte offset after its last character.
    pub end: usize,
    /// Page it stands on, counted from 1; for paged sources.
    pub page: Option<u32>,
    /// Seconds into the recording at which it begins; for transcripts.
    pub start_seconds: Option<f64>,
    /// The cues that begin within it, in order; for transcripts.
    pub cues: Vec<CueStart>,
}

/// Where a cue of a transcript begins in a [`Chunk`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CueStart {
    /// Byte offset into [`Chunk::text`].
    pub start: usize,
    /// Seconds into the recording at which it appears.
    pub start_seconds: f64,
}

/// Cuts `document` into passages of at most `max_words` words (at least 1), in order and without overlap.
/// Together they hold everything but blanks.
///
/// A passage never crosses into another page or section, except that a heading with nothing under it is joined
/// to the section that follows. Long words, punctuation-heavy code and text without spaces count for more than
/// one word, so that 150 "words" stay below about 220 of the embedding model's tokens.
pub fn chunk(document: &Document, max_words: usize) -> Vec<Chunk> {
    let max = Size {
        words: max_words.max(1),
        pieces: max_words.max(1) * 7 / 5,
    };
    let mut chunks = Vec::new();
    for region in regions(document) {
        for range in pack(&document.text, region.range.clone(), max) {
            let begin = document.anchor_at(range.start);
            chunks.push(Chunk {
                ordinal: u32::try_from(chunks.len()).unwrap_or(u32::MAX),
                heading: Arc::clone(&region.heading),
                text: document.text[range.clone()].to_owned(),
                start: range.start,
                end: range.end,
                page: begin.and_then(|anchor| anchor.page),
                start_seconds: begin.and_then(|anchor| anchor.start_seconds),
                cues: cues(document, &range),
            });
        }
    }
    chunks
}

/// The cues that begin in `range`, but not with it.
fn cues(document: &Document, range: &Range<usize>) -> Vec<CueStart> {
    let after = |offset| document.anchors.partition_point(|anchor| anchor.start <= offset);
    let within = &document.anchors[after(range.start)..after(range.end.saturating_sub(1))];
    let cue = |anchor: &Anchor| {
        Some(CueStart {
            start: anchor.start - range.start,
            start_seconds: anchor.start_seconds?,
        })
    };
    within.iter().filter_map(cue).collect()
}

/// [`chunk`], for documents of strangers.
/// [`ExtractError::Limit`] when the passages would be mostly headings: a small text must not become a large answer.
pub(crate) fn chunk_within_limits(document: &Document, max_words: usize) -> Result<Vec<Chunk>, ExtractError> {
    let chunks = chunk(document, max_words);
    let paths: usize = chunks.iter().map(|chunk| chunk.heading.len()).sum();
    if paths > PATHS_AT_LEAST + PATHS_PER_TEXT * document.text.len() {
        return Err(ExtractError::Limit);
    }
    Ok(chunks)
}

/// A part of the text no passage may leave.
struct Region {
    range: Range<usize>,
    heading: Arc<str>,
}

/// Splits the text where the page or the section changes.
fn regions(document: &Document) -> Vec<Region> {
    let place = |offset| {
        document
            .anchor_at(offset)
            .map(|anchor| (anchor.page, anchor.heading_path.as_slice()))
    };
    let changes = document.anchors.iter().map(|anchor| anchor.start);
    let mut regions: Vec<Region> = Vec::new();
    let mut start = 0;
    for end in changes.chain([document.text.len()]) {
        let same_place = end < document.text.len() && end > 0 && place(start) == place(end);
        if end <= start || same_place {
            continue;
        }
        let (page, path) = place(start).unwrap_or_default();
        let mut region = Region {
            range: start..end,
            heading: path.join(" › ").into(),
        };
        // A heading with nothing under it says nothing alone: give it to the section that follows.
        if let Some(last) = regions.pop_if(|last| is_bare_heading(document, last, page)) {
            region.range.start = last.range.start;
        }
        regions.push(region);
        start = end;
    }
    regions
}

/// Whether `region` is no more than its own heading, on `page`.
fn is_bare_heading(document: &Document, region: &Region, page: Option<u32>) -> bool {
    document.anchor_at(region.range.start).is_some_and(|anchor| {
        let text = document.text[region.range.clone()].trim();
        anchor.page == page
            && anchor
                .heading_path
                .last()
                .is_some_and(|own| text.lines().next_back().map(heading) == Some(&**own))
    })
}

/// What a passage holds: whitespace-separated words, and an estimate of the embedding model's tokens.
#[derive(Clone, Copy, Default)]
struct Size {
    words: usize,
    pieces: usize,
}

impl Size {
    fn of(text: &str) -> Self {
        text.split_whitespace()
            .fold(Self::default(), |size, word| size + Self::of_word(word))
    }

    /// An estimate that errs upwards, fitted to prose, manuals and code: WordPiece makes one token of each
    /// punctuation mark and ideograph, one of some six Latin letters (two letters of other scripts, for which an
    /// English vocabulary has few pieces), and breaks between letters and digits.
    fn of_word(word: &str) -> Self {
        let (mut pieces, mut letters, mut before) = (0, 0_usize, None);
        for c in word.chars() {
            if c.is_ascii_punctuation() || u32::from(c) >= 0x2000 {
                pieces += 1 + letters.div_ceil(6);
                (letters, before) = (0, None);
                continue;
            }
            if before.is_some_and(|before: char| before.is_ascii_digit() != c.is_ascii_digit()) {
                pieces += letters.div_ceil(6);
                letters = 0;
            }
            letters += if u32::from(c) >= 0x370 { 3 } else { 1 };
            before = Some(c);
        }
        Self {
            words: 1,
            pieces: pieces + letters.div_ceil(6),
        }
    }

    fn fits(self, max: Self) -> bool {
        self.words <= max.words && self.pieces <= max.pieces
    }
}

impl std::ops::Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            words: self.words + other.words,
            pieces: self.pieces + other.pieces,
        }
    }
}

/// Packs the sentences of `region` into ranges of at most `max`.
fn pack(text: &str, region: Range<usize>, max: Size) -> Vec<Range<usize>> {
    let sentences = sentences(&text[region.clone()]).into_iter();
    let placed = sentences.map(|sentence| region.start + sentence.start..region.start + sentence.end);
    join(
        text,
        placed.flat_map(|sentence| split_long(text, sentence, max)),
        max,
    )
}

/// Splits a sentence that alone exceeds `max` between words, and a word that does between characters.
fn split_long(text: &str, sentence: Range<usize>, max: Size) -> Vec<Range<usize>> {
    if Size::of(&text[sentence.clone()]).fits(max) {
        return vec![sentence];
    }
    let words = words(text, sentence);
    join(text, words.flat_map(|word| split_word(text, word, max)), max)
}

/// Joins neighbours for as long as they fit into `max` together.
fn join(text: &str, parts: impl Iterator<Item = Range<usize>>, max: Size) -> Vec<Range<usize>> {
    let mut joined: Vec<Range<usize>> = Vec::new();
    let mut size = Size::default();
    for part in parts {
        let part_size = Size::of(&text[part.clone()]);
        match joined.last_mut() {
            Some(last) if (size + part_size).fits(max) => {
                last.end = part.end;
                size = size + part_size;
            }
            _ => {
                joined.push(part);
                size = part_size;
            }
        }
    }
    joined
}

/// Ranges of the whitespace-separated words of `range`.
fn words(text: &str, range: Range<usize>) -> impl Iterator<Item = Range<usize>> + '_ {
    let base = text.as_ptr() as usize;
    text[range].split_whitespace().map(move |word| {
        let start = word.as_ptr() as usize - base;
        start..start + word.len()
    })
}

/// Splits a word of more pieces than `max` allows, such as a sentence of a script without spaces.
fn split_word(text: &str, word: Range<usize>, max: Size) -> Vec<Range<usize>> {
    if Size::of_word(&text[word.clone()]).fits(max) {
        return vec![word];
    }
    // One character is at most one piece, so this many characters fit whatever they are.
    let step = max.pieces.max(1);
    let starts = text[word.clone()].char_indices().step_by(step);
    let starts = starts.map(|(at, _)| word.start + at);
    let ends = starts.clone().skip(1).chain([word.end]);
    starts.zip(ends).map(|(start, end)| start..end).collect()
}
