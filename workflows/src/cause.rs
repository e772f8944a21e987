//! Why a step failed, dug out of the wrappers Temporal puts around it.

use temporalio_common::error::{ApplicationFailure, IncomingError};
use temporalio_workflow::{
    ActivityExecutionError, ChildWorkflowExecutionError, ChildWorkflowStartError, WorkflowTermination,
};

/// A code of docs/ERRORS.md with a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The code.
    pub code: String,
    /// The sentence.
    pub message: String,
    /// True when the workflow was asked to cancel.
    pub cancelled: bool,
}

impl Cause {
    /// A failure of our own making.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            cancelled: false,
        }
    }

    /// The user asked to stop.
    pub fn cancelled() -> Self {
        Self {
            code: "publish_cancelled".to_owned(),
            message: "The publish was cancelled.".to_owned(),
            cancelled: true,
        }
    }

    /// How the workflow ends in Temporal: Cancelled or Failed, never Completed.
    pub fn into_termination(self) -> WorkflowTermination {
        if self.cancelled {
            return WorkflowTermination::cancelled();
        }
        let message = Box::<dyn std::error::Error + Send + Sync>::from(self.message);
        let failure = ApplicationFailure::builder(message)
            .type_name(self.code)
            .non_retryable(true);
        failure.build().into()
    }

    fn of(error: Option<&IncomingError>, fallback: String) -> Self {
        match error {
            Some(IncomingError::Application(failure)) => {
                let code = failure
                    .type_name()
                    .filter(|name| !name.is_empty())
                    .unwrap_or("internal");
                Self {
                    code: code.to_owned(),
                    message: failure.source_error().to_string(),
                    cancelled: code == "publish_cancelled",
                }
            }
            Some(IncomingError::Timeout(_)) => Self::new("timeout", "An activity was not finished in time."),
            Some(IncomingError::Cancelled(_)) => Self::cancelled(),
            Some(IncomingError::Terminated(_)) => {
                Self::new("publish_lost", "The content workflow was terminated.")
            }
            Some(IncomingError::Activity(failure)) => Self::of(failure.cause(), fallback),
            Some(IncomingError::ChildWorkflowExecution(failure)) => Self::of(failure.cause(), fallback),
            _ => Self::new("internal", fallback),
        }
    }
}

impl From<ActivityExecutionError> for Cause {
    fn from(error: ActivityExecutionError) -> Self {
        match &error {
            ActivityExecutionError::Cancelled(_) => Self::cancelled(),
            _ => Self::of(error.cause(), error.to_string()),
        }
    }
}

impl From<ChildWorkflowStartError> for Cause {
    fn from(error: ChildWorkflowStartError) -> Self {
        match error {
            ChildWorkflowStartError::Cancelled(_) => Self::cancelled(),
            other => Self::new("internal", other.to_string()),
        }
    }
}

impl From<ChildWorkflowExecutionError> for Cause {
    fn from(error: ChildWorkflowExecutionError) -> Self {
        Self::of(error.cause(), error.to_string())
    }
}
