//! Drafts as Markdown, in the language of the course where it is one of these: English, German, Spanish, French.

use smartcourse_proto::assistant::{Citation, DraftKind, Drafted, GeneratedDraft};

/// What a draft says that no lesson does.
pub(super) struct Wording {
    summary: &'static str,
    objectives: &'static str,
    glossary: &'static str,
    pub(super) quiz: &'static str,
    /// Before and after what one can explain.
    explain: [&'static str; 2],
    /// What a model is asked.
    pub(super) sum_up: &'static str,
}

const ENGLISH: Wording = Wording {
    summary: "Summary",
    objectives: "What you learn",
    glossary: "Glossary",
    quiz: "What have you learned?",
    explain: ["Explain: ", ""],
    sum_up: "What are the most important points of this lesson? Sum them up in three to five sentences.",
};
const OTHERS: [(&str, Wording); 3] = [
    (
        "de",
        Wording {
            summary: "Zusammenfassung",
            objectives: "Was Sie lernen",
            glossary: "Glossar",
            quiz: "Was haben Sie gelernt?",
            explain: ["", " erklären"],
            sum_up: "Was sind die wichtigsten Punkte dieser Lektion? Fassen Sie sie in drei bis fünf Sätzen zusammen.",
        },
    ),
    (
        "es",
        Wording {
            summary: "Resumen",
            objectives: "Lo que aprenderá",
            glossary: "Glosario",
            quiz: "¿Qué ha aprendido?",
            explain: ["Explicar: ", ""],
            sum_up: "¿Cuáles son los puntos más importantes de esta lección? Resúmalos en tres a cinco frases.",
        },
    ),
    (
        "fr",
        Wording {
            summary: "Résumé",
            objectives: "Ce que vous apprenez",
            glossary: "Glossaire",
            quiz: "Qu’avez-vous appris ?",
            explain: ["Expliquer : ", ""],
            sum_up: "Quels sont les points les plus importants de cette leçon ? Résumez-les en trois à cinq phrases.",
        },
    ),
];

/// The wording of a language (BCP 47).
pub(super) fn of(language: &str) -> &'static Wording {
    let primary = language.split('-').next().unwrap_or_default();
    let other = OTHERS.iter().find(|(tag, _)| primary.eq_ignore_ascii_case(tag));
    other.map_or(&ENGLISH, |(_, wording)| wording)
}

/// Text with a number for each citation.
pub(super) fn draft(kind: DraftKind, language: &str, chosen: Vec<Drafted>) -> GeneratedDraft {
    let wording = of(language);
    let (mut markdown, mut citations) = (String::new(), Vec::<Citation>::new());
    for drafted in chosen {
        let Some(citation) = drafted.citation else {
            continue;
        };
        let is_first = citations.is_empty();
        let is_new = citations
            .last()
            .is_none_or(|last| last.lesson_id != citation.lesson_id);
        let title = citation.lesson_title.clone();
        let mut marks = String::new();
        for mut citation in std::iter::once(citation).chain(drafted.others) {
            let n = citations.len() + 1;
            citation.n = i32::try_from(n).unwrap_or(i32::MAX);
            marks.push_str(&format!("[{n}]"));
            citations.push(citation);
        }
        match kind {
            DraftKind::Summary => {
                match (is_new, is_first) {
                    (true, true) => markdown.push_str(&format!("## {title}\n\n")),
                    (true, false) => markdown.push_str(&format!("\n\n## {title}\n\n")),
                    (false, _) => markdown.push(' '),
                }
                markdown.push_str(&format!("{} {marks}", drafted.text));
            }
            DraftKind::Objectives => {
                let what = drafted.term.as_deref().unwrap_or(&title);
                let [before, after] = wording.explain;
                markdown.push_str(&format!("- {before}{what}{after} {marks}\n"));
            }
            _ => markdown.push_str(&format!(
                "- **{}**: {} {marks}\n",
                drafted.term.unwrap_or_default(),
                drafted.text
            )),
        }
    }
    let title = match kind {
        DraftKind::Summary => wording.summary,
        DraftKind::Objectives => wording.objectives,
        _ => wording.glossary,
    };
    GeneratedDraft {
        title: title.to_owned(),
        markdown: markdown.trim_end().to_owned(),
        citations,
        ..GeneratedDraft::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_names_the_place_of_each_statement() {
        let drafted = |lesson: &str, text: &str, term: Option<&str>| Drafted {
            text: text.to_owned(),
            term: term.map(str::to_owned),
            citation: Some(Citation {
                lesson_id: lesson.to_owned(),
                lesson_title: format!("Lesson {lesson}"),
                ..Citation::default()
            }),
            weight: 1.0,
            ..Drafted::default()
        };
        let parts = || {
            vec![
                drafted("1", "One.", Some("one")),
                drafted("1", "Two.", None),
                drafted("2", "Three.", Some("three")),
            ]
        };
        let summary = draft(DraftKind::Summary, "en", parts());
        assert_eq!(
            summary.markdown,
            "## Lesson 1\n\nOne. [1] Two. [2]\n\n## Lesson 2\n\nThree. [3]"
        );
        let objectives = draft(DraftKind::Objectives, "de-AT", parts());
        assert_eq!(
            objectives.markdown,
            "- one erklären [1]\n- Lesson 1 erklären [2]\n- three erklären [3]"
        );
        assert_eq!(objectives.title, "Was Sie lernen");
        assert_eq!(
            objectives
                .citations
                .iter()
                .map(|citation| citation.n)
                .collect::<Vec<_>>(),
            [1, 2, 3]
        );
    }
}
