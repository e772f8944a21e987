//! The columns of a page, told from its tables.

use super::model::Segment;

/// Lines on each side of a gutter.
const LINES: usize = 3;

/// A column is prose: on average so many words to a line, most lines about as wide as the column.
const WORDS: f64 = 3.5;
const FILLED: f64 = 0.6;

/// Of a side that is not prose throughout: the share of its width that a line fills, and lines that do on both sides.
const NEARLY: f64 = 0.8;
const FULL: usize = 6;

/// Width of a gutter, in heights of the font.
const GUTTER: f64 = 0.7;

/// Words so far apart, in heights of the font, are cells of a table.
const CELL_GAP: f64 = 1.5;

/// How much of a gutter the words beside it in a large heading leave free.
const PARTED: f64 = 0.6;

/// Gutters that are tried for a region.
const TRIES: usize = 6;

/// Columns within columns.
const DEPTH: usize = 5;

/// The blocks that `segments` form, in the order they are read; the right column first where the page is read
/// `leftwards`.
pub(super) fn ordered(segments: Vec<Segment>, leftwards: bool) -> Vec<Vec<Segment>> {
    let mut blocks = Vec::new();
    split(segments, leftwards, DEPTH, &mut blocks);
    blocks
}

fn split(segments: Vec<Segment>, leftwards: bool, depth: usize, blocks: &mut Vec<Vec<Segment>>) {
    if depth > 0 {
        for (begin, end) in gutters(&segments) {
            let gutter = (begin + end) / 2.0;
            let stretches = stretches(&parted(&segments, begin, end), gutter);
            if !stretches.iter().any(|stretch| is_columns(stretch, gutter)) {
                continue;
            }
            let mut across = Vec::new();
            for stretch in stretches {
                if !is_columns(&stretch, gutter) {
                    across.extend(stretch);
                    continue;
                }
                if !across.is_empty() {
                    split(std::mem::take(&mut across), leftwards, depth - 1, blocks);
                }
                let (left, right): (Vec<_>, Vec<_>) =
                    stretch.into_iter().partition(|segment| is_left(segment, gutter));
                let columns = if leftwards { [right, left] } else { [left, right] };
                for column in columns {
                    split(column, leftwards, depth - 1, blocks);
                }
            }
            if !across.is_empty() {
                split(across, leftwards, depth - 1, blocks);
            }
            return;
        }
    }
    blocks.push(segments);
}

/// Gaps that most lines keep clear of, from the left edge to the right one, the best first.
fn gutters(segments: &[Segment]) -> Vec<(f64, f64)> {
    let mut places: Vec<f64> = segments.iter().map(|segment| segment.right() + 0.1).collect();
    places.sort_by(f64::total_cmp);
    places.dedup_by(|a, b| (*a - *b).abs() < 1.0);
    let step = places.len() / 300 + 1;
    let mut scored: Vec<(i64, (f64, f64))> = Vec::new();
    for place in places.into_iter().step_by(step) {
        let left = segments.iter().filter(|segment| segment.right() <= place).count();
        let right = segments.iter().filter(|segment| segment.left() >= place).count();
        let crossing = segments.len() - left - right;
        if left >= LINES && right >= LINES {
            scored.push((
                4 * left.min(right) as i64 - crossing as i64,
                edges(segments, place),
            ));
        }
    }
    scored.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.0.total_cmp(&b.1.0)));
    scored.into_iter().map(|(_, place)| place).take(TRIES).collect()
}

/// The edges of the gutter at `place`, by those of most lines: a page number may stand in it.
fn edges(segments: &[Segment], place: f64) -> (f64, f64) {
    let mut rights: Vec<f64> = segments
        .iter()
        .map(|segment| segment.right())
        .filter(|right| *right <= place)
        .collect();
    let mut lefts: Vec<f64> = segments
        .iter()
        .map(|segment| segment.left())
        .filter(|left| *left >= place)
        .collect();
    rights.sort_by(f64::total_cmp);
    lefts.sort_by(f64::total_cmp);
    let left = rights.get(rights.len() * 9 / 10).copied().unwrap_or(place);
    let right = lefts.get(lefts.len() / 10).copied().unwrap_or(place);
    (left, right)
}

/// The segments, those cut that go over the gutter with a gap as wide between two words: large headings side by side.
fn parted(segments: &[Segment], begin: f64, end: f64) -> Vec<Segment> {
    let gutter = (begin + end) / 2.0;
    let parts = segments.iter().flat_map(|segment| {
        let at = segment
            .words
            .partition_point(|word| (word.left + word.right) / 2.0 < gutter);
        let gap = match (
            at.checked_sub(1).and_then(|before| segment.words.get(before)),
            segment.words.get(at),
        ) {
            (Some(before), Some(after)) if before.right < gutter && after.left > gutter => {
                after.left - before.right
            }
            _ => 0.0,
        };
        let (left, right) = segment
            .words
            .split_at(if gap > PARTED * (end - begin) { at } else { 0 });
        [left, right].map(|words| Segment {
            row: segment.row,
            words: words.to_vec(),
        })
    });
    parts.filter(|segment| !segment.words.is_empty()).collect()
}

/// The region from top to bottom, cut where lines cross the gutter: lines across, and what lies between such.
fn stretches(segments: &[Segment], gutter: f64) -> Vec<Vec<Segment>> {
    let mut bands: Vec<(f64, f64)> = segments
        .iter()
        .filter(|segment| crosses(segment, gutter))
        .map(|segment| {
            (
                segment.base() - 0.8 * segment.size(),
                segment.base() + 0.3 * segment.size(),
            )
        })
        .collect();
    bands.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut merged: Vec<(f64, f64)> = Vec::new();
    for band in bands {
        match merged.last_mut() {
            Some(last) if band.0 <= last.1 => last.1 = last.1.max(band.1),
            _ => merged.push(band),
        }
    }
    // Even numbers are what lies between bands, odd ones the bands.
    let place = |segment: &Segment| {
        let middle = segment.base() - 0.25 * segment.size();
        let above = merged.partition_point(|band| band.0 <= middle);
        let inside = above.checked_sub(1).is_some_and(|band| middle <= merged[band].1);
        if inside { 2 * above - 1 } else { 2 * above }
    };
    let mut stretches: Vec<Vec<Segment>> = vec![Vec::new(); 2 * merged.len() + 1];
    for segment in segments {
        stretches[place(segment)].push(segment.clone());
    }
    stretches.retain(|stretch| !stretch.is_empty());
    stretches
}

/// Whether a segment goes from one side of the gutter to the other, or stands in it.
fn crosses(segment: &Segment, gutter: f64) -> bool {
    let (left, right) = (segment.left(), segment.right());
    let half = GUTTER / 2.0 * segment.size();
    let is_across = left < gutter - half && right > gutter + half;
    is_across || ((left + right) / 2.0 - gutter).abs() < half
}

/// Whether a segment stands left of the gutter; edges are not quite straight.
fn is_left(segment: &Segment, gutter: f64) -> bool {
    segment.left() + segment.right() < 2.0 * gutter
}

/// Whether `stretch` is prose on both sides of a gutter.
fn is_columns(stretch: &[Segment], gutter: f64) -> bool {
    let (left, right): (Vec<&Segment>, Vec<&Segment>) =
        stretch.iter().partition(|segment| is_left(segment, gutter));
    if stretch.iter().any(|segment| crosses(segment, gutter)) {
        return false;
    }
    // Beside a column of prose another may be broken by lists, tables and formulas.
    match (Side::of(&left), Side::of(&right)) {
        (Some(left), Some(right)) => {
            let full = left.full.min(right.full);
            (left.is_prose && right.is_prose)
                || (full >= LINES && (left.is_prose || right.is_prose))
                || full >= FULL
        }
        _ => false,
    }
}

/// What stands on one side of a gutter.
struct Side {
    /// Whether it is lines of words about as wide as the side.
    is_prose: bool,
    /// Lines that fill it.
    full: usize,
}

impl Side {
    /// None where there are too few lines to tell.
    fn of(side: &[&Segment]) -> Option<Self> {
        // Words set wide apart to fill a line are no cells.
        let mut pieces: Vec<(usize, f64, f64, usize)> = Vec::new();
        for segment in side {
            match pieces.last_mut() {
                Some((row, _, right, count))
                    if *row == segment.row && segment.left() - *right < CELL_GAP * segment.size() =>
                {
                    *right = segment.right();
                    *count += words(segment);
                }
                _ => pieces.push((segment.row, segment.left(), segment.right(), words(segment))),
            }
        }
        if pieces.len() < LINES {
            return None;
        }
        let count: usize = pieces.iter().map(|piece| piece.3).sum();
        let left = pieces.iter().map(|piece| piece.1).fold(f64::MAX, f64::min);
        let right = pieces.iter().map(|piece| piece.2).fold(f64::MIN, f64::max);
        let mut widths: Vec<f64> = pieces.iter().map(|piece| piece.2 - piece.1).collect();
        widths.sort_by(f64::total_cmp);
        let usual = widths.get(widths.len() / 2).copied().unwrap_or_default();
        let full = pieces
            .iter()
            .filter(|piece| piece.2 - piece.1 > NEARLY * (right - left) && piece.3 as f64 >= WORDS);
        Some(Self {
            is_prose: count as f64 >= WORDS * pieces.len() as f64 && usual >= FILLED * (right - left),
            full: full.count(),
        })
    }
}

/// Words of a segment. Scripts without blanks have some four signs to one.
fn words(segment: &Segment) -> usize {
    let signs = segment.words.iter().flat_map(|word| &word.signs);
    let ideographs = signs
        .filter(|sign| sign.chars().any(|c| u32::from(c) >= 0x2e80))
        .count();
    segment.words.len().max(ideographs / 4)
}
