//! Accounts: tokens, hashes, and how many wrong passwords there may be.

use serde::Deserialize;
use smartcourse_platform::config::{Declared, Problems, Section};

/// The sections declared here.
pub const CONFIG: [Declared; 1] = [Declared::of::<User>()];

/// `[user]`
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    /// Life of an access token in seconds.
    pub access_token_seconds: i64,
    /// Life of a refresh token in seconds.
    pub refresh_token_seconds: i64,
    /// argon2id memory in KiB.
    pub argon2_memory_kib: u32,
    /// argon2id passes.
    pub argon2_passes: u32,
    /// Sign-ins and registrations that may wait for a processor to hash their password.
    pub hash_queue: usize,
    /// Wrong passwords for one account.
    pub wrong_by_account: Tries,
    /// Wrong passwords from one address.
    pub wrong_by_address: Tries,
    /// Wrong passwords from one network: the first 24 bits of an IPv4 address, the first 48 of an IPv6 address.
    pub wrong_by_network: Tries,
}

/// How often something may go wrong.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Tries {
    /// In a row, after a rest.
    pub burst: u32,
    /// From then on, in a minute.
    pub per_minute: u32,
}

impl Section for User {
    const NAME: &'static str = "user";
    const DEFAULTS: &'static str = r#"# Life of an access token and of a refresh token, in seconds.
access_token_seconds = 900
refresh_token_seconds = 2592000
# argon2id: memory in KiB, passes. OWASP's minimum of 19 MiB and 2 passes.
argon2_memory_kib = 19456
argon2_passes = 2
# Sign-ins and registrations that may wait until a processor has time for their hash; whoever comes then is told to come back.
hash_queue = 1024
# Wrong passwords in a row, and in a minute from then on: for an account (one of its own for each address that signed in to it
# before), from an address, and from a network (the first 24 bits of an IPv4 address, 48 of IPv6). Right ones do not count.
wrong_by_account = { burst = 10, per_minute = 2 }
wrong_by_address = { burst = 300, per_minute = 60 }
wrong_by_network = { burst = 3000, per_minute = 600 }
"#;

    fn check(&self, problems: &mut Problems) {
        problems.require(
            self.argon2_memory_kib >= 8 && self.argon2_passes >= 1,
            "user: argon2 needs at least 8 KiB and 1 pass",
        );
        problems.require(self.hash_queue > 0, "user.hash_queue: must be positive");
        for (name, tries) in [
            ("wrong_by_account", self.wrong_by_account),
            ("wrong_by_address", self.wrong_by_address),
            ("wrong_by_network", self.wrong_by_network),
        ] {
            problems.require(
                tries.burst > 0 && tries.per_minute > 0,
                format!("user.{name}: burst and per_minute must be positive"),
            );
        }
    }
}
