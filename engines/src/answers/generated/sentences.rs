//! A text that comes piece by piece, cut where a statement ends: after the marks of its sources, or with its line.

use std::ops::Range;

/// Bytes of a statement at most: what goes on without a mark is given up.
const LONGEST: usize = 4096;
/// What a sentence ends with, and what may stand between that and its marks.
const ENDS: [char; 8] = ['.', '!', '?', '…', '。', '！', '？', '।'];
const CLOSES: [char; 9] = ['"', '\'', '”', '’', '»', '“', ')', '*', '」'];

/// What was written and is no whole statement yet.
#[derive(Default)]
pub(super) struct Written {
    text: String,
}

impl Written {
    /// Goes on with this; answers the statements that are whole now.
    pub(super) fn add(&mut self, text: &str) -> Vec<String> {
        self.text.push_str(text);
        let mut whole = Vec::new();
        while let Some(end) = end_of_first(&self.text) {
            let rest = self.text.split_off(end);
            whole.push(std::mem::replace(&mut self.text, rest));
        }
        if self.text.len() > LONGEST {
            self.text.clear();
        }
        whole.retain(|statement| !statement.trim().is_empty());
        whole
    }

    /// What is left when nothing comes any more.
    pub(super) fn end(&mut self) -> Vec<String> {
        self.add("\n")
    }
}

/// Where the first statement ends, once that is known.
fn end_of_first(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let newline = text[from..].find('\n').map(|at| from + at);
        let Some((first, mark)) = mark(text, from) else {
            return newline.map(|at| at + 1);
        };
        if newline.is_some_and(|at| at < first) {
            return newline.map(|at| at + 1);
        }
        let mut end = mark.end;
        // Further marks belong to the same statement.
        while let Some((_, further)) =
            self::mark(text, end).filter(|(_, further)| text[end..further.start].trim_matches(' ').is_empty())
        {
            end = further.end;
        }
        let after = text[end..].trim_start_matches(' ');
        match after.chars().next() {
            None => return None,
            Some(c) if ENDS.contains(&c) => return Some(text.len() - after.len() + c.len_utf8()),
            // A further mark that is on its way.
            Some('[') if !after.contains(']') => return None,
            Some(_) if text[..first].trim_end().trim_end_matches(CLOSES).ends_with(ENDS) => return Some(end),
            Some(_) => from = end,
        }
    }
}

/// The first mark from a place on: where it begins, and its range.
fn mark(text: &str, from: usize) -> Option<(usize, Range<usize>)> {
    let mut at = from;
    while let Some(open) = text[at..].find('[').map(|open| at + open) {
        let close = text[open..].find(']').map(|close| open + close)?;
        if !numbers(&text[open + 1..close]).is_empty() {
            return Some((open, open..close + 1));
        }
        at = open + 1;
    }
    None
}

/// The numbers of a mark, `1` or `1, 2`; none of what is no mark.
fn numbers(text: &str) -> Vec<usize> {
    let numbers = text.split(',').map(|number| match number.trim() {
        number if number.len() <= 3 => number.parse().ok(),
        _ => None,
    });
    numbers.collect::<Option<Vec<usize>>>().unwrap_or_default()
}

/// A statement without its marks and the sign of an item of a list, and the numbers of the marks.
pub(super) fn unmarked(statement: &str) -> (String, Vec<usize>) {
    let (mut text, mut named, mut from) = (String::new(), Vec::new(), 0);
    while let Some((_, range)) = mark(statement, from) {
        text.push_str(statement[from..range.start].trim_end());
        named.extend(numbers(&statement[range.start + 1..range.end - 1]));
        from = range.end;
    }
    text.push_str(&statement[from..]);
    named.sort_unstable();
    named.dedup();
    let text = text.trim().trim_start_matches(['#', '-', '*', '•', '>', ' ']);
    (text.trim_end_matches("**").trim().replace("**", ""), named)
}

/// The sentences of a statement, which may have one mark for several.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut from = 0;
    for (at, c) in text.char_indices() {
        let after = text[at + c.len_utf8()..].trim_start_matches(CLOSES);
        let end = text.len() - after.len();
        let is_wide = c as u32 > 0x2fff;
        if ENDS.contains(&c) && (is_wide || after.starts_with(char::is_whitespace)) {
            found.push(text[from..end].trim());
            from = end;
        }
    }
    found.push(text[from..].trim());
    found.retain(|sentence| sentence.contains(char::is_alphanumeric));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statements of a text, however it is cut on its way.
    fn statements(text: &str) -> Vec<(String, Vec<usize>)> {
        let cut = |every: usize| {
            let mut written = Written::default();
            let characters: Vec<char> = text.chars().collect();
            let pieces = characters
                .chunks(every)
                .map(|piece| piece.iter().collect::<String>());
            let mut whole: Vec<String> = pieces.flat_map(|piece| written.add(&piece)).collect();
            whole.extend(written.end());
            whole
                .iter()
                .map(|statement| unmarked(statement))
                .collect::<Vec<_>>()
        };
        let whole = cut(usize::MAX);
        for every in 1..8 {
            assert_eq!(cut(every), whole, "cut every {every}");
        }
        whole
    }

    fn is(text: &str, expected: &[(&str, &[usize])]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(text, named)| ((*text).to_owned(), named.to_vec()))
            .collect();
        assert_eq!(statements(text), expected, "{text}");
    }

    #[test]
    fn a_statement_ends_with_its_marks() {
        is(
            "A saga has steps [1]. Each is undone. [2][3] So e.g. Worcester v. Georgia, 3.11 says [1, 2].",
            &[
                ("A saga has steps.", &[1]),
                ("Each is undone.", &[2, 3]),
                ("So e.g. Worcester v. Georgia, 3.11 says.", &[1, 2]),
            ],
        );
        is("Both a [1] and b [2] do.", &[("Both a and b do.", &[1, 2])]);
        is(
            "步骤可以撤销。[1]然后结束。[2]",
            &[("步骤可以撤销。", &[1]), ("然后结束。", &[2])],
        );
    }

    #[test]
    fn a_line_is_a_statement() {
        is(
            "Steps:\n- **fetch** it [1]\n- unpack it [2]\n",
            &[("Steps:", &[]), ("fetch it", &[1]), ("unpack it", &[2])],
        );
        is(
            "use a[i] and [x]\nthen",
            &[("use a[i] and [x]", &[]), ("then", &[])],
        );
    }

    #[test]
    fn a_mark_for_several_sentences_is_seen_through() {
        assert_eq!(
            sentences("It pays 3.5 euros. “So it is.” Then 第一。第二。"),
            ["It pays 3.5 euros.", "“So it is.”", "Then 第一。", "第二。"]
        );
    }
}
