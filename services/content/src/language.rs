//! The language of a version whose course names none.

use whatlang::Lang;

/// Bytes of text that are looked at: more does not make a guess better.
pub(crate) const SAMPLE: usize = 16_000;
/// What a text too short or too mixed to tell is taken for.
const DEFAULT: &str = "en";

/// The codes of three and of two letters (ISO 639-3, ISO 639-1) of languages that have both.
const TWO_LETTERS: [&str; 45] = [
    "afr af", "ara ar", "ben bn", "bul bg", "cat ca", "ces cs", "cmn zh", "dan da", "deu de", "ell el",
    "eng en", "est et", "fin fi", "fra fr", "heb he", "hin hi", "hrv hr", "hun hu", "hye hy", "ind id",
    "ita it", "jpn ja", "kor ko", "lat la", "lav lv", "lit lt", "nep ne", "nld nl", "nob nb", "pes fa",
    "pol pl", "por pt", "ron ro", "rus ru", "slk sk", "slv sl", "spa es", "srp sr", "swe sv", "tam ta",
    "tha th", "tur tr", "ukr uk", "urd ur", "vie vi",
];

/// Guesses the language (BCP 47) of texts.
pub(crate) fn guess<'a>(texts: impl IntoIterator<Item = &'a str>) -> &'static str {
    let mut sample = String::new();
    for text in texts {
        if sample.len() >= SAMPLE {
            break;
        }
        let end = text.floor_char_boundary(SAMPLE.min(text.len()));
        sample.push_str(&text[..end]);
        sample.push('\n');
    }
    whatlang::detect(&sample)
        .filter(whatlang::Info::is_reliable)
        .map_or(DEFAULT, |found| tag(found.lang()))
}

/// The tag of a language: two letters where it has them.
fn tag(language: Lang) -> &'static str {
    let code = language.code();
    let two_letters = |pair: &&'static str| pair.strip_prefix(code)?.strip_prefix(' ');
    TWO_LETTERS.iter().find_map(two_letters).unwrap_or(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_tells_its_language_and_a_few_words_do_not() {
        let german = "Eine Saga ist eine Folge von Schritten, von denen jeder durch eine Kompensation rückgängig gemacht werden kann.";
        assert_eq!(
            guess([german, "Der nächste Abschnitt erklärt das genauer."]),
            "de"
        );
        let english =
            "A saga is a sequence of steps, each of which can be undone by a compensation of its own.";
        assert_eq!(guess([english]), "en");
        assert_eq!(guess(["x = 1"]), "en");
        assert_eq!(guess([]), "en");
        assert!(
            TWO_LETTERS
                .iter()
                .all(|pair| Lang::from_code(&pair[..3]).is_some_and(|language| tag(language).len() == 2))
        );
        assert_eq!(guess(["ワークフローはプロセスの死を生き延びます。"]), "ja");
    }
}
