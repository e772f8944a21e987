//! What wraps every request, and how requests become arguments and answers get their headers.

mod extract;
mod headers;
mod layers;
mod limit;

pub(crate) use extract::{Body, Id, Json, PathOf, Peer, Query, Written};
pub(crate) use headers::{Entity, IdempotencyKey, IfMatch, tagged};
pub(crate) use layers::{admit, bearer, catch_panic, deadline, measure, method_not_allowed, not_found};
pub(crate) use limit::Limits;
