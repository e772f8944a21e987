//! What the steps from a page's glyphs to its text hand each other.

use hayro_interpret::kurbo::Vec2;

/// A sign on a page, in the coordinates of the page as it is shown: right and down, in points.
#[derive(Clone, Debug)]
pub(super) struct Glyph {
    pub(super) text: String,
    /// Where it stands on its baseline.
    pub(super) x: f64,
    pub(super) y: f64,
    /// The direction of reading, of length 1.
    pub(super) direction: Vec2,
    /// How far the next one is in that direction.
    pub(super) advance: f64,
    /// Height of its font.
    pub(super) size: f64,
}

/// A page with its visible signs.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) glyphs: Vec<Glyph>,
    /// Signs of which the file does not say the character.
    pub(super) unmapped: usize,
}

/// A word of a line. `left` and `right` are along the direction of reading, `base` across.
#[derive(Clone, Debug)]
pub(super) struct Word {
    /// Its signs, from left to right.
    pub(super) signs: Vec<String>,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) base: f64,
    pub(super) size: f64,
    /// How wide each sign is, if all are alike.
    pub(super) pitch: Option<f64>,
    /// Whether any of it lies on the page.
    pub(super) on_page: bool,
}

/// Words of one baseline that stand together: a line of a column, or a cell.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// The baseline it is of, by its number.
    pub(super) row: usize,
    pub(super) words: Vec<Word>,
}

impl Segment {
    pub(super) fn left(&self) -> f64 {
        self.words.first().map_or(0.0, |word| word.left)
    }

    pub(super) fn right(&self) -> f64 {
        self.words.last().map_or(0.0, |word| word.right)
    }

    pub(super) fn base(&self) -> f64 {
        self.words.first().map_or(0.0, |word| word.base)
    }

    pub(super) fn size(&self) -> f64 {
        self.words.iter().map(|word| word.size).fold(0.0, f64::max)
    }
}

/// What a page says in one direction.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) segments: Vec<Segment>,
}

/// A page as its directions, the one most is written in first.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) height: f64,
    pub(super) frames: Vec<Frame>,
}

/// A line of text.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) base: f64,
    pub(super) size: f64,
    /// How wide its first word is, in the order of reading.
    pub(super) first_word: f64,
    /// Whether it is read from right to left.
    pub(super) leftwards: bool,
    /// How wide each of its signs is, if all are alike: the typeface of code. And whether they are enough to tell.
    pub(super) pitch: Option<f64>,
    pub(super) surely_pitched: bool,
    /// Whether its words stand apart like the cells of a table.
    pub(super) cells: bool,
    /// The block of the page it belongs to.
    pub(super) block: usize,
}
