//! The error codes of this service, and those all services share.

pub use smartcourse_platform::error::codes::*;

smartcourse_platform::codes! {
    BODY_TOO_COMPLEX "body_too_complex" TooLarge "The JSON is nested too deeply or has too many values." "Send less at once; docs/API.md has the limits.";
    BODY_TIMEOUT "body_timeout" Timeout "The body did not arrive in time." "Send it faster, or less at once.";
    RANGE_NOT_SATISFIABLE "range_not_satisfiable" Invalid "The file has none of the bytes that were asked for." "Ask for bytes within the size that `Content-Range` tells.";
    TOO_MANY_STREAMS "too_many_streams" TooMany "The user follows as many publishes as one may at once." "Close a stream, or raise `gateway.user_streams`.";
}
