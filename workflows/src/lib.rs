//! Deterministic workflows and the declaration of their activities. No I/O: this crate has no client, no clock and no
//! randomness, so services may use it to start workflows by their types.
//!
//! Every activity is declared once, in [`activities`]. To add one, see docs/add-a-workflow-step.md.

pub mod activities;
mod at_hand;
mod both;
pub mod cause;
pub mod content_processing;
pub mod contract;
pub mod course_publishing;
pub mod enrollment;
pub mod generate_draft;
pub mod policy;
pub mod publish_cleanup;
pub mod saga;
pub mod upkeep;

pub use cause::Cause;
pub use content_processing::ContentProcessing;
pub use course_publishing::CoursePublishing;
pub use enrollment::Enrollment;
pub use generate_draft::GenerateDraft;
pub use publish_cleanup::PublishCleanup;
pub use upkeep::{CleanUp, NightlyReport};

/// The queue the workers poll for workflows and activities.
pub const TASK_QUEUE: &str = "smartcourse";
