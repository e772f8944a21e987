//! Answers that a model writes, sentence by sentence, of which only those reach the reader that the passages bear out.

pub mod anthropic;
mod call;
pub mod openai;
mod prompt;
mod provider;
mod sentences;
mod support;
mod wording;

use std::{collections::HashSet, time::Duration};

use call::{Call, Caller, Failure, Next};
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use prompt::Prompt;
use provider::Provider;
use sentences::Written;
use serde::Deserialize;
use smartcourse_platform::{
    Result,
    config::{Config, Declared, Problems, Reader, Section},
    ports::answers::{Answerer, Part, Question, Statement},
};
use smartcourse_proto::assistant::{AnswerNote, Usage};
use smartcourse_telemetry::catalogue::{ANSWER_STATEMENTS, MODEL_COST};
use support::Support;

use super::extractive::Extractive;
use crate::servers::Found;

/// Tries of a call in all.
const TRIES: u32 = 3;
/// The pause before the second try, which doubles; and the longest that a provider may ask for: who asks for more is not waited
/// for.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What is declared here.
pub(crate) const CONFIG: Declared = Declared::of(
    r#"[answers]
# What answers: "extractive" quotes, "openai" and "anthropic" write; "": the one that has a key, or an address of its own, else quotes.
engine = ""
# Tokens a model may write for one answer.
max_tokens = 600
# Seconds until a model must have begun, and for which it may then fall silent.
first_seconds = 20
silence_seconds = 20
# Prices of a million tokens that are read and written, in any currency: what answers cost is counted by them.
input_price = 0.0
output_price = 0.0
"#,
    &[Reader::of::<Settings>()],
);

/// `[answers]`
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// What answers.
    pub engine: String,
    /// Tokens of one answer.
    pub max_tokens: u32,
    /// Seconds until the first event.
    pub first_seconds: u64,
    /// Seconds without an event.
    pub silence_seconds: u64,
    /// Price of a million tokens that are read.
    pub input_price: f64,
    /// Price of a million tokens that are written.
    pub output_price: f64,
}

impl Section for Settings {
    const NAME: &'static str = "answers";

    fn check(&self, problems: &mut Problems) {
        problems.require(
            ["", "extractive", "openai", "anthropic"].contains(&self.engine.as_str()),
            "answers.engine: must be extractive, openai, anthropic or \"\"",
        );
        problems.require(
            (50..=8000).contains(&self.max_tokens),
            "answers.max_tokens: must be 50 to 8000",
        );
        problems.require(
            (1..=300).contains(&self.first_seconds) && (1..=300).contains(&self.silence_seconds),
            "answers: first_seconds and silence_seconds must be 1 to 300",
        );
        let is_price = |price: f64| (0.0..=1e6).contains(&price);
        problems.require(
            is_price(self.input_price) && is_price(self.output_price),
            "answers: input_price and output_price must be 0 to 1000000",
        );
    }
}

/// A model that writes.
pub struct Generated {
    provider: Box<dyn Provider>,
    caller: Caller,
    settings: Settings,
}

impl Generated {
    /// The model the configuration names, if it names one. Fails when a setting cannot be used, or two are named and
    /// `answers.engine` does not say which.
    pub fn named(config: &Config) -> Result<Option<Self>> {
        let settings: Settings = config.section()?;
        let openai: openai::Settings = config.section()?;
        let anthropic: anthropic::Settings = config.section()?;
        let provider: Box<dyn Provider> =
            match (settings.engine.as_str(), openai.is_named(), anthropic.is_named()) {
                ("extractive", ..) | ("", false, false) => return Ok(None),
                ("openai", true, _) | ("", true, false) => Box::new(openai::OpenAi::new(&openai)?),
                ("anthropic", _, true) | ("", false, true) => {
                    Box::new(anthropic::Anthropic::new(&anthropic)?)
                }
                ("", true, true) => {
                    return Err(unclear(
                        "openai and anthropic both have a key: say in answers.engine which one answers",
                    ));
                }
                ("openai", ..) => {
                    return Err(unclear(
                        "answers.engine is openai, which has neither a key nor an address of its own",
                    ));
                }
                _ => return Err(unclear("answers.engine is anthropic, which has no key")),
            };
        let caller = Caller::new(
            Duration::from_secs(settings.first_seconds),
            Duration::from_secs(settings.silence_seconds),
        )?;
        Ok(Some(Self {
            provider,
            caller,
            settings,
        }))
    }

    /// What its provider says to somebody who looks whether it is there.
    pub(crate) async fn look(&self) -> Found {
        let (server, variable) = match self.provider.name() {
            "anthropic" => ("Anthropic", "ANTHROPIC_API_KEY"),
            _ => ("OpenAI", "OPENAI_BASE_URL and OPENAI_API_KEY"),
        };
        Found {
            server,
            variable,
            address: self.provider.url().to_string(),
            outcome: self.caller.look(&*self.provider).await,
        }
    }

    fn priced(&self, usage: Usage) -> Usage {
        let cost = usage.input_tokens as f64 * self.settings.input_price
            + usage.output_tokens as f64 * self.settings.output_price;
        Usage {
            cost_millionths: cost.ceil() as i64,
            ..usage
        }
    }

    fn spent(&self, call: &Call<'_>) -> Part {
        let usage = self.priced(call.usage());
        MODEL_COST.add(usage.cost_millionths.unsigned_abs(), [self.provider.model()]);
        Part::Spent(usage)
    }

    /// What the model writes, as far as the passages bear it out, and quotes where it does not go on.
    fn written<'a>(&'a self, question: Question<'a>) -> BoxStream<'a, Result<Part>> {
        let prompt = Prompt::of(&question);
        async_stream::stream! {
            let support = Support::of(question.passages, question.language);
            let mut said: Vec<Statement> = Vec::new();
            let mut tries = 0;
            let failure = loop {
                tries += 1;
                let failure = match self.caller.call(&*self.provider, &prompt, self.settings.max_tokens).await {
                    Err(failure) => Some(failure),
                    Ok(mut call) => {
                        let mut written = Written::default();
                        let end = loop {
                            let (whole, end) = match call.next().await {
                                Ok(Next::Text(text)) => (written.add(&text), None),
                                // What was broken off in the middle is no statement.
                                Ok(Next::End(is_whole)) => (if is_whole { written.end() } else { Vec::new() }, Some(None)),
                                Err(failure) => (Vec::new(), Some(Some(failure))),
                            };
                            for statement in whole.iter().filter_map(|statement| judged(&support, statement)) {
                                if said.iter().all(|other| other.text != statement.text) {
                                    said.push(statement.clone());
                                    yield Ok(Part::Statement(statement));
                                }
                            }
                            if let Some(end) = end {
                                break end;
                            }
                        };
                        yield Ok(self.spent(&call));
                        end
                    }
                };
                match failure.as_ref().and_then(|failure| pause(failure, tries)) {
                    Some(pause) if said.is_empty() => tokio::time::sleep(pause).await,
                    _ => break failure,
                }
            };
            if let Some(failure) = &failure {
                tracing::warn!(error = %failure.error.chain(), tries, "a model did not finish an answer");
            }
            let note = match (failure.is_some(), said.is_empty()) {
                (false, false) => return,
                (false, true) => AnswerNote::NotSupported,
                (true, false) => AnswerNote::CutOff,
                (true, true) => AnswerNote::ModelAway,
            };
            for await part in quoted(question, note, &said) {
                yield part;
            }
        }
        .boxed()
    }
}

fn unclear(detail: &'static str) -> smartcourse_platform::Error {
    smartcourse_platform::Error::internal(detail)
}

/// A statement that the passages bear out.
fn judged(support: &Support<'_>, statement: &str) -> Option<Statement> {
    let supported = support.supported(statement);
    let outcome = if supported.is_some() {
        "supported"
    } else {
        "withheld"
    };
    ANSWER_STATEMENTS.add(1, [outcome]);
    supported
}

/// How long to wait before the next try; there is none when it would not help, or has been tried often enough.
fn pause(failure: &Failure, tries: u32) -> Option<Duration> {
    let own = PAUSE * 2_u32.pow(tries - 1);
    let pause = failure.wait.unwrap_or(own).max(own);
    (failure.passes && tries < TRIES && pause <= LONGEST_PAUSE).then_some(pause)
}

/// Quotes that were not cited so far, after a note that says why.
fn quoted<'a>(question: Question<'a>, note: AnswerNote, said: &[Statement]) -> BoxStream<'a, Result<Part>> {
    let cited = said.iter().flat_map(|statement| &statement.citations);
    let cited: HashSet<String> = cited.map(|citation| citation.quote.clone()).collect();
    let is_new = move |part: &Result<Part>| match part {
        Ok(Part::Statement(statement)) => !cited.contains(&statement.text),
        _ => true,
    };
    let quotes = Extractive
        .answer(question)
        .filter(move |part| std::future::ready(is_new(part)));
    stream::iter([Ok(Part::Quoted(note))]).chain(quotes).boxed()
}

impl Answerer for Generated {
    fn name(&self) -> &str {
        self.provider.name()
    }

    fn most(&self, question: &Question<'_>) -> Usage {
        if !question.answers {
            return Usage::default();
        }
        self.priced(Usage {
            model: self.provider.model().to_owned(),
            input_tokens: Prompt::of(question).tokens(),
            output_tokens: i64::from(self.settings.max_tokens),
            cost_millionths: 0,
        })
    }

    fn answer<'a>(&'a self, question: Question<'a>) -> BoxStream<'a, Result<Part>> {
        match (question.answers, question.may_cost) {
            (false, _) => Extractive.answer(question),
            (true, false) => quoted(question, AnswerNote::LimitReached, &[]),
            (true, true) => self.written(question),
        }
    }
}
