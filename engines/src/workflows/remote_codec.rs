//! The protocol by which Temporal's web interface and command line have payloads decrypted: lists of payloads as JSON.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use smartcourse_platform::{
    Error, Result,
    config::{Config, Declared, Problems, Reader, Section, require_address},
    error::codes,
};
use temporalio_common::protos::temporal::api::common::v1::Payload;

use super::codec::{self, Codec};

/// What is declared here.
pub(crate) const CONFIG: Declared = Declared::of(
    r#"[codec_server]
# Where `smartcourse codec-server` shows payloads in clear to Temporal's web interface and command line. On an address that
# others reach it needs the token.
listen = "127.0.0.1:8234"
# The web interfaces whose pages may ask it, such as "https://cloud.temporal.io", separated by commas. "": that of
# temporal.ui_url.
origins = ""
# What `Authorization: Bearer …` has to say; "": nothing is asked for.
token = ""
"#,
    &[Reader::of::<Settings>()],
);

/// `[codec_server]`
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// `host:port` to listen on.
    pub listen: String,
    /// Origins of web interfaces, separated by commas; empty for that of `temporal.ui_url`.
    pub origins: String,
    /// What a request has to show, or empty.
    pub token: SecretString,
}

impl Section for Settings {
    const NAME: &'static str = "codec_server";

    fn check(&self, problems: &mut Problems) {
        use secrecy::ExposeSecret as _;
        require_address(problems, "codec_server.listen", &self.listen);
        let (host, _) = self.listen.rsplit_once(':').unwrap_or_default();
        problems.require(
            ["127.0.0.1", "[::1]", "localhost"].contains(&host) || !self.token.expose_secret().is_empty(),
            "codec_server.token: must be set, since others reach codec_server.listen",
        );
    }
}

/// Which way payloads are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// As Temporal gets them.
    Encode,
    /// As they are read.
    Decode,
}

/// Payloads as the protocol has them.
#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    #[serde(default)]
    payloads: Vec<Shown>,
}

/// A payload: bytes are base64.
#[derive(Debug, Serialize, Deserialize)]
struct Shown {
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    data: String,
}

impl Shown {
    fn of(payload: Payload) -> Self {
        let metadata = payload.metadata.into_iter();
        Self {
            metadata: metadata
                .map(|(name, value)| (name, BASE64.encode(&value)))
                .collect(),
            data: BASE64.encode(&payload.data),
        }
    }

    fn read(self) -> Result<Payload, data_encoding::DecodeError> {
        let metadata = self.metadata.into_iter();
        let metadata = metadata.map(|(name, value)| Ok((name, BASE64.decode(value.as_bytes())?)));
        Ok(Payload {
            metadata: metadata.collect::<Result<_, _>>()?,
            data: BASE64.decode(self.data.as_bytes())?,
            ..Payload::default()
        })
    }
}

/// Encrypts and decrypts what others ask for.
#[derive(Clone)]
pub struct RemoteCodec(Codec);

impl RemoteCodec {
    /// By the keys of the configuration. Fails when one cannot be used.
    pub fn open(config: &Config) -> Result<Self> {
        Ok(Self(Codec::open(&config.section::<codec::Settings>()?)?))
    }

    /// The answer to a request. Fails with `malformed_request` when it holds no payloads, with `internal` when one is encrypted with
    /// a key that is not ours.
    pub fn answer(&self, direction: Direction, request: &[u8]) -> Result<Vec<u8>> {
        let malformed = || {
            Error::new(
                &codes::MALFORMED_REQUEST,
                "this is not {\"payloads\": […]} with bytes in base64",
            )
        };
        let listed: Listed = serde_json::from_slice(request).map_err(|error| malformed().because(error))?;
        let change = |shown: Shown| {
            let payload = shown.read().map_err(|error| malformed().because(error))?;
            let changed = match direction {
                Direction::Encode => self.0.encrypt(payload),
                Direction::Decode => self.0.decrypt(payload),
            };
            changed.map(Shown::of)
        };
        let payloads = listed.payloads.into_iter().map(change).collect::<Result<_>>()?;
        serde_json::to_vec(&Listed { payloads })
            .map_err(|error| Error::internal("payloads cannot be written").because(error))
    }
}
