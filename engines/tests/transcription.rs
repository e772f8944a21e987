//! Transcripts by OpenAI's protocol: what the server is sent, and what becomes of each of its answers.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use serde_json::json;
use smartcourse_engines::{CONFIG, transcription::openai::OpenAi};
use smartcourse_platform::{
    Error, Result,
    config::Config,
    error::codes,
    ports::transcription::{Segment, Transcriber as _},
};
use smartcourse_tests::{Provider, Said};

fn named(settings: &[(&str, &str)]) -> anyhow::Result<Option<OpenAi>> {
    let variables: Vec<_> = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let config = Config::load(CONFIG, None, &variables)?;
    Ok(OpenAi::named(&config)?)
}

fn at(provider: &Provider) -> OpenAi {
    let settings = [
        ("TRANSCRIPTION_BASE_URL", provider.url.as_str()),
        ("TRANSCRIPTION_API_KEY", "sk-secret"),
        ("SMARTCOURSE_TRANSCRIPTION__TIMEOUT_SECONDS", "1"),
    ];
    named(&settings).unwrap().unwrap()
}

async fn heard(says: Said) -> Result<Vec<Segment>> {
    let provider = Provider::start().await.unwrap();
    provider.says([says]);
    at(&provider).transcribe(b"RIFF".to_vec(), None).await
}

fn well() -> Said {
    let segments =
        json!([{"id": 0, "start": 0.5, "end": 2.25, "text": " Arches press outwards.", "tokens": [1]}]);
    (
        200,
        None,
        json!({"task": "transcribe", "text": "Arches", "segments": segments}).to_string(),
    )
}

#[tokio::test]
async fn a_piece_is_sent_as_a_form_and_comes_back_with_times() {
    let provider = Provider::start().await.unwrap();
    provider.says([well()]);
    let segments = at(&provider)
        .transcribe(b"RIFF\0\xff".to_vec(), Some("de-AT"))
        .await;
    let expected = Segment {
        start: 0.5,
        end: 2.25,
        text: " Arches press outwards.".to_owned(),
    };
    assert_eq!(segments.unwrap(), [expected]);
    let [call] = &provider.calls()[..] else {
        panic!("one call")
    };
    assert_eq!(call.path, "/audio/transcriptions");
    assert_eq!(call.headers["authorization"], "Bearer sk-secret");
    let kind = call.headers["content-type"].to_str().unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let body = String::from_utf8_lossy(&call.body);
    let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
    assert_eq!((parts.first(), parts.last()), (Some(&""), Some(&"--\r\n")));
    let field = |name: &str| {
        let head = format!("\r\nContent-Disposition: form-data; name=\"{name}\"");
        parts.iter().find_map(|part| {
            part.strip_prefix(&head)?
                .split_once("\r\n\r\n")?
                .1
                .strip_suffix("\r\n")
        })
    };
    assert_eq!(field("model"), Some("whisper-1"));
    assert_eq!(field("response_format"), Some("verbose_json"));
    assert_eq!(field("language"), Some("de"));
    assert_eq!(field("file"), Some("RIFF\0\u{fffd}"));
}

#[tokio::test]
async fn an_answer_that_passes_is_told_from_one_that_is_final() {
    let wrong = |status: u16, after| {
        let error = json!({"error": {"type": "some_error", "message": "the key sk-secret is not good"}});
        (status, after, error.to_string())
    };
    let outcome = async |says| heard(says).await.unwrap_err();
    for status in [400, 401, 413, 415, 422] {
        let error = outcome(wrong(status, None)).await;
        assert!(error.is(&codes::TRANSCRIPTION_REFUSED), "{status}");
        assert!(!error.kind().is_retryable());
        let told = format!("the transcription service answers {status} (some_error)");
        assert_eq!(error.chain(), format!("transcription_refused: {told}"));
    }
    let waits = |error: &Error| error.facts().first().and_then(|(_, seconds)| seconds.as_u64());
    for (status, after, expected) in [
        (429, Some(7), Some(7)),
        (503, Some(100_000), Some(300)),
        (500, None, None),
    ] {
        let error = outcome(wrong(status, after)).await;
        assert!(error.is(&codes::UNAVAILABLE), "{status}");
        assert_eq!(waits(&error), expected, "{status}");
    }
    for malformed in [
        "",
        "{",
        "{\"text\": \"no times\"}",
        "{\"segments\": [{\"start\": \"now\"}]}",
    ] {
        let error = outcome((200, None, malformed.to_owned())).await;
        assert!(error.is(&codes::UNAVAILABLE), "{malformed}");
    }
}

#[tokio::test]
async fn a_server_that_is_silent_or_away_is_unavailable() {
    // Connections are accepted, by the system, and nothing is ever answered.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let patience = ("SMARTCOURSE_TRANSCRIPTION__TIMEOUT_SECONDS", "1");
    let ask = async |name: &str| {
        let server = named(&[("TRANSCRIPTION_BASE_URL", &url), patience]).unwrap();
        let error = server.unwrap().transcribe(Vec::new(), None).await.unwrap_err();
        assert!(error.is(&codes::UNAVAILABLE), "{name}: {}", error.chain());
    };
    ask("silent").await;
    drop(silent);
    ask("away").await;
}

#[tokio::test]
async fn nothing_is_sent_anywhere_unless_an_address_is_named() {
    let (key, model) = (("OPENAI_API_KEY", "sk-1"), ("TRANSCRIPTION_MODEL", "whisper-1"));
    for none in [
        &[][..],
        &[key],
        &[key, model],
        &[("TRANSCRIPTION_API_KEY", "sk-2")],
    ] {
        assert!(named(none).unwrap().is_none(), "{none:?}");
    }
    for (settings, problem) in [
        (
            &[
                ("TRANSCRIPTION_BASE_URL", "http://models.example.com/v1"),
                ("TRANSCRIPTION_API_KEY", "sk-2"),
            ][..],
            "must be https",
        ),
        (
            &[("TRANSCRIPTION_BASE_URL", "ftp://models.example.com")],
            "must be an http",
        ),
        (
            &[("SMARTCOURSE_TRANSCRIPTION__TIMEOUT_SECONDS", "0")],
            "must be 1 to 400",
        ),
        (
            &[("SMARTCOURSE_TRANSCRIPTION__MAX_MINUTES", "0")],
            "must be 1 to 1440",
        ),
    ] {
        let error = named(settings).map(drop).unwrap_err();
        assert!(format!("{error:#}").contains(problem), "{error:#}");
    }
}

/// The key of OpenAI goes to the address it was given for, and to no other.
#[tokio::test]
async fn a_key_goes_to_its_own_server_alone() {
    let provider = Provider::start().await.unwrap();
    let base = format!("{}/v1", provider.url);
    let same = format!("{base}/");
    for (openai, sent) in [(&*same, Some("Bearer sk-1")), ("http://127.0.0.1:9/v1", None)] {
        provider.says([well()]);
        let settings = [
            ("TRANSCRIPTION_BASE_URL", &*base),
            ("OPENAI_BASE_URL", openai),
            ("OPENAI_API_KEY", "sk-1"),
        ];
        let server = named(&settings).unwrap().unwrap();
        server.transcribe(Vec::new(), None).await.unwrap();
        let call = provider.calls().pop().unwrap();
        assert_eq!(call.path, "/v1/audio/transcriptions");
        let header = call.headers.get("authorization");
        assert_eq!(header.map(|value| value.to_str().unwrap()), sent, "{openai}");
    }
}
