//! The error codes of this service, and those all services share.

pub use smartcourse_platform::error::codes::*;

smartcourse_platform::codes! {
    DELIVERY_NOT_FAILED "delivery_not_failed" Conflict "Only a failed delivery can be replayed." "Nothing to do: it was sent, or the user does not want it.";
}
