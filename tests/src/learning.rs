//! What each store holds of one student in one course.

use std::path::Path;

use anyhow::Result;
use sqlx::{PgPool, Row as _};

/// How many of everything an enrollment has, in every store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learning {
    /// Rows of the enrollment.
    pub enrollments: i64,
    /// Its epoch.
    pub epoch: i64,
    /// Whether its onboarding has ended.
    pub onboarded: bool,
    /// Progress records.
    pub records: i64,
    /// Lessons done.
    pub lessons: i64,
    /// Certificates.
    pub certificates: i64,
    /// Welcome mails in the log of deliveries.
    pub deliveries: i64,
    /// Welcome mails in the folder.
    pub mails: i64,
    /// Entries of the feed that tell of the enrollment.
    pub feed: i64,
    /// `enrollment.created` events.
    pub created_events: i64,
    /// `course.completed` events.
    pub completed_events: i64,
    /// `certificate.issued` events.
    pub certificate_events: i64,
    /// Epochs analytics has counted.
    pub counted: i64,
    /// Completions analytics has counted.
    pub counted_completions: i64,
}

impl Learning {
    /// Counts everything of a student in a course.
    ///
    /// # Errors
    /// When a store does not answer.
    pub async fn of(pool: &PgPool, mails: &Path, course: i64, user: i64, email: &str) -> Result<Self> {
        let row = sqlx::query(
            "select
               (select count(*) from enrollment.enrollments where course_id = $1 and user_id = $2) as enrollments,
               (select coalesce(max(epoch), 0)::bigint from enrollment.enrollments where course_id = $1 and user_id = $2) as epoch,
               (select coalesce(bool_and(onboarding = 'completed'), false) from enrollment.enrollments
                 where course_id = $1 and user_id = $2) as onboarded,
               (select count(*) from progress.enrollments where course_id = $1 and user_id = $2) as records,
               (select count(*) from progress.progress p join progress.enrollments e using (enrollment_id)
                 where e.course_id = $1 and e.user_id = $2) as lessons,
               (select count(*) from progress.certificates where course_id = $1 and user_id = $2) as certificates,
               (select count(*) from notification.deliveries where user_id = $2 and template = 'welcome') as deliveries,
               (select count(*) from notification.notifications where user_id = $2 and kind = 'enrollment.created') as feed,
               (select count(*) from platform.events where type = 'enrollment.created'
                 and payload->>'course_id' = $1::text and payload->>'user_id' = $2::text) as created_events,
               (select count(*) from platform.events where type = 'course.completed'
                 and payload->>'course_id' = $1::text and payload->>'user_id' = $2::text) as completed_events,
               (select count(*) from platform.events where type = 'certificate.issued'
                 and payload->>'course_id' = $1::text and payload->>'user_id' = $2::text) as certificate_events,
               (select count(*) from analytics.enrollments where course_id = $1 and user_id = $2
                 and began_at is not null) as counted,
               (select count(*) from analytics.enrollments where course_id = $1 and user_id = $2
                 and completed_at is not null) as counted_completions",
        )
        .bind(course)
        .bind(user)
        .fetch_one(pool)
        .await?;
        Ok(Self {
            enrollments: row.get("enrollments"),
            epoch: row.get("epoch"),
            onboarded: row.get("onboarded"),
            records: row.get("records"),
            lessons: row.get("lessons"),
            certificates: row.get("certificates"),
            deliveries: row.get("deliveries"),
            mails: welcome_mails(mails, email)?,
            feed: row.get("feed"),
            created_events: row.get("created_events"),
            completed_events: row.get("completed_events"),
            certificate_events: row.get("certificate_events"),
            counted: row.get("counted"),
            counted_completions: row.get("counted_completions"),
        })
    }

    /// One of everything that follows a seat, and nothing of what follows lessons.
    pub fn enrolled_once() -> Self {
        Self {
            enrollments: 1,
            epoch: 1,
            onboarded: true,
            records: 1,
            deliveries: 1,
            mails: 1,
            feed: 1,
            created_events: 1,
            counted: 1,
            ..Self::default()
        }
    }

    /// One of everything that follows a seat and the completion of a course of so many lessons.
    pub fn completed_once(lessons: i64) -> Self {
        Self {
            lessons,
            certificates: 1,
            completed_events: 1,
            certificate_events: 1,
            counted_completions: 1,
            ..Self::enrolled_once()
        }
    }
}

/// Welcome mails to an address; with an empty one, all of them.
///
/// # Errors
/// When a mail cannot be read.
pub fn welcome_mails(folder: &Path, email: &str) -> Result<i64> {
    let Ok(files) = std::fs::read_dir(folder) else {
        return Ok(0);
    };
    let mut count = 0;
    for file in files {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "eml") {
            let mail = std::fs::read_to_string(&path)?;
            count += i64::from(mail.contains(email) && mail.contains("Subject: You are enrolled in"));
        }
    }
    Ok(count)
}
