//! The visible glyphs of each page, as the interpreter draws them.

use hayro_interpret::font::{Glyph as Drawn, GlyphRun};
use hayro_interpret::hayro_cmap::BfString;
use hayro_interpret::hayro_syntax::{Pdf, object::Dict, object::String as PdfString};
use hayro_interpret::kurbo::{Affine, BezPath, Point, Rect, Vec2};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache,
    InterpreterSettings, Paint, RenderContent, SoftMask, TransformExt as _, interpret_page,
};

use super::model::{Glyph, Page};
use super::visible::{Canvas, Ink};

/// Glyphs of one page. The densest pages of newspapers have some thirty thousand.
const MAX_GLYPHS: usize = 500_000;

/// Characters that may stand for one glyph in the words of a tagged file: a ligature, not a paragraph.
const ACTUAL_FOR_GLYPH: usize = 4;

/// The pages of `pdf`, one after the other.
pub(super) fn pages(pdf: &Pdf) -> impl Iterator<Item = Page> + '_ {
    let cache = InterpreterCache::new();
    let settings = InterpreterSettings {
        render_content: RenderContent::all(),
        ..InterpreterSettings::default()
    };
    pdf.pages().iter().map(move |page| {
        let (width, height) = page.render_dimensions();
        let bounds = Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
        let initial = page.initial_transform(true).to_kurbo();
        let mut context = Context::new(initial, bounds, &cache, pdf.xref(), settings.clone());
        let mut reader = Reader::new(bounds);
        interpret_page(page, &mut context, &mut reader);
        reader.finish()
    })
}

/// What a glyph is and where, before it is known whether it can be seen.
struct Found {
    glyph: Glyph,
    ink: Ink,
}

/// A device that keeps glyphs instead of drawing them.
struct Reader {
    page: Page,
    canvas: Canvas,
    found: Vec<Found>,
    /// Replacements by the words of a tagged file, innermost last: their text, and the first glyph they are for.
    actual: Vec<Option<(String, usize)>>,
}

impl Reader {
    fn new(bounds: Rect) -> Self {
        Self {
            page: Page {
                width: bounds.width(),
                height: bounds.height(),
                ..Page::default()
            },
            canvas: Canvas::new(bounds),
            found: Vec::new(),
            actual: Vec::new(),
        }
    }

    fn finish(mut self) -> Page {
        let canvas = &self.canvas;
        let seen = self.found.into_iter().filter(|found| canvas.shows(&found.ink));
        self.page.glyphs = seen.map(|found| found.glyph).collect();
        self.page
    }

    fn glyph(&mut self, drawn: &Drawn<'_>, place: Affine, vertical: bool) -> Option<Glyph> {
        let text = match drawn.as_unicode() {
            Some(BfString::Char(c)) => c.to_string(),
            Some(BfString::String(text)) => text,
            None => String::new(),
        };
        if text.is_empty() || text.chars().any(|c| c == '\u{fffd}' || c == '\0') {
            self.page.unmapped += 1;
            return None;
        }
        let units = match drawn {
            Drawn::Outline(glyph) => glyph.advance_width(),
            Drawn::Type3(glyph) => glyph.advance_width(),
        };
        let origin = place * Point::ZERO;
        let vector = |x: f64, y: f64| place * Point::new(x, y) - origin;
        let (across, up) = (vector(1000.0, 0.0), vector(0.0, 1000.0));
        let size = up.hypot();
        let (along, advance) = match vertical {
            false => (
                across,
                f64::from(units.unwrap_or(500.0)) / 1000.0 * across.hypot(),
            ),
            true => (-up, size),
        };
        let length = along.hypot();
        let usable = size.is_finite() && origin.is_finite() && size > 0.01 && length > 0.0;
        usable.then(|| Glyph {
            text,
            x: origin.x,
            y: origin.y,
            direction: along / length,
            advance: advance.max(0.0),
            size,
        })
    }
}

impl<'a> Device<'a> for Reader {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, mode: &DrawMode) {
        let vertical = run.writing_mode() == hayro_interpret::hayro_cmap::WritingMode::Vertical;
        // Filled, then stroked: the same glyphs again. The copies fall to the next step.
        let invisible = matches!(mode, DrawMode::Invisible);
        let color = color(&props.paint);
        let mut before: Option<usize> = None;
        for drawn in run.glyphs() {
            if self.found.len() >= MAX_GLYPHS {
                return;
            }
            let place = props.transform * drawn.transform();
            let Some(glyph) = self.glyph(drawn, place, vertical) else {
                continue;
            };
            // A font in place of one that is not there may be stretched: the next glyph says where this one ends.
            if let Some(before) = before {
                let before = &mut self.found[before].glyph;
                let distance = Vec2::new(glyph.x - before.x, glyph.y - before.y).dot(before.direction);
                if distance > 0.1 * before.size && distance < before.advance {
                    before.advance = distance;
                }
            }
            before = Some(self.found.len());
            let up = Vec2::new(glyph.direction.y, -glyph.direction.x);
            let middle = glyph.direction * (glyph.advance / 2.0) + up * (glyph.size * 0.3);
            let ink = self.canvas.ink(
                Point::new(glyph.x, glyph.y) + middle,
                glyph.size,
                color,
                invisible,
            );
            self.found.push(Found { glyph, ink });
        }
    }

    fn draw_path(&mut self, path: &BezPath, props: DrawProps<'a>, mode: &DrawMode) {
        if let DrawMode::Fill(rule) = mode
            && props.soft_mask.is_none()
            && props.blend_mode == BlendMode::Normal
        {
            let path = props.transform * path.clone();
            self.canvas.fill(path, *rule, color(&props.paint));
        }
    }

    fn draw_image(&mut self, image: Image<'a, '_>, props: ImageDrawProps<'a>) {
        let size = Rect::new(0.0, 0.0, f64::from(image.width()), f64::from(image.height()));
        self.canvas.image(props.transform.transform_rect_bbox(size));
    }

    fn push_clip_path(&mut self, clip: &ClipPath) {
        self.canvas.clip(clip.path.clone(), clip.fill);
    }

    fn pop_clip(&mut self) {
        self.canvas.unclip();
    }

    fn push_transparency_group(&mut self, opacity: f32, _: Option<SoftMask<'a>>, _: BlendMode) {
        self.canvas.group(opacity);
    }

    fn pop_transparency_group(&mut self) {
        self.canvas.ungroup();
    }

    fn begin_marked_content(&mut self, _: &[u8], properties: Option<&Dict<'_>>) {
        let actual =
            properties.and_then(|properties| properties.get::<PdfString<'_>>(b"ActualText" as &[u8]));
        let first = self.found.len();
        self.actual
            .push(actual.map(|text| (decoded(text.as_bytes()), first)));
    }

    fn end_marked_content(&mut self) {
        let Some(Some((text, first))) = self.actual.pop() else {
            return;
        };
        let Some(glyphs) = self.found.get_mut(first..).filter(|glyphs| !glyphs.is_empty()) else {
            return;
        };
        if text.chars().count() > glyphs.len() * ACTUAL_FOR_GLYPH {
            return;
        }
        let readable = |c: &char| !c.is_control();
        let text: String = text.chars().filter(readable).collect();
        // What is one word stands in its first glyph; words are told apart by their places.
        if text.contains(char::is_whitespace) {
            return;
        }
        if let [.., last] = &*glyphs {
            let (x, y, advance) = (last.glyph.x, last.glyph.y, last.glyph.advance);
            let begin = &mut glyphs[0].glyph;
            begin.advance = Vec2::new(x - begin.x, y - begin.y).dot(begin.direction).max(0.0) + advance;
            begin.text = text;
        }
        self.found.truncate(first + 1);
    }
}

/// The colour of a paint with its opacity; patterns have none of their own.
fn color(paint: &Paint<'_>) -> Option<[f32; 4]> {
    match paint {
        Paint::Color(color) => Some(color.to_rgba().components()),
        Paint::Pattern(_) => None,
    }
}

/// A text string of a PDF: UTF-16 or UTF-8 with a mark, else close enough to Latin-1.
fn decoded(bytes: &[u8]) -> String {
    match bytes {
        [0xfe, 0xff, rest @ ..] => encoding_rs::UTF_16BE
            .decode_without_bom_handling(rest)
            .0
            .into_owned(),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => encoding_rs::WINDOWS_1252
            .decode_without_bom_handling(bytes)
            .0
            .into_owned(),
    }
}
