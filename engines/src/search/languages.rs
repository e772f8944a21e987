//! From the language of a course to the text search configuration of PostgreSQL that stems its words.

/// The configuration that takes words as they are.
pub(super) const SIMPLE: &str = "simple";
/// Primary language subtags (BCP 47) and their configurations.
const CONFIGS: [(&str, &str); 29] = [
    ("ar", "arabic"),
    ("ca", "catalan"),
    ("da", "danish"),
    ("de", "german"),
    ("el", "greek"),
    ("en", "english"),
    ("es", "spanish"),
    ("eu", "basque"),
    ("fi", "finnish"),
    ("fr", "french"),
    ("ga", "irish"),
    ("hi", "hindi"),
    ("hu", "hungarian"),
    ("hy", "armenian"),
    ("id", "indonesian"),
    ("it", "italian"),
    ("lt", "lithuanian"),
    ("nb", "norwegian"),
    ("ne", "nepali"),
    ("nl", "dutch"),
    ("nn", "norwegian"),
    ("no", "norwegian"),
    ("pt", "portuguese"),
    ("ro", "romanian"),
    ("ru", "russian"),
    ("sr", "serbian"),
    ("sv", "swedish"),
    ("ta", "tamil"),
    ("tr", "turkish"),
];

/// All configurations there are, each once or more.
#[cfg(feature = "real")]
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    CONFIGS.iter().map(|(_, config)| *config).chain([SIMPLE])
}

/// The configuration of a language; of one without, words are taken as they are.
pub(super) fn config(language: &str) -> &'static str {
    let primary = language.split('-').next().unwrap_or_default();
    CONFIGS
        .iter()
        .find(|(tag, _)| primary.eq_ignore_ascii_case(tag))
        .map_or(SIMPLE, |(_, config)| config)
}

/// A language that has a configuration, by its primary subtag; none for [`SIMPLE`].
pub(super) fn language(config: &str) -> &'static str {
    CONFIGS
        .iter()
        .find(|(_, known)| *known == config)
        .map_or("", |(tag, _)| tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primary_subtag_decides() {
        assert_eq!(config("de-AT"), "german");
        assert_eq!(config("EN"), "english");
        assert_eq!(config("ja"), "simple");
        assert_eq!(config(""), "simple");
        assert_eq!((language("german"), language("simple")), ("de", ""));
    }
}
