//! Text messages and push messages against local providers that speak their protocols.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use p256::{SecretKey, elliptic_curve::sec1::ToEncodedPoint as _};
use serde_json::{Value, json};
use smartcourse_engines::{
    CONFIG, Engines,
    push::web_push::{self, WebPush},
    sms::twilio::{self, Twilio},
};
use smartcourse_platform::{
    config::Config,
    error::{Code, codes},
    ports::{push::Pusher as _, sms::Texter as _},
};
use smartcourse_tests::Provider;
use web_push_native::Auth;

/// What an answer with this status means to a sender.
fn meaning(status: u16) -> &'static Code {
    match status {
        // Our credentials, not the address.
        401 | 403 | 429 => &codes::DELIVERY_FAILED,
        400..500 => &codes::DELIVERY_REFUSED,
        _ => &codes::DELIVERY_FAILED,
    }
}

#[tokio::test]
async fn text_messages_over_twilio() {
    let provider = Provider::start().await.unwrap();
    let config = twilio::Settings {
        url: format!("{}/", provider.url),
        account_sid: "AC1".to_owned(),
        auth_token: "secret".into(),
        from: "+15550100".to_owned(),
    };
    let texter = Twilio::new(&config).unwrap();
    texter.send("+4915112345678", "Hello & welcome ü").await.unwrap();
    let call = provider.calls().pop().unwrap();
    assert_eq!(call.path, "/2010-04-01/Accounts/AC1/Messages.json");
    assert_eq!(call.headers["authorization"], "Basic QUMxOnNlY3JldA==");
    assert_eq!(
        std::str::from_utf8(&call.body).unwrap(),
        "To=%2B4915112345678&From=%2B15550100&Body=Hello+%26+welcome+%C3%BC"
    );
    for status in [400, 401, 403, 404, 429, 500, 302] {
        provider.answer(status);
        let error = texter.send("+4915112345678", "x").await.unwrap_err();
        assert!(
            error.is(meaning(status)) && error.detail().contains("because"),
            "{status}: {}",
            error.chain()
        );
    }
}

#[tokio::test]
async fn what_is_not_configured_is_off() {
    let engines = Engines::open(&Config::load(CONFIG, None, &[]).unwrap()).unwrap();
    assert!(engines.texter().unwrap().is_none() && engines.pusher().unwrap().is_none());
}

#[tokio::test]
async fn push_messages_are_signed_and_only_the_browser_reads_them() {
    let provider = Provider::start().await.unwrap();
    let vapid = SecretKey::from_slice(&[7; 32]).unwrap();
    let config = web_push::Settings {
        private_key: BASE64URL_NOPAD.encode(&[7; 32]).into(),
        contact: "mailto:ops@example.org".to_owned(),
        services: vec![provider.url.clone()],
    };
    let pusher = WebPush::new(&config).unwrap();
    let public = vapid.public_key().to_encoded_point(false);
    assert_eq!(pusher.key(), BASE64URL_NOPAD.encode(public.as_bytes()));

    // What a browser would keep and answer.
    let browser = SecretKey::from_slice(&[9; 32]).unwrap();
    let auth = [3; 16];
    let point = browser.public_key().to_encoded_point(false);
    let subscription = |endpoint: &str| {
        json!({"endpoint": endpoint, "expirationTime": null, "keys": {
            "p256dh": BASE64URL_NOPAD.encode(point.as_bytes()), "auth": BASE64URL_NOPAD.encode(&auth)}})
        .to_string()
    };
    let ours = subscription(&format!("{}/send/abc", provider.url));
    pusher.check(&ours).unwrap();
    let id = "0190f3c1-7b0e-7cc3-98c4-dc0c0c07398f";
    pusher.send(id, &ours, b"{\"title\":\"Hello\"}").await.unwrap();

    let call = provider.calls().pop().unwrap();
    assert_eq!(call.path, "/send/abc");
    assert_eq!(call.headers["content-encoding"], "aes128gcm");
    assert_eq!(call.headers["ttl"], "86400");
    assert_eq!(call.headers["topic"], "0190f3c17b0e7cc398c4dc0c0c07398f");
    let clear =
        web_push_native::decrypt(call.body.to_vec(), &browser, &Auth::clone_from_slice(&auth)).unwrap();
    assert_eq!(clear, b"{\"title\":\"Hello\"}");
    let authorization = call.headers["authorization"].to_str().unwrap();
    let (token, key) = authorization
        .strip_prefix("vapid t=")
        .and_then(|rest| rest.split_once(", k="))
        .unwrap();
    assert_eq!(key, pusher.key());
    let mut expected = Validation::new(Algorithm::ES256);
    expected.set_audience(&[&provider.url]);
    let verifier = DecodingKey::from_ec_components(
        &BASE64URL_NOPAD.encode(public.x().unwrap()),
        &BASE64URL_NOPAD.encode(public.y().unwrap()),
    )
    .unwrap();
    let claims = jsonwebtoken::decode::<Value>(token, &verifier, &expected)
        .unwrap()
        .claims;
    assert_eq!(claims["sub"], "mailto:ops@example.org");

    for status in [404, 410] {
        provider.answer(status);
        let error = pusher.send(id, &ours, b"x").await.unwrap_err();
        assert!(error.is(&codes::SUBSCRIPTION_GONE), "{status}: {}", error.chain());
        assert!(!error.kind().is_retryable(), "{status}");
    }
    for status in [401, 403, 413, 429, 503, 307] {
        provider.answer(status);
        let error = pusher.send(id, &ours, b"x").await.unwrap_err();
        assert!(error.is(meaning(status)), "{status}: {}", error.chain());
    }
    let calls = provider.calls().len();
    for broken in [
        "nonsense".to_owned(),
        "{}".to_owned(),
        subscription("http://127.0.0.1:1/elsewhere"),
        ours.replace("\"auth\":\"", "\"auth\":\"AA"),
    ] {
        let error = pusher.send(id, &broken, b"x").await.unwrap_err();
        assert!(error.is(&codes::DELIVERY_REFUSED), "{broken}: {}", error.chain());
        assert!(pusher.check(&broken).is_err());
    }
    assert_eq!(provider.calls().len(), calls, "nobody else is called");
}
