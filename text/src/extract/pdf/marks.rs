//! From the signs that were drawn to the characters that are meant: what is drawn twice once, accents on their
//! letters, letters instead of their shapes.

use std::collections::HashMap;

use unicode_normalization::{UnicodeNormalization as _, char::canonical_combining_class};

use super::model::Glyph;

/// How far from a sign, in heights of its font, the same sign is its shadow or its bold face.
const SHADOW: f64 = 0.12;

/// Points a side of the squares in which signs are looked up.
const CELL: f64 = 8.0;

/// Accents that stand alone in fonts, with those that combine.
const ACCENTS: [(char, char); 15] = [
    ('`', '\u{300}'),
    ('´', '\u{301}'),
    ('^', '\u{302}'),
    ('ˆ', '\u{302}'),
    ('~', '\u{303}'),
    ('˜', '\u{303}'),
    ('¯', '\u{304}'),
    ('˘', '\u{306}'),
    ('˙', '\u{307}'),
    ('¨', '\u{308}'),
    ('˚', '\u{30a}'),
    ('˝', '\u{30b}'),
    ('ˇ', '\u{30c}'),
    ('¸', '\u{327}'),
    ('˛', '\u{328}'),
];

/// The signs without those drawn twice, accents and marks joined with the letters they stand on.
pub(super) fn settle(glyphs: Vec<Glyph>) -> Vec<Glyph> {
    let mut glyphs = once(glyphs);
    for glyph in &mut glyphs {
        glyph.text = letters(&glyph.text);
    }
    for at in 0..glyphs.len() {
        let Some(mark) = mark(&glyphs[at].text) else {
            continue;
        };
        // TeX draws the accent first, others the letter.
        let near = [at + 1, at.wrapping_sub(1), at + 2, at.wrapping_sub(2)];
        let on = near.into_iter().find(|on| {
            glyphs
                .get(*on)
                .is_some_and(|base| carries(base, &glyphs[at], mark))
        });
        if let Some(on) = on {
            glyphs[at].text.clear();
            let base = &mut glyphs[on].text;
            *base = composed(base, mark);
        }
    }
    glyphs.retain(|glyph| !glyph.text.is_empty());
    glyphs
}

/// The signs, each once.
fn once(glyphs: Vec<Glyph>) -> Vec<Glyph> {
    // By text and cell, wide enough that a shadow falls into the same one or one beside it.
    let mut seen: HashMap<(String, i64, i64), Vec<(f64, f64)>> = HashMap::new();
    let mut kept = Vec::with_capacity(glyphs.len());
    for glyph in glyphs {
        let reach = (SHADOW * glyph.size).max(0.1);
        let cell = |x: f64| (x / CELL).floor() as i64;
        let (columns, rows) = (
            cell(glyph.x - reach)..=cell(glyph.x + reach),
            cell(glyph.y - reach)..=cell(glyph.y + reach),
        );
        let mut around = columns.flat_map(|column| rows.clone().map(move |row| (column, row)));
        let is_shadow = around.any(|(column, row)| {
            let others = seen.get(&(glyph.text.clone(), column, row));
            let near = |(x, y): &(f64, f64)| (x - glyph.x).abs() <= reach && (y - glyph.y).abs() <= reach;
            others.is_some_and(|others| others.iter().any(near))
        });
        if !is_shadow {
            let place = (glyph.text.clone(), cell(glyph.x), cell(glyph.y));
            seen.entry(place).or_default().push((glyph.x, glyph.y));
            kept.push(glyph);
        }
    }
    kept
}

/// The mark a sign is no more than.
fn mark(text: &str) -> Option<char> {
    let mut chars = text.chars();
    let (Some(c), None) = (chars.next(), chars.next()) else {
        return None;
    };
    let alone = ACCENTS
        .iter()
        .find(|(accent, _)| *accent == c)
        .map(|(_, combining)| *combining);
    alone.or_else(|| (canonical_combining_class(c) != 0).then_some(c))
}

/// Whether `glyph` is the letter that `accent` stands on.
fn carries(glyph: &Glyph, accent: &Glyph, mark: char) -> bool {
    let (dx, dy) = (accent.x - glyph.x, accent.y - glyph.y);
    let along = dx * glyph.direction.x + dy * glyph.direction.y + accent.advance / 2.0;
    let across = (dy * glyph.direction.x - dx * glyph.direction.y).abs();
    let over = along > -0.1 * glyph.advance && along < 1.1 * glyph.advance;
    // Marks without a width of their own are placed by their fonts.
    let beside = canonical_combining_class(mark) != 0
        && accent.advance < 0.1 * accent.size
        && along.abs() < 1.3 * glyph.advance;
    let fits = glyph.text.chars().next_back().is_some_and(|base| {
        let is_accent = ACCENTS
            .iter()
            .any(|(accent, combining)| *combining == mark && accent != &mark);
        base.is_alphabetic()
            && (!is_accent || composed(&glyph.text, mark).chars().count() == glyph.text.chars().count())
    });
    fits && (over || beside) && across < 0.8 * glyph.size
}

/// `base` with the mark, as one character where there is one.
fn composed(base: &str, mark: char) -> String {
    // Fonts have an `i` without its dot for this.
    let base = base.replace('ı', "i").replace('ȷ', "j");
    base.chars().chain([mark]).nfc().collect()
}

/// The letters behind shapes: ligatures, the forms of Arabic letters, the bullets of symbol fonts.
fn letters(text: &str) -> String {
    let mut letters = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{fb00}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' => letters.extend(c.to_string().nfkc()),
            '\u{f0b7}' | '\u{f0a8}' => letters.push('•'),
            '\u{f0a7}' => letters.push('▪'),
            '\u{f0d8}' => letters.push('➢'),
            '\u{f0e0}' => letters.push('→'),
            // Symbol fonts put ASCII there; other places are a font's own.
            '\u{f020}'..='\u{f07e}' => letters.push(char::from_u32(u32::from(c) - 0xf000).unwrap_or(' ')),
            '\u{e000}'..='\u{f8ff}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'
            | '\u{feff}' => {}
            c if c.is_control() && !c.is_whitespace() => {}
            c => letters.push(c),
        }
    }
    letters
}
