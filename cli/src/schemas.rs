//! Every schema and its migrations.

use smartcourse_platform::postgres;
use sqlx::migrate::Migrator;

/// In the order in which they are applied: the shared floor first.
pub(crate) fn all() -> Vec<(&'static str, Migrator)> {
    vec![
        ("platform", postgres::migrator()),
        ("user", smartcourse_user::migrator()),
        ("course", smartcourse_course::migrator()),
        ("content", smartcourse_content::migrator()),
        ("assistant", smartcourse_assistant::migrator()),
        ("enrollment", smartcourse_enrollment::migrator()),
        ("progress", smartcourse_progress::migrator()),
        ("notification", smartcourse_notification::migrator()),
        ("analytics", smartcourse_analytics::migrator()),
    ]
}
