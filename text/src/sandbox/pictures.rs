//! Text in pictures, recognised where there is a program for it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::time::{Duration, Instant};

use super::{Answer, Sandbox, child, tools::Recognition};
use crate::{Chunk, ExtractError, SourceKind};

/// Pages of a scan that are recognised.
const MAX_PAGES: usize = 500;

/// Time for all pages of a scan. Each has the limits of a child besides.
const ALL_PAGES: Duration = Duration::from_secs(15 * 60);

/// What `tesseract` calls languages, by their tags. What is not here is not English either, but English letters are
/// most likely to be there.
const LANGUAGES: [(&str, &str); 40] = [
    ("ar", "ara"),
    ("bg", "bul"),
    ("bn", "ben"),
    ("ca", "cat"),
    ("cs", "ces"),
    ("da", "dan"),
    ("de", "deu"),
    ("el", "ell"),
    ("en", "eng"),
    ("es", "spa"),
    ("et", "est"),
    ("fa", "fas"),
    ("fi", "fin"),
    ("fr", "fra"),
    ("he", "heb"),
    ("hi", "hin"),
    ("hr", "hrv"),
    ("hu", "hun"),
    ("id", "ind"),
    ("it", "ita"),
    ("ja", "jpn"),
    ("ko", "kor"),
    ("lt", "lit"),
    ("lv", "lav"),
    ("nb", "nor"),
    ("nl", "nld"),
    ("no", "nor"),
    ("pl", "pol"),
    ("pt", "por"),
    ("ro", "ron"),
    ("ru", "rus"),
    ("sk", "slk"),
    ("sl", "slv"),
    ("sr", "srp"),
    ("sv", "swe"),
    ("th", "tha"),
    ("tr", "tur"),
    ("uk", "ukr"),
    ("vi", "vie"),
    ("zh", "chi_sim"),
];

impl Sandbox {
    /// The passages of a picture of text, which may have several pages.
    pub(super) async fn read_image(
        &self,
        mut file: File,
        max_words: usize,
        language: Option<&str>,
    ) -> Result<Vec<Chunk>, ExtractError> {
        let tool = self
            .tools
            .recognition
            .as_deref()
            .ok_or(ExtractError::NoRecognition)?;
        file.rewind()?;
        let text = self.recognise(tool, &file, language).await?;
        self.read_recognised(&text, max_words).await
    }

    /// The passages of a PDF whose pages are pictures.
    /// [`ExtractError::NoTextLayer`] where nothing recognises them, or there is nothing to recognise.
    pub(super) async fn read_scan(
        &self,
        mut file: File,
        max_words: usize,
        language: Option<&str>,
    ) -> Result<Vec<Chunk>, ExtractError> {
        let tool = self
            .tools
            .recognition
            .as_deref()
            .ok_or(ExtractError::NoTextLayer)?;
        let begun = Instant::now();
        let mut text = String::new();
        for page in 0.. {
            if page >= MAX_PAGES {
                return Err(ExtractError::Limit);
            }
            if begun.elapsed() > ALL_PAGES {
                return Err(ExtractError::TimedOut);
            }
            file.rewind()?;
            let Some(picture) = self.picture(&file, page).await? else {
                break;
            };
            if page > 0 {
                text.push('\u{c}');
            }
            if picture.is_empty() {
                continue;
            }
            let mut image = tempfile::tempfile()?;
            image.write_all(&picture)?;
            image.rewind()?;
            let recognised = self.recognise(tool, &image, language).await?;
            // One page is one page, whatever stands on it.
            text.push_str(&recognised.replace('\u{c}', "\n\n"));
        }
        match self.read_recognised(&text, max_words).await {
            Err(ExtractError::NoText) => Err(ExtractError::NoTextLayer),
            outcome => outcome,
        }
    }

    /// The picture of a page, counted from 0: empty for a page without one, none after the last page.
    async fn picture(&self, file: &File, page: usize) -> Result<Option<Vec<u8>>, ExtractError> {
        let length = file.metadata()?.len().to_string();
        let args: Vec<OsString> = vec![page.to_string().into(), child::PICTURE.into(), length.into()];
        let ended = self.child(args, file.try_clone()?.into(), &[]).await?;
        let line = ended.output.iter().position(|byte| *byte == b'\n');
        let (line, picture) = line.map_or((&[][..], &[][..]), |end| ended.output.split_at(end + 1));
        match serde_json::from_slice(line) {
            Ok(Answer::Picture(Some(length))) if length == picture.len() => Ok(Some(picture.to_vec())),
            Ok(Answer::Picture(None)) => Ok(None),
            Ok(Answer::Text(Err(error))) => Err(error),
            _ => Err(ended.death),
        }
    }

    /// The text of a picture, its pages apart by form feeds.
    async fn recognise(
        &self,
        tool: &Recognition,
        file: &File,
        language: Option<&str>,
    ) -> Result<String, ExtractError> {
        let language = installed(&tool.languages, language);
        let args = ["stdin", "stdout", "-l", &language].map(OsString::from);
        let text = self.run_tool(&tool.program, args.into(), file).await?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    async fn read_recognised(&self, text: &str, max_words: usize) -> Result<Vec<Chunk>, ExtractError> {
        // A picture without text is no empty file.
        if text.trim().is_empty() {
            return Err(ExtractError::NoText);
        }
        let mut outcome = Err(ExtractError::Crashed);
        let each = |_, read| outcome = read;
        self.read_texts(SourceKind::Recognised, &[text], max_words, each)
            .await?;
        outcome
    }
}

/// The languages to recognise a text of the course's `language` by: that, if it is installed, with English, which is in
/// texts of every language.
fn installed(languages: &[String], language: Option<&str>) -> String {
    let is_installed = |name: &&str| languages.iter().any(|installed| installed == name);
    let tag = language.unwrap_or("en").split('-').next().unwrap_or_default();
    let own = LANGUAGES
        .iter()
        .find(|(known, _)| *known == tag)
        .map(|(_, name)| *name);
    let mut found: Vec<&str> = own.into_iter().chain(["eng"]).filter(is_installed).collect();
    found.dedup();
    match (found.as_slice(), languages.first()) {
        ([], Some(any)) => any.clone(),
        _ => found.join("+"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_of_the_course_is_used_where_it_is_installed() {
        let languages = ["deu", "eng", "osd"].map(str::to_owned);
        let of = |language| installed(&languages, language);
        assert_eq!(of(Some("de-AT")), "deu+eng");
        assert_eq!(
            (of(Some("fr")), of(Some("en")), of(None)),
            ("eng".to_owned(), "eng".to_owned(), "eng".to_owned())
        );
        assert_eq!(installed(&["fra".to_owned()], Some("de")), "fra");
    }
}
