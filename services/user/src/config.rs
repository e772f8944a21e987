//! Accounts: tokens, hashes, and how many wrong passwords there may be.

use serde::Deserialize;
use smartcourse_platform::config::{Declared, Problems, Reader, Section};

/// What is declared here.
pub const CONFIG: Declared = Declared::of(include_str!("config.toml"), &[Reader::of::<User>()]);

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
