//! The error codes of this service, and those all services share.

pub use smartcourse_platform::error::codes::*;

smartcourse_platform::codes! {
    BAD_CREDENTIALS "bad_credentials" Unauthenticated "E-mail address and password do not match." "Check both; nothing tells which was wrong.";
    REFRESH_REVOKED "refresh_revoked" Unauthenticated "The refresh token is unknown, expired, signed out or was used before; its family is revoked." "Sign in again.";
    EMAIL_TAKEN "email_taken" Conflict "An account with this address exists." "Sign in, or use another address.";
    TOO_MANY_ATTEMPTS "too_many_attempts" TooMany "Too many wrong passwords for this account, or from this address or network." "Wait for `Retry-After` seconds; the right password is not checked before.";
}
