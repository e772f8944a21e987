//! Errors as `tonic::Status` and back, losing nothing: code, fields and facts travel as standard details.

use std::{borrow::Cow, collections::HashMap};

use serde_json::json;
use smartcourse_proto::common::FieldError;
use tonic::{Code as GrpcCode, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::{Error, Kind, codes};

/// The `ErrorInfo` domain of our own codes.
const DOMAIN: &str = "smartcourse";
/// The metadata beside the facts that names the kind: a code is declared by its service and known to no other.
const KIND: &str = "smartcourse.kind";

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        if matches!(error.kind(), Kind::Internal) {
            tracing::error!(error = %error.chain(), "internal error");
        } else if error.kind().is_retryable() {
            tracing::warn!(error = %error.chain(), "retryable error");
        }
        let facts = error.facts().iter();
        let mut metadata: HashMap<String, String> = facts
            .map(|(name, value)| (name.clone(), value.to_string()))
            .collect();
        metadata.insert(KIND.to_owned(), json!(error.kind()).to_string());
        let mut details = ErrorDetails::with_error_info(error.code(), DOMAIN, metadata);
        if !error.fields().is_empty() {
            let fields = error.fields().iter();
            let fields = fields.map(|field| FieldViolation::new(&field.field, &field.message));
            details.set_bad_request(fields.collect::<Vec<_>>());
        }
        Self::with_error_details(grpc_code(error.kind()), error.detail(), details)
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let ours = details.error_info().filter(|info| info.domain == DOMAIN);
        let Some(info) = ours else {
            return transport_error(status);
        };
        let kind = info
            .metadata
            .get(KIND)
            .and_then(|kind| serde_json::from_str(kind).ok());
        let kind = kind.unwrap_or(Kind::Internal);
        let mut error = Self::from_parts(kind, Cow::Owned(info.reason.clone()), status.message().to_owned());
        for (name, value) in info.metadata.iter().filter(|(name, _)| *name != KIND) {
            let value: serde_json::Value = serde_json::from_str(value).unwrap_or_default();
            error = error.with_fact(name, value);
        }
        if let Some(request) = details.bad_request() {
            let fields = request.field_violations.iter().map(|violation| FieldError {
                field: violation.field.clone(),
                message: violation.description.clone(),
            });
            error = error.with_fields(fields.collect());
        }
        error
    }
}

/// A status that no service of ours wrote: the transport or the library did.
fn transport_error(status: Status) -> Error {
    let code = match status.code() {
        GrpcCode::Unavailable | GrpcCode::Cancelled | GrpcCode::Aborted | GrpcCode::Unknown => {
            &codes::UNAVAILABLE
        }
        // A service of the version before, which does not know the operation: an upgrade has not come to it.
        GrpcCode::Unimplemented => &codes::UNAVAILABLE,
        GrpcCode::DeadlineExceeded => &codes::TIMEOUT,
        GrpcCode::OutOfRange | GrpcCode::ResourceExhausted => &codes::BODY_TOO_LARGE,
        GrpcCode::Unauthenticated => &codes::UNAUTHENTICATED,
        _ => &codes::INTERNAL,
    };
    Error::new(code, "a service did not answer as expected").because(status)
}

fn grpc_code(kind: Kind) -> GrpcCode {
    match kind {
        Kind::Invalid | Kind::UnsupportedMedia => GrpcCode::InvalidArgument,
        Kind::Unauthenticated => GrpcCode::Unauthenticated,
        Kind::Forbidden => GrpcCode::PermissionDenied,
        Kind::NotFound => GrpcCode::NotFound,
        Kind::Conflict | Kind::Stale => GrpcCode::FailedPrecondition,
        Kind::TooLarge => GrpcCode::OutOfRange,
        Kind::TooMany => GrpcCode::ResourceExhausted,
        Kind::Timeout => GrpcCode::DeadlineExceeded,
        Kind::Unavailable => GrpcCode::Unavailable,
        Kind::Internal => GrpcCode::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_wire() {
        for code in codes::ALL {
            let error = Error::new(code, "why").with_fact("enrollment_id", 7);
            let back = Error::from(Status::from(error));
            assert_eq!(
                (back.code(), back.kind(), back.detail()),
                (code.code, code.kind, "why")
            );
            assert_eq!(back.facts(), [("enrollment_id".to_owned(), json!(7))]);
        }
    }

    #[test]
    fn a_dead_server_is_unavailable() {
        assert!(Error::from(Status::unavailable("tcp connect error")).is(&codes::UNAVAILABLE));
    }

    #[test]
    fn what_a_service_of_the_version_before_does_not_know_is_unavailable() {
        assert!(Error::from(Status::unimplemented("")).is(&codes::UNAVAILABLE));
    }
}
