//! The Ed25519 key that signs access tokens: made once, kept in the database, the same for all replicas.

use jsonwebtoken::{
    Algorithm, EncodingKey,
    jwk::{AlgorithmParameters, Jwk as JwtJwk, ThumbprintHash},
};
use rand::RngCore as _;
use smartcourse_platform::{Error, Result};
use smartcourse_proto::user::{Jwk, JwkSet};
use sqlx::PgPool;
use tokio::sync::OnceCell;

/// PKCS#8 version 1 around a 32-byte Ed25519 seed (RFC 8410): everything before the seed is fixed.
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// A key with the id tokens name it by.
pub(crate) struct Key {
    pub(crate) kid: String,
    pub(crate) signing: EncodingKey,
    pub(crate) public: Jwk,
}

impl Key {
    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self> {
        let damaged = |error| Error::internal("the signing key is damaged").because(error);
        let signing = EncodingKey::from_ed_der(pkcs8);
        let jwk = JwtJwk::from_encoding_key(&signing, Algorithm::EdDSA).map_err(damaged)?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(damaged)?;
        let AlgorithmParameters::OctetKeyPair(pair) = &jwk.algorithm else {
            return Err(Error::internal("the signing key is not Ed25519"));
        };
        let public = Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: pair.x.clone(),
            kid: kid.clone(),
            alg: "EdDSA".to_owned(),
            r#use: "sig".to_owned(),
        };
        Ok(Self { kid, signing, public })
    }

    /// A new key and its PKCS#8 form.
    pub(crate) fn generate() -> Result<(Self, Vec<u8>)> {
        let mut pkcs8 = PKCS8_PREFIX.to_vec();
        pkcs8.resize(PKCS8_PREFIX.len() + 32, 0);
        rand::rng().fill_bytes(&mut pkcs8[PKCS8_PREFIX.len()..]);
        Ok((Self::from_pkcs8(&pkcs8)?, pkcs8))
    }
}

/// The key of this installation, fetched or made when it is first needed.
#[derive(Default)]
pub(crate) struct Keys(OnceCell<Key>);

impl Keys {
    /// What verifies our tokens.
    pub(crate) async fn published(&self, pool: &PgPool) -> Result<JwkSet> {
        let key = self.current(pool).await?;
        Ok(JwkSet {
            keys: vec![key.public.clone()],
        })
    }

    pub(crate) async fn current(&self, pool: &PgPool) -> Result<&Key> {
        self.0.get_or_try_init(|| load(pool)).await
    }
}

/// Offers a new key, then takes whichever is stored: replicas that start together agree.
async fn load(pool: &PgPool) -> Result<Key> {
    if let Some(pkcs8) = stored(pool).await? {
        return Key::from_pkcs8(&pkcs8);
    }
    let (key, pkcs8) = Key::generate()?;
    sqlx::query!(
        r#"insert into "user".signing_keys (kid, pkcs8) values ($1, $2) on conflict do nothing"#,
        key.kid,
        pkcs8
    )
    .execute(pool)
    .await?;
    let pkcs8 = stored(pool).await?;
    Key::from_pkcs8(&pkcs8.ok_or_else(|| Error::internal("the signing key was not stored"))?)
}

async fn stored(pool: &PgPool) -> Result<Option<Vec<u8>>> {
    Ok(sqlx::query_scalar!(r#"select pkcs8 from "user".signing_keys"#)
        .fetch_optional(pool)
        .await?)
}
