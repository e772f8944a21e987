//! argon2id on the blocking pool, with a bound on how many run at once: each takes its own block of memory.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use smartcourse_platform::{Error, Result, config};
use tokio::sync::Semaphore;

/// Hashes and checks passwords.
#[derive(Clone)]
pub(crate) struct Passwords {
    params: Params,
    slots: Arc<Semaphore>,
    /// Checked in place of the hash an unknown address does not have, so that both answers take as long.
    dummy: Arc<str>,
}

impl Passwords {
    /// The hasher with the configured cost.
    pub(crate) async fn new(config: &config::User) -> Result<Self> {
        let params = Params::new(config.argon2_memory_kib, config.argon2_passes, 1, None)
            .map_err(|error| Error::internal("the argon2 settings cannot be used").because(error))?;
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let mut passwords = Self {
            params,
            slots: Arc::new(Semaphore::new(cores)),
            dummy: Arc::from(String::new()),
        };
        passwords.dummy = Arc::from(passwords.hash("nobody has this password".to_owned()).await?);
        Ok(passwords)
    }

    /// The PHC string of a password, with a fresh salt.
    pub(crate) async fn hash(&self, password: String) -> Result<String> {
        self.run(move |argon2| {
            argon2
                .hash_password(password.as_bytes())
                .map(|hash| hash.to_string())
                .map_err(|error| Error::internal("the password could not be hashed").because(error))
        })
        .await
    }

    /// Whether a password fits; without a hash it does the same work and says no.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.dummy.as_ref().to_owned());
        let fits = self
            .run(move |argon2| {
                let parsed = PasswordHash::new(&hash)
                    .map_err(|error| Error::internal("a stored hash is damaged").because(error))?;
                Ok(argon2.verify_password(password.as_bytes(), &parsed).is_ok())
            })
            .await?;
        Ok(known && fits)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(Argon2<'static>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let slot = Arc::clone(&self.slots)
            .acquire_owned()
            .await
            .map_err(|error| Error::internal("the hasher has stopped").because(error))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let work = move || {
            // Held for as long as the work takes: it goes on when whoever asked hangs up.
            let _slot = slot;
            work(argon2)
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Error::internal("the hasher crashed").because(error))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_account_fits() {
        let config = config::User {
            access_token_seconds: 1,
            refresh_token_seconds: 1,
            argon2_memory_kib: 64,
            argon2_passes: 1,
        };
        let passwords = Passwords::new(&config).await.expect("settings are usable");
        let hash = passwords.hash("correct horse".to_owned()).await.expect("hashes");
        assert!(hash.starts_with("$argon2id$"));
        assert!(
            passwords
                .verify("correct horse".to_owned(), Some(hash.clone()))
                .await
                .expect("checks")
        );
        assert!(
            !passwords
                .verify("wrong".to_owned(), Some(hash))
                .await
                .expect("checks")
        );
        assert!(
            !passwords
                .verify("nobody has this password".to_owned(), None)
                .await
                .expect("checks")
        );
    }
}
