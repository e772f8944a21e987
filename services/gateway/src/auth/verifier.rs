//! Access tokens: signature, life, and whether the session they come from still counts.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use moka::sync::Cache;
use serde::Deserialize;
use smartcourse_platform::{
    Error, Result,
    grpc::{Actor, Transport},
    ports::announcements::Announcements,
};
use smartcourse_proto::{Wire as _, ids::UserId, stubs::UserStub, user::Role};

use super::{keys::Keys, sessions::Sessions};

use crate::codes;

/// How long a checked signature is remembered, at most: keys that are withdrawn go unnoticed for no longer.
const SIGNATURE_TTL: Duration = Duration::from_secs(60);
const SIGNATURES: u64 = 10_000;

#[derive(Clone, Deserialize)]
struct Claims {
    sub: String,
    role: String,
    #[serde(rename = "gen")]
    generation: i32,
    /// When it was given out, in seconds since 1970.
    #[serde(rename = "iat")]
    issued_at: i64,
    /// Seconds since 1970.
    exp: u64,
}

/// Turns access tokens into actors.
pub(crate) struct Verifier {
    keys: Keys,
    sessions: Sessions,
    /// Claims by token: a signature costs as much to check as the rest of a read.
    checked: Cache<String, Claims>,
}

impl Verifier {
    pub(crate) fn new(users: UserStub<Transport>, announcements: Arc<dyn Announcements>) -> Self {
        Self {
            keys: Keys::new(users.clone()),
            sessions: Sessions::new(users, announcements),
            checked: Cache::builder()
                .max_capacity(SIGNATURES)
                .time_to_live(SIGNATURE_TTL)
                .build(),
        }
    }

    /// The user a token stands for.
    pub(crate) async fn verify(&self, token: &str) -> Result<Actor> {
        let claims = self.claims(token).await?;
        let (id, role) = read(&claims)?;
        self.sessions
            .require(id, claims.issued_at, claims.generation)
            .await?;
        Ok(Actor::User { id, role })
    }

    async fn claims(&self, token: &str) -> Result<Claims> {
        if let Some(claims) = self.checked.get(token)
            && claims.exp > jsonwebtoken::get_current_timestamp()
        {
            return Ok(claims);
        }
        let kid = key_id(token)?;
        let key = self.keys.get(&kid).await?.ok_or_else(refused)?;
        let claims = check(token, &key)?;
        self.checked.insert(token.to_owned(), claims.clone());
        Ok(claims)
    }

    /// Sessions have ended just now, by a change this gateway made: the next request notices, and the other gateways are told.
    pub(crate) async fn sessions_have_ended(&self) {
        self.sessions.have_ended().await;
    }
}

fn refused() -> Error {
    Error::new(&codes::UNAUTHENTICATED, "the access token is not valid")
}

/// The key a token claims to be signed with; only Ed25519 tokens name one. Whatever else the header asks for, such as
/// `none` or `HS256`, ends here.
fn key_id(token: &str) -> Result<String> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| refused())?;
    if header.alg != Algorithm::EdDSA {
        return Err(refused());
    }
    header.kid.ok_or_else(refused)
}

/// Signature, issuer and life.
fn check(token: &str, key: &DecodingKey) -> Result<Claims> {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.leeway = 0;
    validation.set_issuer(&["smartcourse"]);
    validation.set_required_spec_claims(&["exp", "iss", "sub"]);
    jsonwebtoken::decode::<Claims>(token, key, &validation)
        .map(|token| token.claims)
        .map_err(|_| refused())
}

/// User and role.
fn read(claims: &Claims) -> Result<(UserId, Role)> {
    let id = claims.sub.parse().map_err(|_| refused())?;
    let role = Role::from_text(&claims.role)
        .filter(|role| *role != Role::Unspecified)
        .ok_or_else(refused)?;
    Ok((UserId(id), role))
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;
    use jsonwebtoken::{
        EncodingKey, Header, encode,
        jwk::{AlgorithmParameters, Jwk},
    };
    use serde_json::{Value, json};

    use super::*;

    fn pair(seed: u8) -> (EncodingKey, String) {
        let mut pkcs8 = vec![
            0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
        ];
        pkcs8.extend([seed; 32]);
        let key = EncodingKey::from_ed_der(&pkcs8);
        let jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA).expect("a key");
        let AlgorithmParameters::OctetKeyPair(pair) = jwk.algorithm else {
            panic!("not Ed25519")
        };
        (key, pair.x)
    }

    fn claims(life: i64) -> Value {
        let now = i64::try_from(jsonwebtoken::get_current_timestamp()).expect("fits");
        json!({"iss": "smartcourse", "sub": "7", "role": "student", "gen": 2, "iat": now, "exp": now + life})
    }

    fn header(algorithm: Algorithm) -> Header {
        let mut header = Header::new(algorithm);
        header.kid = Some("k".to_owned());
        header
    }

    /// What the verifier does with a token, without the calls between.
    fn outcome(token: &str, x: &str) -> Result<(UserId, Role)> {
        key_id(token)?;
        read(&check(
            token,
            &DecodingKey::from_ed_components(x).expect("a key"),
        )?)
    }

    fn is_refused(token: &str, x: &str) -> bool {
        outcome(token, x).is_err_and(|error| error.is(&codes::UNAUTHENTICATED))
    }

    #[test]
    fn a_good_token_names_its_user() {
        let (key, x) = pair(1);
        let token = encode(&header(Algorithm::EdDSA), &claims(60), &key).expect("signs");
        assert_eq!(outcome(&token, &x).expect("valid"), (UserId(7), Role::Student));
    }

    #[test]
    fn forgeries_are_refused() {
        let (key, x) = pair(1);
        let (other, _) = pair(2);
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        for none in ["none", "None", "NONE"] {
            let head = part(&json!({"alg": none, "typ": "JWT", "kid": "k"}));
            assert!(is_refused(&format!("{head}.{}.", part(&claims(60))), &x));
        }
        // The classic confusion: the public key used as an HMAC secret, in every form an attacker may try.
        let raw = BASE64URL_NOPAD.decode(x.as_bytes()).expect("base64");
        for secret in [raw.as_slice(), x.as_bytes()] {
            let forged = encode(
                &header(Algorithm::HS256),
                &claims(60),
                &EncodingKey::from_secret(secret),
            )
            .expect("signs");
            assert!(is_refused(&forged, &x));
        }
        assert!(is_refused(
            &encode(&header(Algorithm::EdDSA), &claims(60), &other).expect("signs"),
            &x
        ));
        assert!(
            is_refused(
                &encode(&Header::new(Algorithm::EdDSA), &claims(60), &key).expect("signs"),
                &x
            ),
            "no key id"
        );
        assert!(is_refused("not a token", &x) && is_refused("", &x));
    }

    #[test]
    fn expired_foreign_and_odd_claims_are_refused() {
        let (key, x) = pair(1);
        let sign = |claims: &Value| encode(&header(Algorithm::EdDSA), claims, &key).expect("signs");
        assert!(is_refused(&sign(&claims(-1)), &x));
        for (name, value) in [
            ("iss", json!("elsewhere")),
            ("sub", json!("seven")),
            ("role", json!("root")),
            ("exp", Value::Null),
            ("iat", Value::Null),
        ] {
            let mut odd = claims(60);
            odd[name] = value;
            assert!(is_refused(&sign(&odd), &x), "{name}");
        }
    }
}
