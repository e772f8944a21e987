//! Every error code there is: each service declares its own.

use smartcourse_gateway::Errors;

/// What `/docs/errors` tells of.
pub(crate) fn all() -> Errors {
    let declared = [
        smartcourse_platform::error::codes::ALL,
        smartcourse_gateway::codes::ALL,
        smartcourse_user::codes::ALL,
        smartcourse_course::codes::ALL,
        smartcourse_content::codes::ALL,
        smartcourse_assistant::codes::ALL,
        smartcourse_enrollment::codes::ALL,
        smartcourse_progress::codes::ALL,
        smartcourse_notification::codes::ALL,
        smartcourse_analytics::codes::ALL,
    ];
    Errors {
        codes: declared.concat(),
        warnings: smartcourse_content::codes::WARNINGS,
    }
}
