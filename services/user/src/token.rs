//! Access tokens: short-lived JWTs signed with Ed25519.

use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;
use smartcourse_platform::{Error, Result};
use smartcourse_proto::{Wire as _, user::TokenPair};
use time::OffsetDateTime;

use crate::{State, keys::Key, store::Account};

const ISSUER: &str = "smartcourse";

#[derive(Serialize)]
struct Claims {
    iss: &'static str,
    sub: String,
    role: &'static str,
    #[serde(rename = "gen")]
    generation: i32,
    iat: i64,
    exp: i64,
}

/// What the client gets. Nothing is waited for between the commit that counts a refresh token and this.
pub(crate) fn pair(state: &State, key: &Key, account: &Account, refresh_token: String) -> Result<TokenPair> {
    let (now, seconds) = (state.clock.now(), state.access_seconds);
    Ok(TokenPair {
        access_token: access_token(key, account, now, seconds)?,
        refresh_token,
        token_type: "Bearer".to_owned(),
        expires_in: seconds,
    })
}

fn access_token(key: &Key, account: &Account, now: OffsetDateTime, seconds: i64) -> Result<String> {
    let now = now.unix_timestamp();
    let claims = Claims {
        iss: ISSUER,
        sub: account.id.to_string(),
        role: account.role.as_text(),
        generation: account.generation,
        iat: now,
        exp: now + seconds,
    };
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(key.kid.clone());
    jsonwebtoken::encode(&header, &claims, &key.signing)
        .map_err(|error| Error::internal("the access token could not be signed").because(error))
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode};

    use smartcourse_proto::{ids::UserId, user::Role};

    use super::*;

    #[test]
    fn the_published_key_verifies_the_token() {
        let (key, _) = Key::generate().expect("a key");
        let account = Account {
            id: UserId(7),
            email: "a@example.com".to_owned(),
            password_hash: String::new(),
            full_name: "A".to_owned(),
            role: Role::Student,
            generation: 3,
            created_at: OffsetDateTime::UNIX_EPOCH,
        };
        let token = access_token(&key, &account, OffsetDateTime::now_utc(), 60).expect("signs");
        let public = DecodingKey::from_ed_components(&key.public.x).expect("a public key");
        let claims = decode::<serde_json::Value>(&token, &public, &Validation::new(Algorithm::EdDSA))
            .expect("verifies")
            .claims;
        assert_eq!(
            (&claims["sub"], &claims["gen"], &claims["role"]),
            (&"7".into(), &3.into(), &"student".into())
        );
    }
}
