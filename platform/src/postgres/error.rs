//! What errors of the database mean: a code, and a cause that a person can read.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::error::{Code, Error, Result, codes};

/// What this process has last seen of a database that refuses to write. All its pools lead to the same one.
#[derive(Default)]
struct Refusals {
    /// When it was last read-only: connections that are older may lead to a server that was the primary once.
    read_only: Option<Instant>,
    /// Whether a write was refused since one is known to have worked.
    doubt: bool,
}

static REFUSALS: Mutex<Refusals> = Mutex::new(Refusals {
    read_only: None,
    doubt: false,
});

fn refusals<T>(look: impl FnOnce(&mut Refusals) -> T) -> T {
    look(&mut REFUSALS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Whether a connection of this age was opened before the database was found to be read-only. After a failover the address
/// leads to another server, and kept connections to the one that is a standby now.
pub(super) fn is_behind_a_failover(age: Duration) -> bool {
    refusals(|refusals| refusals.read_only.is_some_and(|seen| seen.elapsed() <= age))
}

/// Whether a write was refused, for want of space or since the server is read-only, and none has worked since.
pub(super) fn writes_are_in_doubt() -> bool {
    refusals(|refusals| refusals.doubt)
}

/// A write has worked.
pub(super) fn writes_work() {
    refusals(|refusals| refusals.doubt = false);
}

/// The code of a state of SQL (PostgreSQL, appendix A), and its cause in words.
fn meaning(state: &str) -> Option<(&'static Code, &'static str)> {
    let cause = match state {
        // The one character text in PostgreSQL cannot have; JSON can.
        "22021" | "22P05" => {
            return Some((
                &codes::VALIDATION_FAILED,
                "text must not contain the character NUL",
            ));
        }
        "53100" => "the database has no space left on its disk",
        "25006" => "the database is read-only: a standby, or set to be",
        "53200" => "the database has no memory left",
        "53300" => "the database takes no more connections",
        "57P01" | "57P02" | "57P03" => "the database is stopping or starting",
        "08003" | "08006" => "the connection to the database broke",
        "40001" | "40P01" => "the database had to choose between two who wrote the same",
        "55P03" => "others held what was needed in the database for too long",
        "57014" => "the database took too long",
        "25P03" => "the transaction stood still for too long",
        _ => return None,
    };
    Some((&codes::UNAVAILABLE, cause))
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let state = error.as_database_error().and_then(|database| database.code());
        match state.as_deref() {
            Some("25006") => refusals(|refusals| {
                refusals.doubt = true;
                refusals.read_only = Some(Instant::now());
            }),
            Some("53100") => refusals(|refusals| refusals.doubt = true),
            _ => {}
        }
        let known = state.as_deref().and_then(meaning);
        let (code, cause) = known.unwrap_or(match &error {
            sqlx::Error::PoolTimedOut => (
                &codes::UNAVAILABLE,
                "no connection to the database was to be had in time",
            ),
            sqlx::Error::Io(_) | sqlx::Error::PoolClosed | sqlx::Error::Tls(_) => {
                (&codes::UNAVAILABLE, "the database does not answer")
            }
            sqlx::Error::RowNotFound => (&codes::NOT_FOUND, "there is no such thing"),
            _ => (&codes::INTERNAL, "the database could not do this"),
        });
        Self::new(code, cause).because(error)
    }
}

/// Turns the violation of a named constraint into an error of the domain.
pub trait OnConstraint<T> {
    /// Maps a violation of `name`; all other errors pass through.
    fn on_constraint(self, name: &str, error: impl FnOnce() -> Error) -> Result<T>;
}

impl<T> OnConstraint<T> for std::result::Result<T, sqlx::Error> {
    fn on_constraint(self, name: &str, error: impl FnOnce() -> Error) -> Result<T> {
        self.map_err(|cause| {
            let database = cause.as_database_error();
            match database.and_then(|database| database.constraint()) {
                Some(constraint) if constraint == name => error(),
                _ => cause.into(),
            }
        })
    }
}
