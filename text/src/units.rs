//! What may be quoted: the pieces of a passage that say something by themselves.

use std::ops::Range;

use crate::sentences;

/// Words of a list item that is quoted whole; of a longer one, its sentences are.
const ITEM_WORDS: usize = 40;
/// Words of a sentence that is quoted whole. Captions have no full stops: what is longer is cut between words.
const SENTENCE_WORDS: usize = 60;
/// Letters that stand for a word in scripts without blanks.
const LETTERS_PER_WORD: usize = 2;
/// Words of a line without a full stop that may be a heading.
const HEADING_WORDS: usize = 10;
/// Lines of code that are quoted together.
const CODE_LINES: usize = 12;

/// A piece of a passage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its bytes in the passage.
    pub range: Range<usize>,
    /// What it is.
    pub kind: UnitKind,
    /// The line it is read with: the head of its table, or what its list is of.
    pub context: Option<Range<usize>>,
}

/// What a piece of a passage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitKind {
    /// A sentence, or a group of captions.
    Sentence,
    /// An item of a list.
    Item,
    /// A row of a table, without its head.
    Row,
    /// Lines of code.
    Code,
    /// A question, which answers none.
    Question,
    /// A heading, the head of a table, a comment in code: it says what follows.
    Label,
}

impl UnitKind {
    /// Whether it can answer something.
    pub fn says_something(self) -> bool {
        !matches!(self, Self::Question | Self::Label)
    }
}

/// The pieces of the passage `text` that stands under `heading` (a [`Chunk`](crate::Chunk)'s), in order. Together they
/// hold everything but blanks and the marks of list items.
pub fn units(text: &str, heading: &str) -> Vec<Unit> {
    let mut reader = Reader {
        text,
        headings: heading.split(" › ").collect(),
        units: Vec::new(),
        lead: None,
        head: None,
    };
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at + (line.len() - line.trim_start().len());
        let end = at + line.trim_end().len();
        at += line.len();
        match start < end {
            true => reader.line(start..end),
            false => reader.head = None,
        }
    }
    reader.units
}

/// The passage while it is read.
struct Reader<'t> {
    text: &'t str,
    headings: Vec<&'t str>,
    units: Vec<Unit>,
    /// The line that may say what the list after it is of.
    lead: Option<Range<usize>>,
    /// The first row of the open table.
    head: Option<Range<usize>>,
}

impl Reader<'_> {
    fn line(&mut self, line: Range<usize>) {
        let text = &self.text[line.clone()];
        let next = self.text[line.end..]
            .trim_start_matches([' ', '\t'])
            .strip_prefix('\n');
        let goes_on = next
            .and_then(|next| next.lines().next())
            .is_some_and(|next| next.contains(" | "));
        if text.contains(" | ") && (self.head.is_some() || goes_on) {
            return self.row(line);
        }
        self.head = None;
        if self.headings.contains(&text) {
            self.lead = None;
            return self.push(line, UnitKind::Label, None);
        }
        if let Some(mark) = item_mark(text) {
            return self.item(line.start + mark..line.end);
        }
        if is_comment(text) {
            return self.push(line, UnitKind::Label, None);
        }
        if is_code(text) {
            return self.code(line);
        }
        self.lead = Some(line.clone());
        if is_heading(text) {
            return self.push(line, UnitKind::Label, None);
        }
        self.prose(line, UnitKind::Sentence, None);
    }

    fn row(&mut self, line: Range<usize>) {
        match self.head.clone() {
            Some(head) => self.push(line, UnitKind::Row, Some(head)),
            None => {
                self.head = Some(line.clone());
                self.push(line, UnitKind::Label, None);
            }
        }
    }

    fn item(&mut self, body: Range<usize>) {
        let lead = self.lead.clone();
        match size(&self.text[body.clone()]) <= ITEM_WORDS {
            true if is_question(&self.text[body.clone()]) => self.push(body, UnitKind::Question, lead),
            true => self.push(body, UnitKind::Item, lead),
            false => self.prose(body, UnitKind::Item, lead),
        }
    }

    /// Lines of code that follow each other are one piece.
    fn code(&mut self, line: Range<usize>) {
        if let Some(last) = self.units.last_mut().filter(|last| last.kind == UnitKind::Code) {
            let between = &self.text[last.range.end..line.start];
            let lines = self.text[last.range.clone()].lines().count();
            if between.matches('\n').count() == 1 && lines < CODE_LINES {
                last.range.end = line.end;
                return;
            }
        }
        let lead = self.lead.clone();
        self.push(line, UnitKind::Code, lead);
    }

    fn prose(&mut self, range: Range<usize>, kind: UnitKind, context: Option<Range<usize>>) {
        for sentence in sentences(&self.text[range.clone()]) {
            let sentence = range.start + sentence.start..range.start + sentence.end;
            let kind = match is_question(&self.text[sentence.clone()]) {
                true => UnitKind::Question,
                false => kind,
            };
            for part in parts(self.text, sentence) {
                self.push(part, kind, context.clone());
            }
        }
    }

    fn push(&mut self, range: Range<usize>, kind: UnitKind, context: Option<Range<usize>>) {
        self.units.push(Unit { range, kind, context });
    }
}

fn is_question(text: &str) -> bool {
    text.trim_end_matches(['"', '”', '’', '»', ')', '*', '`', '“'])
        .ends_with(['?', '？', '؟', '՞'])
}

/// Words of `text`; of scripts without blanks, letters by the [`LETTERS_PER_WORD`].
fn size(text: &str) -> usize {
    let unparted = text.chars().filter(|c| is_unparted(*c)).count();
    text.split_whitespace().count() + unparted / LETTERS_PER_WORD
}

/// Whether the letter is of a script without blanks.
fn is_unparted(c: char) -> bool {
    u32::from(c) >= 0x2e80 || matches!(u32::from(c), 0xe00..=0xeff)
}

/// A sentence, or what it is cut into when it is too long to quote: at blanks, and in scripts without them anywhere.
fn parts(text: &str, sentence: Range<usize>) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = sentence.start;
    while let Some(end) = cut(&text[start..sentence.end]) {
        parts.push(start..start + end);
        let rest = &text[start + end..sentence.end];
        start = sentence.end - rest.trim_start().len();
    }
    parts.push(start..sentence.end);
    parts
}

/// The last place before which `text` is short enough to quote; none when all of it is, or when there is no such place.
fn cut(text: &str) -> Option<usize> {
    let (mut words, mut unparted, mut is_within, mut last) = (0, 0, false, None);
    for (at, c) in text.char_indices() {
        if at > 0 && (c.is_whitespace() || u32::from(c) >= 0x2e80) {
            last = Some(at);
        }
        words += usize::from(!c.is_whitespace() && !is_within);
        unparted += usize::from(is_unparted(c));
        is_within = !c.is_whitespace();
        if words + unparted / LETTERS_PER_WORD > SENTENCE_WORDS {
            return last;
        }
    }
    None
}

/// Bytes of the mark that `line` begins with as an item of a list.
fn item_mark(line: &str) -> Option<usize> {
    let (mark, rest) = line.split_once(' ')?;
    let number = mark.strip_suffix(['.', ')']).is_some_and(|number| {
        !number.is_empty() && number.len() <= 3 && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    let rest_at = line.len() - rest.trim_start().len();
    (number || matches!(mark, "-" | "•" | "◦" | "▪" | "–" | "*" | "·" | "‣")).then_some(rest_at)
}

/// Whether `line` is a comment of a program.
fn is_comment(line: &str) -> bool {
    [
        "// ", "# ", "/* ", "<!--", "-- ", "/// ", "//! ", "* ", "#!", ";; ",
    ]
    .iter()
    .any(|mark| line.starts_with(mark))
}

/// Whether `line` is of a program: it ends as one, or most of its signs are no letters.
fn is_code(line: &str) -> bool {
    let ends = line.ends_with([';', '{', '}', ',', '\\']) && !line.ends_with("…");
    let signs = line
        .chars()
        .filter(|c| "{}()[]<>=;:_&|$\\/+*%@#\"'`.".contains(*c))
        .count();
    let letters = line.chars().filter(|c| c.is_alphabetic()).count();
    let begins = [
        ">>> ",
        "... ",
        "$ ",
        "let ",
        "const ",
        "var ",
        "def ",
        "class ",
        "import ",
        "from ",
        "return ",
        "fn ",
        "pub ",
        "#include",
        "function ",
        "if (",
        "for (",
        "while (",
        "</",
        "<",
    ];
    let begins = begins.iter().any(|word| line.starts_with(word));
    let share = signs as f64 / (signs + letters).max(1) as f64;
    share > 0.3
        || (share > 0.12 && (ends || begins))
        || (ends && line.ends_with([';', '{', '}']) && share > 0.06)
}

/// Whether a line looks like a heading: short, without an end, and no fact of a word and a number.
fn is_heading(line: &str) -> bool {
    let ended = line.ends_with(|c: char| ".!?…:;。！？؟۔।॥។።։\"”’»)".contains(c));
    !ended
        && size(line) <= HEADING_WORDS
        && !line.contains([':', '='])
        && !line.contains(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, heading: &str) -> Vec<(UnitKind, String)> {
        let units = units(text, heading).into_iter();
        units
            .map(|unit| (unit.kind, text[unit.range].to_owned()))
            .collect()
    }

    #[test]
    fn what_is_too_long_is_cut_at_blanks_however_many_there_are() {
        let blanks = " ".repeat(100_000);
        let text = ["word"; SENTENCE_WORDS + 5].join(&blanks);
        let parts = parts(&text, 0..text.len());
        let words: Vec<usize> = parts.iter().map(|part| size(&text[part.clone()])).collect();
        assert_eq!(words, [SENTENCE_WORDS, 5]);
        assert!(text[parts[1].clone()].starts_with("word"));
    }

    #[test]
    fn pieces_are_told_apart() {
        use UnitKind::{Code, Item, Label, Question, Row, Sentence};
        let text = "Solvents\n\nBoiling points differ. Which is highest?\n\nSolvent | °C\nEthanol | 78\n\nPorts:\n- mail: 25\n- web\n\n\
                    let x = 1;\nlet y = f(x);\n// a comment\n\nLater";
        let expected = [
            (Label, "Solvents"),
            (Sentence, "Boiling points differ."),
            (Question, "Which is highest?"),
            (Label, "Solvent | °C"),
            (Row, "Ethanol | 78"),
            (Sentence, "Ports:"),
            (Item, "mail: 25"),
            (Item, "web"),
            (Code, "let x = 1;\nlet y = f(x);"),
            (Label, "// a comment"),
            (Label, "Later"),
        ];
        assert_eq!(
            read(text, "Chemistry › Solvents"),
            expected.map(|(kind, text)| (kind, text.to_owned()))
        );
    }

    #[test]
    fn a_pipe_in_a_sentence_is_no_table() {
        let text = "Use `ps aux | grep nginx` to find it.";
        assert_eq!(read(text, ""), [(UnitKind::Sentence, text.to_owned())]);
    }

    #[test]
    fn rows_and_items_know_what_they_are_of() {
        let text = "Port | Use\n25 | mail\n\nColours:\n- red";
        let units = units(text, "");
        let context = |index: usize| units[index].context.clone().map(|range| &text[range]);
        assert_eq!((context(1), context(3)), (Some("Port | Use"), Some("Colours:")));
    }

    #[test]
    fn long_captions_are_cut_and_nothing_is_lost() {
        let text = "word ".repeat(200).trim_end().to_owned();
        let cut = read(&text, "");
        assert!(cut.len() >= 4 && cut.iter().all(|(_, part)| part.split(' ').count() <= 60));
        assert_eq!(
            cut.into_iter()
                .map(|(_, part)| part)
                .collect::<Vec<_>>()
                .join(" "),
            text
        );
        let text = "権".repeat(500);
        let cut = read(&text, "");
        assert_eq!(cut.into_iter().map(|(_, part)| part).collect::<String>(), text);
    }
}
