//! What a model is asked, and what it writes.

use smartcourse_platform::{config::Config, ports::answers::Answerer as _};
use smartcourse_proto::assistant::Usage;

use super::*;

const WRITTEN: &str =
    "Sagas are sequences of steps with compensations. [1] Each compensation undoes a step [1].";

#[tokio::test]
async fn sentences_stand_on_the_words_of_the_course() {
    for provider in BOTH {
        let writer = Writer::start(provider, [Says::this(WRITTEN)]).await;
        assert_eq!(writer.answerer.name(), provider);
        let heard = writer.asked().await;
        assert_eq!(
            heard.texts(),
            [
                "Sagas are sequences of steps with compensations.",
                "Each compensation undoes a step."
            ]
        );
        let quotes: Vec<_> = heard
            .statements
            .iter()
            .map(|one| one.citations[0].quote.as_str())
            .collect();
        assert_eq!(quotes, [SAGA, UNDOES]);
        assert_eq!(heard.note, None);
        assert_eq!(
            heard.usage,
            [Usage {
                model: "writer".to_owned(),
                input_tokens: 100,
                output_tokens: 10,
                cost_millionths: 350,
            }]
        );
    }
}

#[tokio::test]
async fn a_model_is_asked_by_its_own_protocol() {
    for provider in BOTH {
        let writer = Writer::start(provider, [Says::this(WRITTEN)]).await;
        let passages = course(&[SAGA, UNDOES]);
        let question = Question {
            history: &EARLIER,
            ..about(&passages)
        };
        writer.ask(&question).await;
        let call = &writer.model.calls()[0];
        let body: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!(
            (&body["model"], &body["stream"]),
            (&"writer".into(), &true.into())
        );
        assert_eq!(body["max_tokens"], 600);
        let header = |name: &str| call.headers[name].to_str().unwrap();
        let (system, user) = match provider {
            "openai" => {
                assert_eq!(header("authorization"), "Bearer sk-secret");
                assert_eq!(body["messages"][0]["role"], "system");
                (&body["messages"][0]["content"], &body["messages"][1]["content"])
            }
            _ => {
                assert_eq!(
                    (header("x-api-key"), header("anthropic-version")),
                    ("sk-secret", "2023-06-01")
                );
                (&body["system"], &body["messages"][0]["content"])
            }
        };
        let (system, user) = (system.as_str().unwrap(), user.as_str().unwrap());
        assert!(!system.contains(SAGA) && !system.contains("What is a saga?"));
        for part in [
            SAGA,
            UNDOES,
            "What is a saga?",
            "How do I begin?",
            "With the first lesson.",
        ] {
            assert!(user.contains(part), "{part}");
        }
    }
}

#[tokio::test]
async fn a_model_is_not_asked_for_what_the_course_does_not_answer() {
    for provider in BOTH {
        let writer = Writer::start(provider, [Says::this(WRITTEN)]).await;
        let passages = course(&[SAGA]);
        let question = Question {
            answers: false,
            ..about(&passages)
        };
        assert_eq!(writer.answerer.most(&question), Usage::default());
        let heard = writer.ask(&question).await;
        assert!(heard.statements.is_empty() && heard.note.is_none() && writer.told().is_empty());
    }
}

#[tokio::test]
async fn a_model_is_not_asked_when_nothing_may_be_spent() {
    for provider in BOTH {
        let writer = Writer::start(provider, [Says::this(WRITTEN)]).await;
        let passages = course(&[SAGA]);
        let question = Question {
            may_cost: false,
            ..about(&passages)
        };
        let heard = writer.ask(&question).await;
        assert_eq!(
            (heard.texts(), heard.note),
            (vec![SAGA], Some(AnswerNote::LimitReached))
        );
        assert!(writer.told().is_empty());
        let most = writer.answerer.most(&question);
        assert!(most.input_tokens > 100 && most.output_tokens == 600 && most.cost_millionths > 6000);
    }
}

/// What `config check` says of these variables.
fn wrong(variables: &[(&str, &str)]) -> String {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let config = match Config::load(CONFIG, None, &variables.collect::<Vec<_>>()) {
        Ok(config) => config,
        Err(error) => return error.to_string(),
    };
    match Generated::named(&config) {
        Ok(Some(generated)) => generated.name().to_owned(),
        Ok(None) => "quotes".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_model_is_named_by_its_key_or_its_address() {
    let (key, other) = (("OPENAI_API_KEY", "sk-1"), ("ANTHROPIC_API_KEY", "sk-2"));
    let engine = |engine| ("SMARTCOURSE_ANSWERS__ENGINE", engine);
    assert_eq!(wrong(&[]), "quotes");
    assert_eq!(wrong(&[key]), "openai");
    assert_eq!(wrong(&[other]), "anthropic");
    assert_eq!(
        wrong(&[("OPENAI_BASE_URL", "http://127.0.0.1:8081/v1")]),
        "openai"
    );
    assert_eq!(wrong(&[key, other, engine("anthropic")]), "anthropic");
    assert_eq!(wrong(&[key, other, engine("extractive")]), "quotes");
    for (variables, says) in [
        (&[key, other][..], "answers.engine"),
        (&[engine("openai")], "neither a key nor an address"),
        (&[engine("gpt")], "answers.engine"),
        (
            &[key, ("OPENAI_BASE_URL", "http://models.example.com/v1")],
            "must be https",
        ),
        (
            &[("OPENAI_BASE_URL", "ftp://models.example.com")],
            "http or https",
        ),
        (
            &[("OPENAI_BASE_URL", "http://me:secret@localhost")],
            "without a user",
        ),
        (&[("OPENAI_API_KEY", "a key")], "printable"),
        (&[other, ("ANTHROPIC_MODEL", " ")], "must name a model"),
        (&[("SMARTCOURSE_ANSWERS__MAX_TOKENS", "1")], "max_tokens"),
    ] {
        let told = wrong(variables);
        assert!(told.contains(says), "{variables:?}: {told}");
        assert!(!told.contains("sk-") && !told.contains("secret"), "{told}");
    }
    for near in [
        "http://ollama:11434/v1",
        "http://10.0.0.7/v1",
        "http://[::1]:8081/v1",
        "https://models.example.com",
    ] {
        assert_eq!(wrong(&[key, ("OPENAI_BASE_URL", near)]), "openai", "{near}");
    }
}
