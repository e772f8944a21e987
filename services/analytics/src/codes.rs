//! The error codes of this service, and those all services share.

pub use smartcourse_platform::error::codes::*;

smartcourse_platform::codes! {
    REPORT_FAILED "report_failed" Conflict "The report could not be made; the message says why." "Mend the cause, then replay the report's task or ask for a new report.";
    REBUILD_RUNNING "rebuild_running" Conflict "The numbers are being counted again already." "Wait until that has ended.";
}
