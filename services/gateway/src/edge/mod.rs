//! What wraps every request, and how requests become arguments and answers get their headers.

mod body;
mod conditions;
mod extract;
mod form;
mod forwarded;
mod headers;
mod json;
mod layers;
mod limit;

pub(crate) use body::{Bodies, Body, MaxBytes, SMALL, close_unread};
pub(crate) use conditions::{Validators, Wanted};
pub(crate) use extract::{Id, Json, PathOf, Peer, Query, Written, word};
pub(crate) use form::{FORM_HEAD, Head};
pub(crate) use forwarded::{Proxies, forwarded};
pub(crate) use headers::{IdempotencyKey, IfMatch, KEY_MAX, prefers, tagged};
pub(crate) use json::{decode, parse};
pub(crate) use layers::{admit, bearer, catch_panic, deadline, measure, method_not_allowed, not_found};
pub(crate) use limit::Limits;
