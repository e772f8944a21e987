//! Whether what is drawn can be seen: within the clip, in a colour that stands out, under nothing.

use hayro_interpret::FillRule;
use hayro_interpret::kurbo::{BezPath, Point, Rect, Shape as _};

/// Shapes of one page that may hide text. Those of drawings beyond it do not.
const MAX_SHAPES: usize = 2000;

/// Elements of a path that is followed exactly; of more, such as text that clips, the bounds are good enough.
const MAX_ELEMENTS: usize = 64;

/// Opacity below which nothing is seen.
const FAINT: f32 = 0.05;

/// Opacity above which nothing is seen behind.
const SOLID: f32 = 0.95;

/// How far a colour's channels must be from those behind.
const CONTRAST: f32 = 0.06;

/// What is known of a glyph when it is drawn.
pub(super) struct Ink {
    /// Its middle.
    middle: Point,
    /// Whether it was drawn at all: within the clip, and not transparent.
    drawn: bool,
    /// Whether it is drawn without ink, as the text that recognition puts over a scanned page.
    invisible: bool,
    /// The shapes drawn before it.
    before: usize,
    size: f64,
}

/// A path and what is inside of it.
struct Outline {
    path: BezPath,
    even_odd: bool,
}

impl Outline {
    /// The outline, unless it is just its bounds or has too many parts.
    fn of(path: BezPath, rule: FillRule) -> Option<Self> {
        let elements = path.elements().len();
        let is_box = elements <= 6 && path.area().abs() > 0.98 * path.bounding_box().area();
        (!is_box && elements <= MAX_ELEMENTS).then_some(Self {
            path,
            even_odd: rule == FillRule::EvenOdd,
        })
    }

    fn contains(&self, place: Point) -> bool {
        let winding = self.path.winding(place);
        if self.even_odd {
            winding % 2 != 0
        } else {
            winding != 0
        }
    }
}

/// A filled shape.
struct Filled {
    bounds: Rect,
    /// Its outline, where that is not its bounds.
    outline: Option<Outline>,
    color: [f32; 3],
}

impl Filled {
    fn contains(&self, place: Point) -> bool {
        self.bounds.contains(place)
            && self
                .outline
                .as_ref()
                .is_none_or(|outline| outline.contains(place))
    }
}

/// The page, as far as it hides text.
pub(super) struct Canvas {
    clips: Vec<(Rect, Option<Outline>)>,
    opacities: Vec<f32>,
    shapes: Vec<Filled>,
    /// Pictures, and what else has no one colour.
    images: Vec<Rect>,
}

impl Canvas {
    pub(super) fn new(bounds: Rect) -> Self {
        Self {
            // What stands at the edge of the page is judged by lines.
            clips: vec![(bounds.inflate(1e6, 1e6), None)],
            opacities: vec![1.0],
            shapes: Vec::new(),
            images: Vec::new(),
        }
    }

    /// What is known of a glyph with this middle, drawn now.
    pub(super) fn ink(&self, middle: Point, size: f64, color: Option<[f32; 4]>, invisible: bool) -> Ink {
        let opacity = self.opacities.last().copied().unwrap_or(1.0) * color.map_or(1.0, |color| color[3]);
        let within = self.clips.iter().all(|(bounds, outline)| {
            bounds.contains(middle) && outline.as_ref().is_none_or(|outline| outline.contains(middle))
        });
        let stands_out = color.is_none_or(|[red, green, blue, _]| {
            self.behind(middle).is_none_or(|behind| {
                let differs = |(a, b): (f32, f32)| (a - b).abs() > CONTRAST;
                [red, green, blue].into_iter().zip(behind).any(differs)
            })
        });
        Ink {
            middle,
            drawn: within && opacity > FAINT && (stands_out || invisible),
            invisible,
            before: self.shapes.len(),
            size,
        }
    }

    /// Whether the glyph is seen, when everything is drawn.
    pub(super) fn shows(&self, ink: &Ink) -> bool {
        let covered = || {
            let later = self.shapes.get(ink.before..).unwrap_or_default();
            later.iter().any(|shape| shape.contains(ink.middle))
        };
        let on_image = || self.images.iter().any(|image| image.contains(ink.middle));
        // Recognised text is what readers of a scan see.
        ink.drawn
            && ink.size > 0.5
            && if ink.invisible {
                on_image()
            } else {
                !covered() || on_image()
            }
    }

    /// The colour at a place now; none where it is not one, or not known.
    fn behind(&self, place: Point) -> Option<[f32; 3]> {
        let is_picture = self.images.iter().any(|image| image.contains(place));
        if is_picture || self.shapes.len() >= MAX_SHAPES {
            return None;
        }
        let top = self.shapes.iter().rev().find(|shape| shape.contains(place));
        Some(top.map_or([1.0; 3], |shape| shape.color))
    }

    pub(super) fn fill(&mut self, path: BezPath, rule: FillRule, color: Option<[f32; 4]>) {
        let bounds = path.bounding_box();
        let clipped = self
            .clips
            .iter()
            .fold(bounds, |bounds, (clip, _)| bounds.intersect(*clip));
        // Rules and dots hide nothing.
        if clipped.width() < 2.0 || clipped.height() < 2.0 {
            return;
        }
        let opacity = self.opacities.last().copied().unwrap_or(1.0);
        match color {
            Some([red, green, blue, alpha]) if path.elements().len() <= MAX_ELEMENTS => {
                if alpha * opacity > SOLID && self.shapes.len() < MAX_SHAPES {
                    self.shapes.push(Filled {
                        bounds: clipped,
                        outline: Outline::of(path, rule),
                        color: [red, green, blue],
                    });
                }
            }
            _ => self.image(clipped),
        }
    }

    pub(super) fn image(&mut self, bounds: Rect) {
        if self.images.len() < MAX_SHAPES {
            self.images.push(bounds);
        }
    }

    pub(super) fn clip(&mut self, path: BezPath, rule: FillRule) {
        self.clips.push((path.bounding_box(), Outline::of(path, rule)));
    }

    pub(super) fn unclip(&mut self) {
        if self.clips.len() > 1 {
            self.clips.pop();
        }
    }

    pub(super) fn group(&mut self, opacity: f32) {
        let below = self.opacities.last().copied().unwrap_or(1.0);
        self.opacities.push(below * opacity);
    }

    pub(super) fn ungroup(&mut self) {
        if self.opacities.len() > 1 {
            self.opacities.pop();
        }
    }
}
