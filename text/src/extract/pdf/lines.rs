//! From the signs of a page to its lines, in the order they are read.

use std::collections::BTreeMap;

use super::columns;
use super::direction::{is_leftwards, logical};
use super::model::{Frame, Glyph, Leaf, Line, Page, Segment, Word};

/// Gaps, in heights of the font: between words where nothing else tells them apart, the same where blanks are
/// drawn, between the letters of a spaced word, and between columns or cells.
const WORD_GAP: f64 = 0.17;
const WORD_GAP_BESIDE_BLANKS: f64 = 0.3;
const SPACED_LETTERS: f64 = 0.12;
const SEGMENT_GAP: f64 = 0.75;
const CELL_GAP: f64 = 1.5;

/// How far from a baseline, in heights, a sign still stands on it.
const BASELINE: f64 = 0.2;

/// Different signs of one width that are no chance.
const SIGNS_OF_PITCH: usize = 5;

/// Raised and lowered signs are so much smaller than their line.
const SMALLER: f64 = 0.92;

/// What stands together on `page`, by the directions of reading.
pub(super) fn frames(page: &Page) -> Vec<Frame> {
    let mut frames: BTreeMap<i64, Vec<&Glyph>> = BTreeMap::new();
    for glyph in &page.glyphs {
        frames.entry(angle(glyph)).or_default().push(glyph);
    }
    let mut frames: Vec<(i64, Vec<&Glyph>)> = frames.into_iter().collect();
    frames.sort_by_key(|(_, glyphs)| std::cmp::Reverse(glyphs.len()));
    let segments = frames
        .iter()
        .map(|(angle, glyphs)| segments(&rows(page, *angle, glyphs)));
    segments.map(|segments| Frame { segments }).collect()
}

/// The lines of a page in the order they are read.
pub(super) fn ordered(leaf: Leaf) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut block = 0;
    for frame in leaf.frames {
        let leftwards = frame
            .segments
            .iter()
            .filter(|segment| is_leftwards(&text(&segment.words)))
            .count();
        let leftwards = leftwards * 2 > frame.segments.len();
        for segments in columns::ordered(frame.segments, leftwards) {
            lines.extend(block_lines(segments, block));
            block += 1;
        }
    }
    lines
}

/// The direction of a sign in degrees; those that are nearly upright or on their side count as that.
fn angle(glyph: &Glyph) -> i64 {
    let degrees = glyph.direction.y.atan2(glyph.direction.x).to_degrees();
    let right = (degrees / 90.0).round() * 90.0;
    let rounded = if (degrees - right).abs() < 7.0 {
        right
    } else {
        (degrees / 5.0).round() * 5.0
    };
    (rounded as i64).rem_euclid(360)
}

/// The words of each baseline, from the top, each baseline from the left.
fn rows(page: &Page, angle: i64, glyphs: &[&Glyph]) -> Vec<Vec<Word>> {
    let (sin, cos) = (angle as f64).to_radians().sin_cos();
    let mut placed: Vec<(f64, f64, &Glyph)> = glyphs
        .iter()
        .map(|glyph| {
            (
                glyph.x * cos + glyph.y * sin,
                glyph.y * cos - glyph.x * sin,
                *glyph,
            )
        })
        .collect();
    placed.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut rows: Vec<Vec<(f64, f64, &Glyph)>> = Vec::new();
    for sign in placed {
        match rows.last_mut() {
            Some(row)
                if row
                    .last()
                    .is_some_and(|last| sign.1 - last.1 <= BASELINE * last.2.size.min(sign.2.size)) =>
            {
                row.push(sign)
            }
            _ => rows.push(vec![sign]),
        }
    }
    let words = rows.into_iter().map(|mut row| {
        row.sort_by(|a, b| a.0.total_cmp(&b.0));
        words(page, &row)
    });
    words.filter(|words| !words.is_empty()).collect()
}

/// The words of one baseline.
fn words(page: &Page, row: &[(f64, f64, &Glyph)]) -> Vec<Word> {
    let is_blank = |glyph: &Glyph| glyph.text.chars().all(char::is_whitespace);
    let has_blanks = row.iter().any(|(_, _, glyph)| is_blank(glyph));
    let mut gaps: Vec<f64> = row
        .windows(2)
        .filter(|pair| !is_blank(pair[0].2) && !is_blank(pair[1].2))
        .map(|pair| (pair[1].0 - pair[0].0 - pair[0].2.advance) / pair[0].2.size)
        .filter(|gap| *gap < SEGMENT_GAP)
        .collect();
    gaps.sort_by(f64::total_cmp);
    let usual = gaps.get(gaps.len() / 2).copied().unwrap_or(0.0);
    let limit = match has_blanks {
        _ if usual > SPACED_LETTERS && gaps.len() > 3 => usual + 2.0 * SPACED_LETTERS,
        true => WORD_GAP_BESIDE_BLANKS,
        false => WORD_GAP,
    };
    let mut words: Vec<Word> = Vec::new();
    let mut apart = true;
    for (left, base, glyph) in row {
        if is_blank(glyph) {
            apart = true;
            continue;
        }
        let on_page = (0.0..=page.width).contains(&glyph.x) && (0.0..=page.height).contains(&glyph.y);
        let right = left + glyph.advance;
        match words.last_mut() {
            Some(word) if !apart && left - word.right <= limit * word.size.max(glyph.size) => {
                word.signs.push(glyph.text.clone());
                word.pitch = word.pitch.filter(|pitch| alike(*pitch, glyph.advance));
                word.right = word.right.max(right);
                word.size = word.size.max(glyph.size);
                word.on_page |= on_page;
            }
            _ => words.push(Word {
                signs: vec![glyph.text.clone()],
                left: *left,
                right,
                base: *base,
                size: glyph.size,
                pitch: Some(glyph.advance),
                on_page,
            }),
        }
        apart = false;
    }
    words
}

/// The parts of each row that stand together. One that lies off the page as a whole is not seen.
fn segments(rows: &[Vec<Word>]) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for (row, words) in rows.iter().enumerate() {
        let mut current: Vec<Word> = Vec::new();
        for word in words {
            let gap = current.last().map_or(0.0, |last| word.left - last.right);
            if gap > SEGMENT_GAP * word.size {
                segments.push(Segment {
                    row,
                    words: std::mem::take(&mut current),
                });
            }
            current.push(word.clone());
        }
        segments.push(Segment { row, words: current });
    }
    segments.retain(|segment| segment.words.iter().any(|word| word.on_page));
    segments
}

/// The lines of one block, from the top.
fn block_lines(segments: Vec<Segment>, block: usize) -> Vec<Line> {
    let mut rows: BTreeMap<usize, Vec<Word>> = BTreeMap::new();
    for segment in segments {
        rows.entry(segment.row).or_default().extend(segment.words);
    }
    let mut rows: Vec<Vec<Word>> = rows.into_values().collect();
    raise(&mut rows);
    let lines = rows.into_iter().filter(|words| !words.is_empty());
    lines.map(|words| line(words, block)).collect()
}

/// Puts exponents, indices and the marks of notes into the lines they belong to.
fn raise(rows: &mut [Vec<Word>]) {
    let size = |row: &[Word]| row.iter().map(|word| word.size).fold(0.0, f64::max);
    for at in 0..rows.len() {
        for near in [at + 1, at.wrapping_sub(1), at + 2, at.wrapping_sub(2)] {
            let Some(line) = rows.get(near).filter(|line| !line.is_empty()) else {
                continue;
            };
            let (height, base) = (size(line), line[0].base);
            let line: Vec<(f64, f64)> = line.iter().map(|word| (word.left, word.right)).collect();
            let belongs = |word: &Word| {
                let beside = |(left, right): &(f64, f64)| {
                    word.left <= right + 0.3 * height && word.right >= left - 0.3 * height
                };
                word.size <= SMALLER * height
                    && (word.base - base).abs() < 0.6 * height
                    && line.iter().any(beside)
            };
            let (moved, kept): (Vec<Word>, Vec<Word>) =
                std::mem::take(&mut rows[at]).into_iter().partition(belongs);
            rows[at] = kept;
            rows[near].extend(moved);
            rows[near].sort_by(|a, b| a.left.total_cmp(&b.left));
        }
    }
}

/// The words, as they are read.
pub(super) fn text(words: &[Word]) -> String {
    let mut signs: Vec<String> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &words[before]);
        // What is raised stands close to what it is raised from.
        let apart = before.is_some_and(|before| {
            before.base == word.base || word.left - before.right > WORD_GAP * before.size.max(word.size)
        });
        if apart {
            signs.push(" ".to_owned());
        }
        signs.extend(word.signs.iter().cloned());
    }
    logical(signs).concat()
}

/// Whether two widths are the same.
fn alike(one: f64, other: f64) -> bool {
    (one - other).abs() <= 0.02 * one.max(other)
}

fn line(words: Vec<Word>, block: usize) -> Line {
    let size = words.iter().map(|word| word.size).fold(0.0, f64::max);
    let text = text(&words);
    let leftwards = is_leftwards(&text);
    let first = if leftwards { words.last() } else { words.first() };
    let gaps = words.windows(2).map(|pair| pair[1].left - pair[0].right);
    let pitches = words.iter().map(|word| word.pitch);
    let pitch = pitches.reduce(|one, other| one.filter(|one| other.is_some_and(|other| alike(*one, other))));
    let mut signs: Vec<&String> = words.iter().flat_map(|word| &word.signs).collect();
    signs.sort();
    signs.dedup();
    let surely_pitched = pitch.flatten().is_some() && signs.len() >= SIGNS_OF_PITCH;
    let biggest = words.iter().find(|word| word.size == size);
    Line {
        left: words.first().map_or(0.0, |word| word.left),
        right: words.last().map_or(0.0, |word| word.right),
        base: biggest.map_or(0.0, |word| word.base),
        size,
        first_word: first.map_or(0.0, |word| word.right - word.left),
        leftwards,
        pitch: pitch.flatten(),
        surely_pitched,
        cells: gaps.fold(0.0, f64::max) > CELL_GAP * size,
        block,
        text,
    }
}
