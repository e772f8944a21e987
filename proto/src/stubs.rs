//! One stub per service, generated: calls that need no `clone` before and no `into_inner` after.

use tonic::{
    IntoRequest, IntoStreamingRequest, Status, Streaming,
    codegen::{Body, Bytes, StdError},
};

use crate::MAX_MESSAGE;

/// A way to a service, as tonic wants it.
pub trait Channel: tonic::client::GrpcService<tonic::body::Body, Error: Into<StdError>> + Clone {}

impl<T: tonic::client::GrpcService<tonic::body::Body, Error: Into<StdError>> + Clone> Channel for T {}

include!(concat!(env!("OUT_DIR"), "/stubs.rs"));
