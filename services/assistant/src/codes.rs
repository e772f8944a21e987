//! The error codes of this service, and those all services share.

pub use smartcourse_platform::error::codes::*;

smartcourse_platform::codes! {
    CONVERSATION_FULL "conversation_full" Conflict "The conversation has as many turns as one may have." "Begin another one.";
}
