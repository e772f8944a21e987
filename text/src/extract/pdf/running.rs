//! What runs with the pages: heads, feet and numbers.

use std::collections::HashMap;

use super::lines::text;
use super::model::{Leaf, Segment, Word};

/// Lines at the top and at the bottom of a page that may run with it.
const OUTERMOST: usize = 3;

/// How far heads may be from page to page, in points.
const SHIFT: f64 = 6.0;

/// The height of a page in which heads and feet stand, from its edges.
const MARGIN: f64 = 0.14;

/// Pages whose heads have other words, but numbers that count with them.
const COUNTING: usize = 3;

/// How far heads are from the text, in heights of their letters.
const DETACHED: f64 = 1.7;

/// What stands before the number of a page.
const PAGE_WORDS: [&str; 6] = ["page", "seite", "pagina", "página", "p.", "s."];

/// Where a line at an edge of a page stands.
struct Edge {
    page: usize,
    row: usize,
    /// Its text without digits.
    pattern: String,
    numbers: Vec<i64>,
    base: f64,
    in_margin: bool,
    /// Whether it is the first or last line.
    outermost: bool,
    /// Whether it stands apart from the text.
    detached: bool,
    /// Whether its number stands apart from its words.
    parts: bool,
}

/// Drops the lines that run with the pages: the same text at the same place of several, and numbers that count with
/// them. A number that only stands where page numbers do is text.
pub(super) fn drop(pages: &mut [Leaf]) {
    let edges: Vec<Edge> = pages
        .iter()
        .enumerate()
        .flat_map(|(page, leaf)| edges(page, leaf))
        .collect();
    let mut groups: HashMap<&str, Vec<&Edge>> = HashMap::new();
    for edge in &edges {
        groups.entry(&edge.pattern).or_default().push(edge);
    }
    let mut dropped: Vec<(usize, usize)> = Vec::new();
    for (pattern, group) in &groups {
        // "Exercise 1" and "Exercise 2" may be headings that begin two pages.
        let words = pattern.chars().filter(|c| c.is_alphabetic()).count();
        let is_number = words == 0
            || PAGE_WORDS
                .iter()
                .any(|word| pattern.to_lowercase().starts_with(word));
        for edge in group {
            let beside = |other: &&&Edge| other.page != edge.page && (other.base - edge.base).abs() <= SHIFT;
            let same = |other: &&&Edge| edge.numbers == other.numbers && edge.in_margin && *pattern != "#";
            let counting = |other: &&&Edge| {
                let counts =
                    |(here, there): (&i64, &i64)| here - edge.page as i64 == there - other.page as i64;
                let numbers = || edge.numbers.iter().zip(&other.numbers);
                let all = numbers().any(counts) && numbers().all(|pair| counts(pair) || pair.0 == pair.1);
                all && (edge.in_margin || (edge.outermost && is_number))
            };
            let alike = group
                .iter()
                .filter(beside)
                .filter(|other| same(other) || counting(other));
            let alike: Vec<&&Edge> = alike.take(2).collect();
            let runs = match &*alike {
                [] => false,
                [other] if same(other) => edge.detached || other.detached || edge.parts,
                [_] => is_number || edge.parts,
                _ => true,
            };
            if runs {
                dropped.push((edge.page, edge.row));
            }
        }
    }
    // Chapters change the words of a head, not where its number stands.
    let heads = || edges.iter().filter(|edge| edge.in_margin && edge.outermost);
    let band = |edge: &Edge| (edge.base / SHIFT).round() as i64;
    let offsets = |edge: &Edge| {
        edge.numbers
            .iter()
            .map(|number| number - edge.page as i64)
            .collect::<Vec<_>>()
    };
    let mut counting: HashMap<(i64, i64), usize> = HashMap::new();
    for edge in heads() {
        for offset in offsets(edge) {
            *counting.entry((band(edge), offset)).or_default() += 1;
        }
    }
    for edge in heads() {
        let pages = |offset| {
            (-1..=1)
                .filter_map(|shift| counting.get(&(band(edge) + shift, offset)))
                .sum::<usize>()
        };
        if offsets(edge).into_iter().any(|offset| pages(offset) >= COUNTING) {
            dropped.push((edge.page, edge.row));
        }
    }
    dropped.sort_unstable();
    for (page, leaf) in pages.iter_mut().enumerate() {
        for frame in leaf.frames.iter_mut().take(1) {
            frame
                .segments
                .retain(|segment| dropped.binary_search(&(page, segment.row)).is_err());
        }
    }
}

/// The lines at the edges of a page.
fn edges(page: usize, leaf: &Leaf) -> Vec<Edge> {
    let Some(frame) = leaf.frames.first() else {
        return Vec::new();
    };
    // Baselines are numbered from the top.
    let rows: Vec<&[Segment]> = frame.segments.chunk_by(|a, b| a.row == b.row).collect();
    let count = rows.len();
    let base = |at: usize| rows.get(at).map(|row| row[0].base());
    let edge = |(at, row): (usize, &&[Segment])| {
        let is_edge = at < OUTERMOST || at + OUTERMOST >= count;
        is_edge.then(|| {
            let words: Vec<Word> = row.iter().flat_map(|segment| segment.words.clone()).collect();
            let (pattern, numbers) = pattern(&text(&words));
            let inwards = if at * 2 < count {
                at + 1
            } else {
                at.wrapping_sub(1)
            };
            let place = row[0].base();
            let distance = base(inwards).map_or(f64::MAX, |next| (next - place).abs());
            Edge {
                page,
                row: row[0].row,
                pattern,
                numbers,
                base: place,
                in_margin: place < MARGIN * leaf.height || place > (1.0 - MARGIN) * leaf.height,
                outermost: at == 0 || at + 1 == count,
                detached: distance > DETACHED * row[0].size(),
                parts: row.len() > 1,
            }
        })
    };
    rows.iter().enumerate().filter_map(edge).collect()
}

/// `text` with a `#` for each number, and the numbers; a text that is a small Roman number is that number.
fn pattern(text: &str) -> (String, Vec<i64>) {
    if let Some(number) = roman(text.trim()) {
        return ("#".to_owned(), vec![number]);
    }
    let (mut pattern, mut numbers, mut digits) = (String::new(), Vec::new(), String::new());
    for c in text.trim().chars().chain([' ']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            pattern.push('#');
            numbers.push(digits.parse().unwrap_or(-1));
            digits.clear();
        }
        pattern.push(c);
    }
    (pattern.trim_end().to_owned(), numbers)
}

/// The value of a small Roman number.
fn roman(text: &str) -> Option<i64> {
    let value = |c| {
        Some(match c {
            'i' => 1,
            'v' => 5,
            'x' => 10,
            'l' => 50,
            'c' => 100,
            _ => return None,
        })
    };
    let values: Vec<i64> = text.chars().map(value).collect::<Option<_>>()?;
    let signed = |at: usize| {
        if values.get(at + 1).is_some_and(|next| *next > values[at]) {
            -values[at]
        } else {
            values[at]
        }
    };
    (!values.is_empty() && values.len() < 9).then(|| (0..values.len()).map(signed).sum())
}
