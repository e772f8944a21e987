//! The events this service acts on.
//!
//! The documents of a course that was deleted are removed once the deletion stands, by a group of its own, so that neither a
//! client that hangs up nor a crash leaves them behind.

use std::sync::Arc;

use async_trait::async_trait;
use smartcourse_platform::{
    Result,
    events::{Consumer, Event},
    ports::documents::Documents,
};
use smartcourse_proto::events::CourseDeleted;
use sqlx::PgConnection;

use crate::store;

/// Hears of deletions and removes what no course names any more.
pub struct Deletions {
    documents: Arc<dyn Documents>,
}

impl Deletions {
    /// Over the documents of the course service.
    pub fn new(documents: Arc<dyn Documents>) -> Self {
        Self { documents }
    }
}

#[async_trait]
impl Consumer for Deletions {
    fn group(&self) -> &'static str {
        "course.deletions"
    }

    fn wants(&self, event_type: &str) -> bool {
        event_type == "course.deleted"
    }

    /// What is gone stays gone: a second time it removes nothing. The sweep removes what is written later.
    async fn handle(&self, tx: &mut PgConnection, event: &Event) -> Result<()> {
        let CourseDeleted { course_id } = event.read()?;
        sqlx::query!(
            "insert into course.deletions (course_id) values ($1) on conflict do nothing",
            course_id
        )
        .execute(tx)
        .await?;
        let prefix = store::course_prefix(course_id.into());
        self.documents.delete_prefix(store::CONTENT, &prefix).await?;
        Ok(())
    }
}
