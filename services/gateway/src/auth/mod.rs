//! Who calls: access tokens are checked here and nowhere else. What the caller says about itself in any other header
//! is never looked at.

mod caller;
mod keys;
mod sessions;
mod verifier;

pub(crate) use caller::{Caller, SignedIn};
pub(crate) use verifier::Verifier;
