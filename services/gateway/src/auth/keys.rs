//! The keys that tokens may be signed with, from the user service's JWK set.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use jsonwebtoken::DecodingKey;
use smartcourse_platform::{Error, Result, grpc::Actor, grpc::Transport};
use smartcourse_proto::{
    stubs::UserStub,
    user::{Jwk, JwkSet},
};
use tokio::sync::RwLock;

/// Shortest time between two fetches: tokens with made-up key ids must not become calls.
const PAUSE: Duration = Duration::from_secs(1);

/// Keys by id, fetched again when a token names one that is not among them.
pub(crate) struct Keys {
    users: UserStub<Transport>,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    by_id: HashMap<String, DecodingKey>,
    fetched: Option<Instant>,
}

impl Keys {
    pub(crate) fn new(users: UserStub<Transport>) -> Self {
        Self {
            users,
            known: RwLock::default(),
        }
    }

    /// The key with this id, if the user service has it.
    pub(crate) async fn get(&self, kid: &str) -> Result<Option<DecodingKey>> {
        if let Some(key) = self.known.read().await.by_id.get(kid) {
            return Ok(Some(key.clone()));
        }
        let mut known = self.known.write().await;
        let fresh = known.fetched.is_some_and(|fetched| fetched.elapsed() < PAUSE);
        if !fresh && !known.by_id.contains_key(kid) {
            let set = self.users.get_jwks(Actor::Service.request(())).await?;
            known.by_id = read(&set)?;
            known.fetched = Some(Instant::now());
        }
        Ok(known.by_id.get(kid).cloned())
    }
}

/// The Ed25519 keys of a set. Keys of other kinds are no concern of ours and are left out.
pub(crate) fn read(set: &JwkSet) -> Result<HashMap<String, DecodingKey>> {
    let mut keys = HashMap::new();
    let ours = |jwk: &&Jwk| jwk.kty == "OKP" && jwk.crv == "Ed25519";
    for jwk in set.keys.iter().filter(ours) {
        let broken = || Error::internal("the user service published a broken key");
        let key = DecodingKey::from_ed_components(&jwk.x).map_err(|error| broken().because(error))?;
        // The library takes the first 32 bytes without a look at the length.
        let bytes = key.try_get_as_bytes().map_err(|error| broken().because(error))?;
        if bytes.len() != 32 {
            return Err(broken());
        }
        keys.insert(jwk.kid.clone(), key);
    }
    Ok(keys)
}
