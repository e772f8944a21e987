//! Text in lines: which font has which letter, which way a script runs, and where lines break.
//!
//! The executable has fonts of Latin, Greek, Cyrillic and Hebrew letters; those of other scripts come from a directory.
//! What no font has is written in Latin letters, and the caller hears of it, because the page has to say so.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
};

use deunicode::deunicode_char;
use krilla::{
    geom::Point,
    surface::Surface,
    text::{Font, GlyphId, KrillaGlyph, Tag},
};
use parley::{
    Alignment, FontContext, FontFamilyName, FontStyle, Layout, LayoutContext, OverflowWrap, StyleProperty,
    fontique::{Blob, Collection, CollectionOptions},
};
use unicode_normalization::UnicodeNormalization as _;

/// How a text looks.
#[derive(Debug)]
pub(super) struct Style {
    family: &'static str,
    slant: FontStyle,
}

/// For titles and names.
pub(super) const ROMAN: Style = Style {
    family: "Libertinus Serif",
    slant: FontStyle::Normal,
};

/// For the words between them.
pub(super) const ITALIC: Style = Style {
    family: "Libertinus Serif",
    slant: FontStyle::Italic,
};

/// For codes and paths.
pub(super) const MONO: Style = Style {
    family: "DejaVu Sans Mono",
    slant: FontStyle::Normal,
};

/// The fonts there are.
pub(crate) struct Letters {
    fonts: Mutex<FontContext>,
    /// The families of the directory.
    others: Vec<String>,
}

/// A text in Unicode's composed form, with one space for any white space.
#[derive(Debug, PartialEq)]
pub(super) struct Printable {
    pub(super) text: String,
    /// Whether it says something else than what was registered.
    pub(super) changed: bool,
}

/// A text in lines of a width, ready to be drawn.
pub(super) struct Lines {
    text: String,
    layout: Layout<()>,
}

impl Letters {
    /// The fonts of the executable and those below a directory.
    pub(crate) fn open(directory: &Path) -> Self {
        let mut fonts = Collection::new(CollectionOptions {
            system_fonts: false,
            ..CollectionOptions::default()
        });
        fonts.load_fonts_from_paths([directory]);
        let mut others: Vec<String> = fonts.family_names().map(str::to_owned).collect();
        others.sort_unstable();
        if others.is_empty() {
            tracing::warn!(directory = %directory.display(), "no fonts: certificates have Latin, Greek, Cyrillic and Hebrew letters only (`smartcourse doctor --fix` fetches the others)");
        }
        for font in typst_assets::fonts() {
            fonts.register_fonts(Blob::new(Arc::new(font)), None);
        }
        Self {
            fonts: Mutex::new(FontContext {
                collection: fonts,
                ..FontContext::default()
            }),
            others,
        }
    }

    /// The text as it can be printed.
    pub(super) fn printable(&self, text: &str) -> Printable {
        let text = words(&text.nfc().collect::<String>());
        let missing = self.lines(&ROMAN, 10.0, f32::INFINITY, &text).missing();
        let changed = missing.contains(&true);
        let latin = |(at, letter): (usize, char)| match missing[at] {
            true => deunicode_char(letter).unwrap_or("?").to_owned(),
            false => letter.to_string(),
        };
        Printable {
            // Transliterated words bring spaces of their own.
            text: words(&text.char_indices().map(latin).collect::<String>()),
            changed,
        }
    }

    /// The text in centred lines.
    pub(super) fn lines(&self, style: &Style, size: f32, width: f32, text: &str) -> Lines {
        let ours = std::iter::once(style.family);
        let (preferred, rest): (Vec<&str>, Vec<&str>) = self
            .others
            .iter()
            .map(String::as_str)
            .partition(|family| family.ends_with(han(text)));
        let families: Vec<FontFamilyName<'_>> = ours
            .chain(preferred)
            .chain(rest)
            .map(|family| FontFamilyName::Named(family.into()))
            .collect();

        let mut fonts = self.fonts.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut context = LayoutContext::new();
        let mut builder = context.ranged_builder(&mut fonts, text, 1.0, false);
        builder.push_default(StyleProperty::FontFamily(families.as_slice().into()));
        builder.push_default(StyleProperty::FontStyle(style.slant));
        builder.push_default(StyleProperty::FontSize(size));
        builder.push_default(OverflowWrap::Anywhere);
        let mut layout: Layout<()> = builder.build(text);
        layout.break_all_lines(Some(width));
        if width.is_finite() {
            layout.align(Alignment::Center, parley::AlignmentOptions::default());
        }
        Lines {
            text: text.to_owned(),
            layout,
        }
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How the families end whose Chinese characters have the shapes readers of this text expect.
fn han(text: &str) -> &'static str {
    if text.contains(|letter| ('\u{3040}'..='\u{30ff}').contains(&letter)) {
        " JP"
    } else if text.contains(|letter| ('\u{ac00}'..='\u{d7a3}').contains(&letter)) {
        " KR"
    } else {
        " SC"
    }
}

impl Lines {
    pub(super) fn height(&self) -> f32 {
        self.layout.height()
    }

    #[cfg(test)]
    pub(super) fn width(&self) -> f32 {
        self.layout.width()
    }

    /// From the top to what the letters of the first line stand on.
    pub(super) fn baseline(&self) -> f32 {
        self.layout.first_baseline().unwrap_or_default()
    }

    /// For each byte whether no font has its letter.
    fn missing(&self) -> Vec<bool> {
        let mut missing = vec![false; self.text.len()];
        let runs = self.layout.lines().flat_map(|line| line.runs());
        for cluster in runs.flat_map(|run| run.clusters()) {
            if cluster.glyphs().any(|glyph| glyph.id == 0) {
                missing[cluster.text_range()].fill(true);
            }
        }
        missing
    }

    /// Draws as many lines as fit into a height.
    pub(super) fn draw(&self, surface: &mut Surface<'_>, left: f32, top: f32, height: f32) {
        let mut fonts = HashMap::new();
        for line in self.layout.lines() {
            let metrics = line.metrics();
            if metrics.block_max_coord > height {
                break;
            }
            let mut x = left + metrics.offset;
            for run in line.runs() {
                let file = run.font();
                let coordinates: Vec<(Tag, f32)> = run
                    .synthesis()
                    .variation_settings()
                    .iter()
                    .map(|(tag, value)| (Tag::new(&tag.into_bytes()), *value))
                    .collect();
                let font = fonts.entry((file.data.id(), file.index)).or_insert_with(|| {
                    let (data, _) = file.data.clone().into_raw_parts();
                    Font::new_variable(data.into(), file.index, &coordinates)
                });
                let glyphs = glyphs(&run);
                if let Some(font) = font {
                    let at = Point::from_xy(x, top + metrics.baseline);
                    surface.draw_glyphs(at, &glyphs, font.clone(), &self.text, run.font_size(), false);
                }
                x += run.advance();
            }
        }
    }
}

/// The glyphs of a run from left to right, each with the letters it stands for.
fn glyphs(run: &parley::layout::Run<'_, ()>) -> Vec<KrillaGlyph> {
    let size = run.font_size();
    let mut glyphs: Vec<KrillaGlyph> = Vec::new();
    // Where the letters end that a ligature joins, when the first of them comes last.
    let mut end = None;
    for cluster in run.visual_clusters() {
        let mut range = cluster.text_range();
        if cluster.is_ligature_continuation() {
            if run.is_rtl() {
                end.get_or_insert(range.end);
            } else if let Some(glyph) = glyphs.last_mut() {
                glyph.text_range.end = range.end;
            }
            continue;
        }
        range.end = end.take().unwrap_or(range.end);
        glyphs.extend(cluster.glyphs().map(|glyph| {
            KrillaGlyph::new(
                GlyphId::new(glyph.id),
                glyph.advance / size,
                glyph.x / size,
                glyph.y / size,
                0.0,
                range.clone(),
                None,
            )
        }));
    }
    glyphs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_font_has_becomes_latin_and_says_so() {
        let letters = Letters::open(Path::new("/nonexistent"));
        let printable = |text| letters.printable(text);
        for (registered, text, changed) in [
            ("Zoë  Šœ – €", "Zoë Šœ – €", false),
            ("Zoe\u{308}", "Zoë", false),
            ("王小明 Анна", "Wang Xiao Ming Анна", true),
            ("\u{10ffff}", "?", true),
            ("", "", false),
        ] {
            let text = text.to_owned();
            assert_eq!(printable(registered), Printable { text, changed });
        }
    }
}
