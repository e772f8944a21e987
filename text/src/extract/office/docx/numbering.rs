//! Lists of a Word document: which paragraph has which number.

use std::collections::HashMap;

use roxmltree::Node;

use crate::extract::xml::{attribute, child, children, number};

/// Levels a list has.
const LEVELS: usize = 9;

/// How a level of a list is marked.
#[derive(Clone)]
struct Level<'a> {
    start: i64,
    format: &'a str,
    /// The mark with `%1` to `%9` for the numbers of the levels.
    text: &'a str,
}

/// A list by its id: what it is an instance of, and the numbers it begins anew at.
struct Instance<'a> {
    of: &'a str,
    starts: [Option<i64>; LEVELS],
}

/// What stands before a paragraph.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Bullet,
    /// The number of its own level, and all of the mark, as `2.1`.
    Number(i64, String),
}

/// The lists, and how far they are counted.
#[derive(Default)]
pub(super) struct Numbering<'a> {
    lists: HashMap<&'a str, Vec<Level<'a>>>,
    instances: HashMap<&'a str, Instance<'a>>,
    counted: HashMap<&'a str, [Option<i64>; LEVELS]>,
    /// Instances that have begun.
    begun: Vec<&'a str>,
}

impl<'a> Numbering<'a> {
    pub(super) fn of(root: Node<'a, 'a>) -> Self {
        let mut all = Self::default();
        for list in children(root, "abstractNum") {
            let levels = children(list, "lvl").map(|level| {
                let value = |named| child(level, named).and_then(|node| attribute(node, "val"));
                Level {
                    start: value("start").and_then(|start| start.parse().ok()).unwrap_or(1),
                    format: value("numFmt").unwrap_or("decimal"),
                    text: value("lvlText").unwrap_or_default(),
                }
            });
            if let Some(id) = attribute(list, "abstractNumId") {
                all.lists.insert(id, levels.take(LEVELS).collect());
            }
        }
        for list in children(root, "num") {
            let of = child(list, "abstractNumId").and_then(|of| attribute(of, "val"));
            let (Some(id), Some(of)) = (attribute(list, "numId"), of) else {
                continue;
            };
            let mut starts = [None; LEVELS];
            for change in children(list, "lvlOverride") {
                let level = number(change, "ilvl").and_then(|level| usize::try_from(level).ok());
                let start = child(change, "startOverride").and_then(|start| number(start, "val"));
                if let Some(place) = level.and_then(|level| starts.get_mut(level)) {
                    *place = start;
                }
            }
            all.instances.insert(id, Instance { of, starts });
        }
        all
    }

    /// Counts a paragraph of the list `id` at `level`. None where nothing stands before it.
    pub(super) fn next(&mut self, id: &'a str, level: usize) -> Option<Mark> {
        let instance = self.instances.get(id)?;
        let levels = self.lists.get(instance.of)?;
        let own = levels.get(level)?;
        let counted = self.counted.entry(instance.of).or_default();
        if !self.begun.contains(&id) {
            self.begun.push(id);
            for (place, start) in counted.iter_mut().zip(instance.starts) {
                *place = start.map(|start| start.saturating_sub(1)).or(*place);
            }
        }
        let number = counted[level].map_or(own.start, |last| last.saturating_add(1));
        counted[level] = Some(number);
        counted[level + 1..].fill(None);
        match own.format {
            "bullet" => Some(Mark::Bullet),
            "none" => None,
            _ if own.text.is_empty() => None,
            _ => {
                let mut mark = own.text.to_owned();
                for (at, level) in levels.iter().enumerate() {
                    let value = counted[at].unwrap_or(level.start);
                    mark = mark.replace(&format!("%{}", at + 1), &formatted(value, level.format));
                }
                Some(Mark::Number(number, mark))
            }
        }
    }
}

/// A number as it is written.
fn formatted(number: i64, format: &str) -> String {
    let lower = match format {
        "lowerLetter" | "upperLetter" => letters(number),
        "lowerRoman" | "upperRoman" => roman(number),
        "decimalZero" => format!("{number:02}"),
        _ => number.to_string(),
    };
    match format.starts_with("upper") {
        true => lower.to_uppercase(),
        false => lower,
    }
}

/// `a` to `z`, then `aa` to `zz`.
fn letters(number: i64) -> String {
    let Ok(at) = usize::try_from(number - 1) else {
        return number.to_string();
    };
    let letter = char::from(b'a' + u8::try_from(at % 26).unwrap_or(0));
    String::from(letter).repeat((at / 26 + 1).min(9))
}

fn roman(number: i64) -> String {
    if !(1..4000).contains(&number) {
        return number.to_string();
    }
    let signs = [
        (1000, "m"),
        (900, "cm"),
        (500, "d"),
        (400, "cd"),
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    ];
    let (mut rest, mut text) = (number, String::new());
    for (value, sign) in signs {
        while rest >= value {
            text.push_str(sign);
            rest -= value;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_their_ways() {
        assert_eq!((roman(1994), roman(0)), ("mcmxciv".to_owned(), "0".to_owned()));
        assert_eq!((letters(3), letters(28)), ("c".to_owned(), "bb".to_owned()));
    }

    #[test]
    fn levels_count_within_each_other_and_begin_anew_where_it_says_so() {
        let xml = "<numbering><abstractNum abstractNumId='1'>\
<lvl ilvl='0'><start val='1'/><numFmt val='decimal'/><lvlText val='%1.'/></lvl>\
<lvl ilvl='1'><start val='1'/><numFmt val='lowerLetter'/><lvlText val='%1.%2)'/></lvl></abstractNum>\
<num numId='5'><abstractNumId val='1'/></num>\
<num numId='6'><abstractNumId val='1'/><lvlOverride ilvl='0'><startOverride val='1'/></lvlOverride></num></numbering>";
        let document = roxmltree::Document::parse(xml).unwrap();
        let mut numbering = Numbering::of(document.root_element());
        let marks: Vec<_> = [
            ("5", 0),
            ("5", 1),
            ("5", 1),
            ("5", 0),
            ("5", 1),
            ("6", 0),
            ("6", 0),
        ]
        .into_iter()
        .map(|(id, level)| match numbering.next(id, level) {
            Some(Mark::Number(_, mark)) => mark,
            other => format!("{other:?}"),
        })
        .collect();
        assert_eq!(marks, ["1.", "1.a)", "1.b)", "2.", "2.a)", "1.", "2."]);
        assert_eq!(numbering.next("7", 0), None);
    }
}
