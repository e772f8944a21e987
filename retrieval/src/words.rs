//! The words a text is found by.

use unicode_normalization::char::is_combining_mark;

use crate::normal::normal;

/// A word and its place in the text, from 1: neighbours are one apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word, in its [`normal`] form.
    pub text: String,
    /// Its place.
    pub place: u32,
}

/// The words of `text` in order, in their [`normal`] form. What is written as one and known by its parts is there as both:
/// `client-side`, `node.js`, `snake_case`. Signs that tell words apart stay with them (`c++`, `c#`, `.net`), and so do the
/// points of a version (`3.11`). Scripts without blanks between words give each pair of neighbours.
pub fn words(text: &str) -> Vec<String> {
    placed(text).into_iter().map(|word| word.text).collect()
}

/// The [`words`] of `text` with their places.
pub fn placed(text: &str) -> Vec<Word> {
    let (mut words, mut next) = (Vec::new(), 1);
    for token in tokens(text) {
        words.extend(token.whole.map(|text| Word { text, place: next }));
        for text in token.parts {
            words.push(Word { text, place: next });
            next += 1;
        }
    }
    words
}

/// What readers take for one word, as a query asks for it: as it is written, or its parts side by side.
pub(crate) fn pieces(text: &str) -> Vec<Vec<Vec<String>>> {
    let piece = |token: Token| match (token.whole, token.parts.len()) {
        // The part alone is another word: `.net` is no net.
        (Some(whole), 1) => vec![vec![whole]],
        (Some(whole), _) => vec![vec![whole], token.parts],
        (None, _) => vec![token.parts],
    };
    tokens(text).into_iter().map(piece).collect()
}

/// What readers take for one word.
#[derive(Default)]
struct Token {
    /// As it is written, where that is more than its parts.
    whole: Option<String>,
    /// Side by side; at least one.
    parts: Vec<String>,
}

fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let text = normal(&parted(text));
    for piece in text.split(|c: char| !(is_letter(c) || is_sign(c))) {
        for part in piece.split(['/', ':', '@']) {
            compound(part, &mut found);
        }
    }
    // Marks without a letter are no word.
    for token in &mut found {
        token.parts.retain(|part| part.contains(char::is_alphanumeric));
    }
    found.retain(|token| !token.parts.is_empty());
    found
}

/// `text` with a low line where a name in `camelCase` goes on, so that its parts are known too.
fn parted(text: &str) -> String {
    let mut parted = String::with_capacity(text.len() + 8);
    let mut before: Option<char> = None;
    for c in text.chars() {
        if c.is_ascii_uppercase() && before.is_some_and(|before| before.is_ascii_lowercase()) {
            parted.push('_');
        }
        parted.push(c);
        before = Some(c);
    }
    parted
}

/// A letter, digit or mark of any script.
fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

/// What may stand in a word beside its letters.
fn is_sign(c: char) -> bool {
    matches!(c, '.' | '-' | '_' | '\'' | '+' | '#' | '/' | ':' | '@')
}

/// Adds a run of letters and signs.
fn compound(part: &str, found: &mut Vec<Token>) {
    let whole = part.trim_matches(is_sign);
    // Marks without a letter are no word.
    if !whole.contains(char::is_alphanumeric) {
        return;
    }
    let at = part.find(whole).unwrap_or_default();
    let (before, after) = (&part[..at], &part[at + whole.len()..]);
    let marks = after.len() - after.trim_start_matches(['+', '#']).len();
    // `C++` and `C#` are other languages than C, and `.NET` is no net.
    if (1..=2).contains(&marks) && whole.chars().all(|c| c.is_ascii_alphabetic()) {
        return found.push(Token {
            whole: None,
            parts: vec![format!("{whole}{}", &after[..marks])],
        });
    }
    if before.ends_with('.') && whole.chars().all(char::is_alphabetic) {
        return found.push(Token {
            whole: Some(format!(".{whole}")),
            parts: vec![whole.to_owned()],
        });
    }
    split(whole, found);
}

/// What French, Italian and Catalan write before a word that begins with a vowel, without its own.
const ELIDED: [&str; 22] = [
    "l", "d", "j", "m", "t", "s", "c", "n", "qu", "jusqu", "lorsqu", "puisqu", "quoiqu", "un", "all", "dall",
    "dell", "nell", "sull", "coll", "quell", "quest",
];

/// Adds a word that may have points, hyphens, low lines and apostrophes within.
fn split(whole: &str, found: &mut Vec<Token>) {
    let whole = match whole.rsplit_once('\'') {
        Some((owner, "s")) => owner,
        _ => whole,
    };
    let whole = match whole.split_once('\'') {
        Some((article, word)) if ELIDED.contains(&article) && word.chars().nth(1).is_some() => word,
        _ => whole,
    };
    let whole = whole.replace('\'', "");
    let parts: Vec<&str> = whole
        .split(['.', '-', '_', '+', '#'])
        .filter(|part| part.contains(char::is_alphanumeric))
        .collect();
    if parts.len() < 2 || whole.contains(is_unparted) {
        return parts.into_iter().for_each(|part| simple(part, found));
    }
    let is_number = |part: &&str| part.chars().all(|c| c.is_ascii_digit());
    let written = match whole.contains('.') {
        true => whole.replace('_', ""),
        false => parts.concat(),
    };
    let (whole, parts) = match parts.iter().all(is_number) {
        true => (None, vec![written]),
        false => (Some(written), parts.into_iter().map(str::to_owned).collect()),
    };
    found.push(Token { whole, parts });
}

/// Adds a word of letters alone; of a script that does not part its words, each two neighbours.
fn simple(word: &str, found: &mut Vec<Token>) {
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let unparted = is_unparted(first);
        let end = rest
            .find(|c| is_unparted(c) != unparted && is_letter(c))
            .unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        let parts = if unparted {
            pairs(run)
        } else {
            vec![run.to_owned()]
        };
        found.push(Token { whole: None, parts });
        rest = after;
    }
}

/// Each two neighbours of a run, or its only letter.
fn pairs(run: &str) -> Vec<String> {
    let letters: Vec<char> = run.chars().collect();
    match letters.len() {
        1 => vec![run.to_owned()],
        _ => letters.windows(2).map(String::from_iter).collect(),
    }
}

/// Whether `c` belongs to a script that has no blanks between words: Chinese, Japanese, Thai, Lao, Khmer and Burmese.
pub(crate) fn is_unparted(c: char) -> bool {
    matches!(u32::from(c), 0xe00..=0xeff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x2e80..=0x2fdf | 0x3005..=0x3007 | 0x3040..=0x30ff
        | 0x31f0..=0x31ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x3ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_trade_are_words() {
        assert_eq!(words("C, C++ and C#."), ["c", "c++", "and", "c#"]);
        assert_eq!(words("The .NET runtime"), ["the", ".net", "net", "runtime"]);
        assert_eq!(words("Node.js"), ["node.js", "node", "js"]);
        assert_eq!(words("client/server"), ["client", "server"]);
        assert_eq!(
            words("Python 3.11, v2.0.1"),
            ["python", "3.11", "v2.0.1", "v2", "0", "1"]
        );
        assert_eq!(
            words("useState __init__ snake_case"),
            ["usestate", "use", "state", "init", "snakecase", "snake", "case"]
        );
        assert_eq!(words("e-mail, the end."), ["email", "e", "mail", "the", "end"]);
        assert_eq!(words("Alice's dog don’t"), ["alice", "dog", "dont"]);
        assert_eq!(
            words("l’octobasse qu'est-ce dell'acqua o'clock"),
            ["octobasse", "estce", "est", "ce", "acqua", "oclock"]
        );
        assert_eq!(words("++ -- #! '"), [""; 0]);
    }

    #[test]
    fn scripts_without_blanks_give_pairs() {
        assert_eq!(words("所有権"), ["所有", "有権"]);
        assert_eq!(words("権"), ["権"]);
        assert_eq!(words("Rustの所有"), ["rust", "の所", "所有"]);
        assert_eq!(words("한국어 문장"), ["한국어", "문장"]);
    }

    #[test]
    fn words_have_places_and_their_parts_stand_side_by_side() {
        let places: Vec<(String, u32)> = placed("Use node.js, not C++")
            .into_iter()
            .map(|word| (word.text, word.place))
            .collect();
        let expected = [
            ("use", 1),
            ("node.js", 2),
            ("node", 2),
            ("js", 3),
            ("not", 4),
            ("c++", 5),
        ];
        assert_eq!(places, expected.map(|(word, place)| (word.to_owned(), place)));
        let asked = pieces(".NET node.js 所有権");
        assert_eq!(asked[0], [[".net"]]);
        assert_eq!(asked[1], [vec!["node.js"], vec!["node", "js"]]);
        assert_eq!(asked[2], [["所有", "有権"]]);
    }

    #[test]
    fn what_has_no_letter_is_no_word() {
        assert_eq!(
            words("the ´ key, a lone ¨ and \u{301}"),
            ["the", "key", "a", "lone", "and"]
        );
        assert_eq!(words("\u{301}権 #\u{301}所ら"), ["権", "所ら"]);
        assert_eq!(words("1.所有権とは"), ["1", "所有", "有権", "権と", "とは"]);
    }
}
