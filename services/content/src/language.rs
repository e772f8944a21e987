//! The language of a version whose course names none.

use whatlang::Lang;

/// Bytes of text that are looked at: more does not make a guess better.
const SAMPLE: usize = 16_000;
/// What a text too short or too mixed to tell is taken for.
const DEFAULT: &str = "en";

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
    match language {
        Lang::Afr => "af",
        Lang::Ara => "ar",
        Lang::Ben => "bn",
        Lang::Bul => "bg",
        Lang::Cat => "ca",
        Lang::Ces => "cs",
        Lang::Cmn => "zh",
        Lang::Dan => "da",
        Lang::Deu => "de",
        Lang::Ell => "el",
        Lang::Eng => "en",
        Lang::Est => "et",
        Lang::Fin => "fi",
        Lang::Fra => "fr",
        Lang::Heb => "he",
        Lang::Hin => "hi",
        Lang::Hrv => "hr",
        Lang::Hun => "hu",
        Lang::Hye => "hy",
        Lang::Ind => "id",
        Lang::Ita => "it",
        Lang::Jpn => "ja",
        Lang::Kor => "ko",
        Lang::Lat => "la",
        Lang::Lav => "lv",
        Lang::Lit => "lt",
        Lang::Nep => "ne",
        Lang::Nld => "nl",
        Lang::Nob => "nb",
        Lang::Pes => "fa",
        Lang::Pol => "pl",
        Lang::Por => "pt",
        Lang::Ron => "ro",
        Lang::Rus => "ru",
        Lang::Slk => "sk",
        Lang::Slv => "sl",
        Lang::Spa => "es",
        Lang::Srp => "sr",
        Lang::Swe => "sv",
        Lang::Tam => "ta",
        Lang::Tha => "th",
        Lang::Tur => "tr",
        Lang::Ukr => "uk",
        Lang::Urd => "ur",
        Lang::Vie => "vi",
        other => other.code(),
    }
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
        assert_eq!(guess(["ワークフローはプロセスの死を生き延びます。"]), "ja");
    }
}
