//! argon2id on the blocking pool, with a bound on how many run at once: each takes its own block of memory.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use smartcourse_platform::{Error, Result};
use tokio::sync::Semaphore;

use crate::{codes, config::User};

/// Seconds after which somebody who found the queue full may come back.
const QUEUE_SECONDS: u64 = 5;

/// Hashes and checks passwords.
#[derive(Clone)]
pub(crate) struct Passwords {
    params: Params,
    slots: Arc<Semaphore>,
    /// Places of those who hash and those who wait for it.
    queue: Arc<Semaphore>,
    /// Checked in place of the hash an unknown address does not have, so that both answers take as long.
    dummy: Arc<str>,
}

impl Passwords {
    /// The hasher with the configured cost.
    pub(crate) fn new(config: &User) -> Result<Self> {
        let params = Params::new(config.argon2_memory_kib, config.argon2_passes, 1, None)
            .map_err(|error| Error::internal("the argon2 settings cannot be used").because(error))?;
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        // Any salt and hash do: nothing is compared with them but the time it takes.
        let (salt, hash) = ("A".repeat(22), "A".repeat(43));
        let (kib, passes) = (config.argon2_memory_kib, config.argon2_passes);
        Ok(Self {
            params,
            slots: Arc::new(Semaphore::new(cores)),
            queue: Arc::new(Semaphore::new(cores + config.hash_queue)),
            dummy: format!("$argon2id$v=19$m={kib},t={passes},p=1${salt}${hash}").into(),
        })
    }

    /// The PHC string of a password, with a fresh salt.
    pub(crate) async fn hash(&self, password: String) -> Result<String> {
        let work = move |argon2: Argon2<'_>| {
            let hash = argon2.hash_password(password.as_bytes());
            hash.map(|hash| hash.to_string())
                .map_err(|error| Error::internal("the password could not be hashed").because(error))
        };
        self.run(|| Ok(()), work).await
    }

    /// Whether a password fits; without a hash it does the same work and says no. `admit` is asked when its turn has come.
    /// Fails as `admit` does, and when the queue is full.
    pub(crate) async fn verify(
        &self,
        password: String,
        hash: Option<String>,
        admit: impl FnOnce() -> Result<()>,
    ) -> Result<bool> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.dummy.as_ref().to_owned());
        let work = move |argon2: Argon2<'_>| {
            let parsed = PasswordHash::new(&hash)
                .map_err(|error| Error::internal("a stored hash is damaged").because(error))?;
            Ok(argon2.verify_password(password.as_bytes(), &parsed).is_ok())
        };
        Ok(self.run(admit, work).await? && known)
    }

    async fn run<T: Send + 'static>(
        &self,
        admit: impl FnOnce() -> Result<()>,
        work: impl FnOnce(Argon2<'static>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| {
            let detail = "many are signing in; try again in a moment";
            Error::new(&codes::TOO_MANY_REQUESTS, detail).with_fact("retry_after", QUEUE_SECONDS)
        })?;
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let slot = slot.map_err(|error| Error::internal("the hasher has stopped").because(error))?;
        admit()?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let work = move || {
            // Held for as long as the work takes: it goes on when whoever asked hangs up.
            let _held = (slot, place);
            work(argon2)
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Error::internal("the hasher crashed").because(error))?
    }
}

#[cfg(test)]
mod tests {
    use smartcourse_platform::config::Config;

    use super::*;
    use crate::config::CONFIG;

    fn config(hash_queue: usize) -> User {
        let config = Config::load(&[CONFIG], None, &[]).expect("defaults");
        let mut config: User = config.section().expect("is declared");
        (config.argon2_memory_kib, config.argon2_passes) = (64, 1);
        config.hash_queue = hash_queue;
        config
    }

    #[tokio::test]
    async fn whoever_finds_the_queue_full_is_told_to_come_back() {
        let passwords = Passwords::new(&config(1)).expect("settings are usable");
        let places = passwords.queue.available_permits();
        let crowd = (0..places + 10).map(|_| passwords.hash("correct horse".to_owned()));
        let slots = u32::try_from(passwords.slots.available_permits()).expect("a few");
        let busy = passwords.slots.acquire_many(slots).await.expect("open");
        // All of them have come before the first one's turn.
        let (answers, ()) = tokio::join!(futures::future::join_all(crowd), async { drop(busy) });
        let refused: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
        assert_eq!(refused.len(), 10);
        assert!(refused.iter().all(|error| error.is(&codes::TOO_MANY_REQUESTS)));
        assert_eq!(passwords.queue.available_permits(), places, "nothing is kept");
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_account_fits() {
        let passwords = Passwords::new(&config(8)).expect("settings are usable");
        let hash = passwords.hash("correct horse".to_owned()).await.expect("hashes");
        assert!(hash.starts_with("$argon2id$"));
        assert!(
            passwords
                .verify("correct horse".to_owned(), Some(hash.clone()), || Ok(()))
                .await
                .expect("checks")
        );
        assert!(
            !passwords
                .verify("wrong".to_owned(), Some(hash), || Ok(()))
                .await
                .expect("checks")
        );
        assert!(
            !passwords
                .verify("nobody has this password".to_owned(), None, || Ok(()))
                .await
                .expect("checks")
        );
    }
}
