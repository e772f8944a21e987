//! Payloads that Temporal cannot read: each is encrypted as a whole with AES-256-GCM, in the form of Temporal's own samples, so
//! that whoever has the key reads them in any language. Payloads that are not encrypted are read as they are.

use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER};
use futures::{FutureExt as _, future::BoxFuture};
use prost::Message as _;
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom as _, SystemRandom},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use smartcourse_platform::{
    Error, Result,
    config::{Declared, Problems, Reader, Section},
};
use temporalio_common::{
    data_converters::{PayloadCodec, PayloadConversionError, SerializationContextData},
    protos::temporal::api::common::v1::Payload,
};

/// What is declared here.
pub(crate) const CONFIG: Declared = Declared::of(
    r#"[temporal]
# The key all payloads are encrypted with before Temporal gets them: 32 bytes in base64, as of `openssl rand -base64 32`. "": they
# are not encrypted.
codec_key = ""
# Keys that are only read with, separated by commas: old ones, or a new one before every role has it.
codec_read_keys = ""
"#,
    &[Reader::of::<Settings>()],
);

/// The metadata that says how a payload is encoded.
const ENCODING: &str = "encoding";
/// How one is encoded that was encrypted here, or by Temporal's samples.
const ENCRYPTED: &[u8] = b"binary/encrypted";
/// The metadata that tells by which key.
const KEY_ID: &str = "encryption-key-id";

/// The part of `[temporal]` that is about payloads.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// The key, or empty.
    pub codec_key: SecretString,
    /// More keys to read with.
    pub codec_read_keys: SecretString,
}

impl Section for Settings {
    const NAME: &'static str = "temporal";

    fn check(&self, problems: &mut Problems) {
        if let Err(error) = Codec::open(self) {
            problems.require(false, error.detail());
        }
    }
}

/// Encrypts and decrypts payloads; without a key it leaves them as they are.
#[derive(Clone)]
pub struct Codec(Arc<Keys>);

struct Keys {
    writing: bool,
    /// The one to write with first.
    keys: Vec<Key>,
    random: SystemRandom,
}

struct Key {
    /// A few digits that tell keys apart and say nothing about them.
    id: String,
    key: LessSafeKey,
}

impl Key {
    fn read(setting: &str, text: &str) -> Result<Self> {
        // Whatever is wrong with it, it is not repeated.
        let wrong = || Error::internal(format!("{setting}: must be 32 bytes in base64"));
        let bytes = BASE64.decode(text.trim().as_bytes()).map_err(|_| wrong())?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| wrong())?;
        let digest = Sha256::new_with_prefix("smartcourse codec key ").chain_update(&bytes);
        Ok(Self {
            id: HEXLOWER.encode(&digest.finalize()[..6]),
            key: LessSafeKey::new(key),
        })
    }
}

impl Codec {
    /// Fails when a key is none; the message names the setting.
    pub fn open(settings: &Settings) -> Result<Self> {
        let writing = settings.codec_key.expose_secret();
        let reading = settings.codec_read_keys.expose_secret().split(',');
        let named = std::iter::once(("temporal.codec_key", writing))
            .chain(reading.map(|text| ("temporal.codec_read_keys", text)))
            .filter(|(_, text)| !text.is_empty());
        let keys = named.map(|(setting, text)| Key::read(setting, text));
        Ok(Self(Arc::new(Keys {
            writing: !writing.is_empty(),
            keys: keys.collect::<Result<_>>()?,
            random: SystemRandom::new(),
        })))
    }

    /// Whether payloads are encrypted from now on.
    pub fn encrypts(&self) -> bool {
        self.0.writing
    }

    /// Encrypts a payload, when there is a key for that. Fails when the machine has no randomness.
    pub(super) fn encrypt(&self, payload: Payload) -> Result<Payload> {
        let Some(key) = self.0.keys.first().filter(|_| self.0.writing) else {
            return Ok(payload);
        };
        let failed = |_| Error::internal("a payload could not be encrypted");
        let mut nonce = [0; NONCE_LEN];
        self.0.random.fill(&mut nonce).map_err(failed)?;
        let mut sealed = payload.encode_to_vec();
        key.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
            .map_err(failed)?;
        let metadata = [
            (ENCODING.to_owned(), ENCRYPTED.to_vec()),
            (KEY_ID.to_owned(), key.id.clone().into_bytes()),
        ];
        Ok(Payload {
            metadata: metadata.into(),
            data: [&nonce[..], &sealed].concat(),
            ..Payload::default()
        })
    }

    /// Decrypts a payload that was encrypted, by whichever key it was. Fails when that is none of ours.
    pub(super) fn decrypt(&self, payload: Payload) -> Result<Payload> {
        if payload.metadata.get(ENCODING).map(Vec::as_slice) != Some(ENCRYPTED) {
            return Ok(payload);
        }
        let opened = payload.data.split_first_chunk().and_then(|(nonce, sealed)| {
            self.0.keys.iter().find_map(|key| {
                let mut sealed = sealed.to_vec();
                let nonce = Nonce::assume_unique_for_key(*nonce);
                let opened = key.key.open_in_place(nonce, Aad::empty(), &mut sealed).ok()?;
                Payload::decode(&*opened).ok()
            })
        });
        opened.ok_or_else(|| {
            let id = payload.metadata.get(KEY_ID).map(Vec::as_slice).unwrap_or_default();
            let id = String::from_utf8_lossy(id);
            Error::internal(format!(
                "a payload is encrypted with a key (`{id}`) that is neither temporal.codec_key nor in temporal.codec_read_keys"
            ))
        })
    }
}

/// A payload that cannot be read fails the task, which the server gives again: it waits until the key is there.
fn each(
    payloads: Vec<Payload>,
    change: impl Fn(Payload) -> Result<Payload>,
) -> BoxFuture<'static, Result<Vec<Payload>, PayloadConversionError>> {
    let changed: Result<Vec<Payload>> = payloads.into_iter().map(change).collect();
    let changed = changed.map_err(|error| PayloadConversionError::EncodingError(error.into()));
    std::future::ready(changed).boxed()
}

impl PayloadCodec for Codec {
    fn encode(
        &self,
        _: &SerializationContextData,
        payloads: Vec<Payload>,
    ) -> BoxFuture<'static, Result<Vec<Payload>, PayloadConversionError>> {
        each(payloads, |payload| self.encrypt(payload))
    }

    fn decode(
        &self,
        _: &SerializationContextData,
        payloads: Vec<Payload>,
    ) -> BoxFuture<'static, Result<Vec<Payload>, PayloadConversionError>> {
        each(payloads, |payload| self.decrypt(payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codec(key: &[u8], reading: &[u8]) -> Codec {
        let text = |key| SecretString::from(BASE64.encode(key));
        let settings = Settings {
            codec_key: text(key),
            codec_read_keys: text(reading),
        };
        Codec::open(&settings).expect("keys")
    }

    fn plain() -> Payload {
        Payload {
            metadata: [(ENCODING.to_owned(), b"json/plain".to_vec())].into(),
            data: br#"{"course_id":7}"#.to_vec(),
            ..Payload::default()
        }
    }

    #[test]
    fn only_who_has_the_key_reads_a_payload() {
        let (old, new, none) = (codec(&[1; 32], &[]), codec(&[2; 32], &[1; 32]), codec(&[], &[]));
        let sealed = old.encrypt(plain()).expect("encrypted");
        assert_ne!(
            old.encrypt(plain()).expect("encrypted").data,
            sealed.data,
            "twice the same is two"
        );
        assert_eq!(sealed.metadata[ENCODING], ENCRYPTED);
        assert_eq!(new.decrypt(sealed.clone()).expect("an old key"), plain());
        for stranger in [codec(&[3; 32], &[]), none.clone()] {
            let refused = stranger.decrypt(sealed.clone()).expect_err("no key");
            assert!(refused.detail().contains("temporal.codec_read_keys"), "{refused}");
        }
        let mut changed = sealed;
        changed.data.truncate(20);
        assert!(old.decrypt(changed).is_err());
        assert_eq!(none.encrypt(plain()).expect("as it is"), plain());
        assert_eq!(old.decrypt(plain()).expect("as it is"), plain());
    }

    /// As `samples-go/encryption` and its kin do it: the nonce, the sealed message of the payload, the tag.
    #[test]
    fn the_form_is_that_of_other_clients() {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[1; 32]).expect("32 bytes"));
        let nonce = [9; NONCE_LEN];
        let mut data = plain().encode_to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut data)
            .expect("sealed");
        let theirs = Payload {
            metadata: [
                (ENCODING.to_owned(), ENCRYPTED.to_vec()),
                (KEY_ID.to_owned(), b"test".to_vec()),
            ]
            .into(),
            data: [&nonce[..], &data].concat(),
            ..Payload::default()
        };
        assert_eq!(codec(&[1; 32], &[]).decrypt(theirs).expect("read"), plain());
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        for wrong in ["secret", "c2hvcnQ="] {
            let settings = Settings {
                codec_key: wrong.into(),
                codec_read_keys: "".into(),
            };
            let Err(refused) = Codec::open(&settings) else {
                panic!("{wrong} is a key")
            };
            assert_eq!(refused.detail(), "temporal.codec_key: must be 32 bytes in base64");
        }
    }
}
