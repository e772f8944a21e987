//! The pictures of a page as one, for what recognises text in it.

use hayro_interpret::font::GlyphRun;
use hayro_interpret::hayro_syntax::{Pdf, page::Page};
use hayro_interpret::kurbo::{Affine, BezPath, Point, Rect};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageData, ImageDrawProps,
    InterpreterCache, InterpreterSettings, LumaData, SoftMask, TransformExt as _, interpret_page,
};

/// Dots of a picture: a page of A4 has so many at 250 to the inch, which is enough to recognise letters of any size.
const MAX_DOTS: f64 = 6e6;

/// Dots along one side, whatever the shape of the page.
const MAX_SIDE: f64 = 20_000.0;

/// Dots for each unit of the page that no picture has more of.
const MAX_SCALE: f64 = 10.0;

/// Draws the pictures of a page of `pdf`, as a "portable graymap"; empty if it has none.
pub(super) fn of_page(pdf: &Pdf, page: &Page<'_>) -> Vec<u8> {
    let (width, height) = page.render_dimensions();
    let bounds = Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
    let cache = InterpreterCache::new();
    let draw = |device: &mut dyn FnMut(Image<'_, '_>, Affine)| {
        let initial = page.initial_transform(true).to_kurbo();
        let mut context = Context::new(
            initial,
            bounds,
            &cache,
            pdf.xref(),
            InterpreterSettings::default(),
        );
        interpret_page(page, &mut context, &mut Pictures(device));
    };
    // As fine as the finest picture.
    let mut scale = 0.0_f64;
    draw(&mut |image, transform| {
        let [a, b, ..] = transform.as_coeffs();
        let size = a.hypot(b);
        if size > 0.0 && image.width() > 8 && image.height() > 8 {
            scale = scale.max(1.0 / size);
        }
    });
    let area = (bounds.width() * bounds.height()).max(1.0);
    let scale = scale.min((MAX_DOTS / area).sqrt()).min(MAX_SCALE);
    let side = |length: f64| (length * scale).clamp(0.0, MAX_SIDE) as usize;
    let mut canvas = Canvas {
        width: side(bounds.width()),
        height: side(bounds.height()),
        dots: Vec::new(),
    };
    if canvas.width == 0 || canvas.height == 0 {
        return Vec::new();
    }
    canvas.dots = vec![255; canvas.width * canvas.height];
    draw(&mut |image, transform| {
        let transform = Affine::scale(scale) * transform;
        match image {
            Image::Stencil(stencil) => stencil.with_stencil(
                // What is drawn through a mask is taken for ink.
                |mask, _| canvas.draw(&mask, None, Some(&mask), transform),
                None,
            ),
            Image::Raster(raster) => raster.with_rgba(
                |data, alpha| {
                    let gray = gray(data);
                    canvas.draw(&gray, Some(&gray), alpha.as_ref(), transform);
                },
                None,
            ),
        }
    });
    let mut file = format!("P5\n{} {}\n255\n", canvas.width, canvas.height).into_bytes();
    file.append(&mut canvas.dots);
    file
}

/// A picture without its colours.
fn gray(data: ImageData) -> LumaData {
    match data {
        ImageData::Luma(luma) => luma,
        ImageData::Rgb(rgb) => {
            let dots = rgb.data.chunks_exact(3).map(|dot| {
                let [red, green, blue] = [dot[0], dot[1], dot[2]].map(u32::from);
                u8::try_from((red * 3 + green * 6 + blue) / 10).unwrap_or(255)
            });
            LumaData {
                data: dots.collect(),
                width: rgb.width,
                height: rgb.height,
                interpolate: rgb.interpolate,
                scale_factors: rgb.scale_factors,
            }
        }
    }
}

struct Canvas {
    width: usize,
    height: usize,
    dots: Vec<u8>,
}

impl Canvas {
    /// Draws `picture`, black if it is none, through `mask`. `place` leads from the dots of `shape` to ours.
    fn draw(&mut self, shape: &LumaData, picture: Option<&LumaData>, mask: Option<&LumaData>, place: Affine) {
        let (width, height) = (f64::from(shape.width), f64::from(shape.height));
        let reached = place.transform_rect_bbox(Rect::new(0.0, 0.0, width, height));
        let inverse = place.inverse();
        if !inverse.is_finite() {
            return;
        }
        let range =
            |from: f64, to: f64, end: usize| (from.max(0.0) as usize)..(to.ceil().max(0.0) as usize).min(end);
        for y in range(reached.y0, reached.y1, self.height) {
            for x in range(reached.x0, reached.x1, self.width) {
                // Four places in the dot, since it may be of several of the picture.
                let (mut ink, mut covered) = (0, 0);
                for (dx, dy) in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)] {
                    let at = inverse * Point::new(x as f64 + dx, y as f64 + dy);
                    let opacity = match mask {
                        Some(mask) => sample(mask, at.x / width, at.y / height),
                        None => sample(shape, at.x / width, at.y / height).map(|_| 255),
                    };
                    let dot = picture.map_or(Some(0), |picture| sample(picture, at.x / width, at.y / height));
                    if let (Some(opacity), Some(dot)) = (opacity, dot) {
                        ink += (255 - u32::from(dot)) * u32::from(opacity) / 255;
                        covered += u32::from(opacity);
                    }
                }
                let dot = &mut self.dots[y * self.width + x];
                let below = (255 - u32::from(*dot)) * (1020 - covered) / 1020;
                *dot = u8::try_from(255 - (below + ink / 4).min(255)).unwrap_or(0);
            }
        }
    }
}

/// The dot of `picture` at this part of its width and height, if that is within it.
fn sample(picture: &LumaData, x: f64, y: f64) -> Option<u8> {
    if !(0.0..1.0).contains(&x) || !(0.0..1.0).contains(&y) {
        return None;
    }
    let (width, height) = (picture.width as usize, picture.height as usize);
    let at = (y * height as f64) as usize * width + (x * width as f64) as usize;
    picture.data.get(at).copied()
}

/// A device that hands over pictures, with what leads from their dots to the page.
struct Pictures<'f>(&'f mut dyn FnMut(Image<'_, '_>, Affine));

impl<'a> Device<'a> for Pictures<'_> {
    fn draw_image(&mut self, image: Image<'a, '_>, props: ImageDrawProps<'a>) {
        (self.0)(image, props.transform);
    }

    fn draw_glyph_run(&mut self, _: &GlyphRun<'_, 'a>, _: DrawProps<'a>, _: &DrawMode) {}
    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'a>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn pop_clip(&mut self) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn pop_transparency_group(&mut self) {}
}
