//! Scripts that are read from right to left: from the order on the page to the order of reading.

/// How a sign takes part in the direction of its line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Left,
    Right,
    Number,
    Neutral,
}

/// Whether most of the letters of `text` are read from right to left.
pub(super) fn is_leftwards(text: &str) -> bool {
    let count = |class: Class| text.chars().filter(|c| self::class(*c) == class).count();
    let right = count(Class::Right);
    right > 0 && right >= count(Class::Left)
}

/// The signs of a line in the order of reading. `signs` are in the order of their places, from left to right.
pub(super) fn logical(signs: Vec<String>) -> Vec<String> {
    let classes: Vec<Class> = signs
        .iter()
        .map(|sign| {
            sign.chars()
                .map(class)
                .find(|c| *c != Class::Neutral)
                .unwrap_or(Class::Neutral)
        })
        .collect();
    if !classes.contains(&Class::Right) {
        return signs;
    }
    let mut items: Vec<(String, Class)> = signs.into_iter().zip(classes).collect();
    if is_leftwards(&items.iter().map(|(sign, _)| sign.as_str()).collect::<String>()) {
        items.reverse();
        // What is read rightwards within, with its numbers and what stands between.
        turn(&mut items, &[Class::Left, Class::Number]);
    } else {
        turn(&mut items, &[Class::Right]);
        // Within these, numbers keep their digits' order.
    }
    items.into_iter().map(|(sign, _)| sign).collect()
}

/// Turns each run of signs of `classes` around, with the neutral ones between two of them.
fn turn(items: &mut [(String, Class)], classes: &[Class]) {
    let mut at = 0;
    while at < items.len() {
        if !classes.contains(&items[at].1) {
            at += 1;
            continue;
        }
        let mut end = at + 1;
        let mut next = end;
        while next < items.len() && (items[next].1 == Class::Neutral || classes.contains(&items[next].1)) {
            next += 1;
            if classes.contains(&items[next - 1].1) {
                end = next;
            }
        }
        items[at..end].reverse();
        at = end;
    }
}

fn class(c: char) -> Class {
    match c {
        '0'..='9' | '\u{660}'..='\u{669}' | '\u{6f0}'..='\u{6f9}' => Class::Number,
        '\u{590}'..='\u{8ff}'
        | '\u{fb1d}'..='\u{fdff}'
        | '\u{fe70}'..='\u{fefc}'
        | '\u{10800}'..='\u{10fff}' => Class::Right,
        c if c.is_alphabetic() => Class::Left,
        _ => Class::Neutral,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> String {
        logical(line.chars().map(String::from).collect()).concat()
    }

    #[test]
    fn lines_of_both_directions() {
        assert_eq!(read("upright 1904"), "upright 1904");
        // As they stand on the page, and as they are read.
        assert_eq!(read(".םולש"), "שלום.");
        assert_eq!(read(".1904 תנשב Rust הפש"), "שפה Rust בשנת 1904.");
        assert_eq!(read("The word םלוע םולש is two."), "The word שלום עולם is two.");
    }
}
