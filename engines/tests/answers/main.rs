//! Answers that models write, by each protocol: what reaches the reader, whatever the model says and however it fails.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod failing;
mod lying;
mod writing;

use futures::StreamExt as _;
use smartcourse_engines::{CONFIG, answers::generated::Generated};
use smartcourse_platform::{
    config::Config,
    ports::answers::{Answerer as _, Exchange, Part, Question, Statement},
};
use smartcourse_proto::{
    assistant::{AnswerNote, Usage},
    content::{Passage, SentenceScore},
};
use smartcourse_tests::{Model, Says};

const BOTH: [&str; 2] = ["openai", "anthropic"];
const SAGA: &str = "A saga is a sequence of steps with compensations.";
const UNDOES: &str = "Each compensation undoes one step.";

/// A model, and what answers by it.
struct Writer {
    model: Model,
    answerer: Generated,
}

/// What an answer was.
#[derive(Default)]
struct Heard {
    statements: Vec<Statement>,
    note: Option<AnswerNote>,
    usage: Vec<Usage>,
}

impl Heard {
    fn texts(&self) -> Vec<&str> {
        self.statements
            .iter()
            .map(|statement| statement.text.as_str())
            .collect()
    }
}

impl Writer {
    async fn start(provider: &str, says: impl IntoIterator<Item = Says>) -> Self {
        let model = Model::start().await.unwrap();
        model.says(says);
        let settings = match provider {
            "openai" => [
                ("OPENAI_BASE_URL", format!("{}/v1/", model.url)),
                ("OPENAI_API_KEY", "sk-secret".to_owned()),
                ("OPENAI_MODEL", "writer".to_owned()),
            ],
            _ => [
                ("ANTHROPIC_BASE_URL", model.url.clone()),
                ("ANTHROPIC_API_KEY", "sk-secret".to_owned()),
                ("ANTHROPIC_MODEL", "writer".to_owned()),
            ],
        };
        let patience = [
            ("SMARTCOURSE_ANSWERS__FIRST_SECONDS", "1".to_owned()),
            ("SMARTCOURSE_ANSWERS__SILENCE_SECONDS", "1".to_owned()),
            ("SMARTCOURSE_ANSWERS__INPUT_PRICE", "2.5".to_owned()),
            ("SMARTCOURSE_ANSWERS__OUTPUT_PRICE", "10.0".to_owned()),
        ];
        let variables = settings.into_iter().chain(patience);
        let variables: Vec<_> = variables.map(|(name, value)| (name.to_owned(), value)).collect();
        let config = Config::load(CONFIG, None, &variables).unwrap();
        Self {
            model,
            answerer: Generated::named(&config).unwrap().unwrap(),
        }
    }

    async fn ask(&self, question: &Question<'_>) -> Heard {
        let mut heard = Heard::default();
        let mut parts = self.answerer.answer(*question);
        while let Some(part) = parts.next().await {
            match part.unwrap() {
                Part::Statement(statement) => heard.statements.push(statement),
                Part::Quoted(note) => heard.note = Some(note),
                Part::Spent(usage) => heard.usage.push(usage),
            }
        }
        for statement in &heard.statements {
            assert!(!statement.citations.is_empty(), "{statement:?}");
            for citation in &statement.citations {
                assert!(question.passages[citation.passage].text.contains(&citation.quote));
            }
        }
        heard
    }

    /// What it answers about the course of these tests.
    async fn asked(&self) -> Heard {
        self.ask(&about(&course(&[SAGA, UNDOES]))).await
    }

    /// What the model was told, as text.
    fn told(&self) -> Vec<String> {
        let calls = self.model.calls().into_iter();
        calls.map(|call| String::from_utf8(call.body).unwrap()).collect()
    }
}

/// A passage of these sentences, the first of which answers best.
fn course(sentences: &[&str]) -> [Passage; 1] {
    let mut passage = Passage {
        lesson_title: "Sagas".to_owned(),
        ..Passage::default()
    };
    for (place, sentence) in sentences.iter().enumerate() {
        let start = passage.text.len() as u32;
        passage.text.push_str(sentence);
        passage.sentences.push(SentenceScore {
            start,
            end: passage.text.len() as u32,
            cosine: 0.9,
            score: Some(0.9 - place as f64 * 0.3),
            ..SentenceScore::default()
        });
        passage.text.push(' ');
    }
    [passage]
}

fn about(passages: &[Passage]) -> Question<'_> {
    Question {
        text: "What is a saga?",
        history: &[],
        passages,
        language: "en",
        answers: true,
        may_cost: true,
    }
}

/// Earlier exchanges.
const EARLIER: [Exchange<'static>; 1] = [Exchange {
    question: "How do I begin?",
    answer: "With the first lesson. [1]",
}];
