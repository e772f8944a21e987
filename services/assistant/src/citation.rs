//! Where a quote stands.

use smartcourse_platform::ports::answers as ports;
use smartcourse_proto::{assistant::Citation, content::Passage};

/// Those of a statement's citations whose quotes stand in their passages, which are of this version: others are dropped, so that
/// nothing lies about its source. They have no numbers yet.
pub(crate) fn standing(cited: Vec<ports::Citation>, passages: &[Passage], version: i32) -> Vec<Citation> {
    let stands = |cited: ports::Citation| {
        let Some(passage) = passages.get(cited.passage) else {
            let passage = cited.passage;
            tracing::error!(passage, "a citation named no passage and was dropped");
            return None;
        };
        if passage.version != version || cited.quote.is_empty() || !passage.text.contains(&cited.quote) {
            tracing::error!(lesson_id = %passage.lesson_id, "a citation did not stand in its passage and was dropped");
            return None;
        }
        Some(Citation {
            // As it is written, so it is read.
            score: (cited.score * 1e4).round() / 1e4,
            ..cite(passage, &cited.quote)
        })
    };
    cited.into_iter().filter_map(stands).collect()
}

/// A citation of `quote` from `passage`: its page and second are those of the quote. Its number and score are not known yet.
pub(crate) fn cite(passage: &Passage, quote: &str) -> Citation {
    Citation {
        lesson_id: passage.lesson_id.clone(),
        lesson_title: passage.lesson_title.clone(),
        module_title: passage.module_title.clone(),
        version: passage.version,
        // A passage stands on one page.
        page: passage.page,
        start_seconds: seconds(passage, quote),
        quote: quote.to_owned(),
        ..Citation::default()
    }
}

/// When the cue appears in which `quote` begins.
fn seconds(passage: &Passage, quote: &str) -> Option<f64> {
    let at = passage.text.find(quote).unwrap_or_default();
    let shown = passage.cues.iter().rev().find(|cue| cue.start as usize <= at);
    shown.map_or(passage.start_seconds, |cue| Some(cue.start_seconds))
}

#[cfg(test)]
mod tests {
    use smartcourse_proto::content::Cue;

    use super::*;

    #[test]
    fn a_quote_has_the_time_of_its_own_cue() {
        let mut passage = Passage {
            text: "First this is said. Then that follows, which ends late.".to_owned(),
            start_seconds: Some(1.5),
            cues: vec![
                Cue {
                    start: 20,
                    start_seconds: 4.0,
                },
                Cue {
                    start: 39,
                    start_seconds: 7.25,
                },
            ],
            ..Passage::default()
        };
        let quotes = [
            "First this is said.",
            "Then that follows, which ends late.",
            "which",
        ];
        let times = quotes.map(|quote| cite(&passage, quote).start_seconds);
        assert_eq!(times, [Some(1.5), Some(4.0), Some(7.25)]);
        passage.cues.clear();
        assert_eq!(cite(&passage, quotes[2]).start_seconds, Some(1.5));
    }
}
