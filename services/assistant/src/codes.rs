//! The error codes of this service, and those all services share.

pub use smartcourse_platform::error::codes::*;

smartcourse_platform::codes! {
    GENERATION_CLOSED "generation_closed" Conflict "The generation has ended, or another run makes it." "Ask for another one.";
    NO_DRAFT "no_draft" Conflict "The generation has made no draft." "Wait until it is completed, or ask for another one.";
    NOTHING_TO_DRAFT "nothing_to_draft" Conflict "The lessons say nothing such a draft can be made of." "Name other lessons, or another kind.";
    TOO_MANY_GENERATIONS "too_many_generations" Conflict "As many drafts of the course are made as may be at once." "Wait until one has ended, or cancel it.";
    CONVERSATION_FULL "conversation_full" Conflict "The conversation has as many turns as one may have." "Begin another one.";
}
