//! What the course service knows of a course and its versions.

use std::sync::Arc;

use smartcourse_platform::{Error, Result, grpc::Actor};
use smartcourse_proto::{
    course::{Content, Manifest, ManifestRequest},
    ids::{CourseId, UserId, VersionId},
};

use crate::{State, codes};

/// A saved version of a course.
pub(crate) struct Saved {
    pub(crate) content: Content,
    /// The course's language (BCP 47), if its instructor names one.
    pub(crate) language: Option<String>,
}

impl State {
    /// A version with what the course service knows of it; version 0 is the draft.
    pub(crate) async fn manifest(&self, course_id: CourseId, version: i32) -> Result<(Manifest, Content)> {
        let request = Actor::Service.request(ManifestRequest {
            course_id: course_id.0,
            version,
        });
        let mut manifest = self.course.get_manifest(request).await?;
        let mut content = manifest.content.take().unwrap_or_default();
        (content.course_id, content.version) = (course_id.0, version);
        Ok((manifest, content))
    }

    /// A saved version. Its content never changes, so it is kept at hand while its lessons are worked on.
    pub(crate) async fn saved(&self, version: VersionId) -> Result<Arc<Saved>> {
        if let Some(saved) = self.saved.get(&version).await {
            return Ok(saved);
        }
        let (manifest, content) = self.manifest(version.course_id, version.version).await?;
        let saved = Arc::new(Saved {
            content,
            language: manifest.language,
        });
        self.saved.insert(version, Arc::clone(&saved)).await;
        Ok(saved)
    }

    /// The draft of a course, for its owner and administrators only.
    pub(crate) async fn owned_draft(&self, actor: Actor, course_id: CourseId) -> Result<(Manifest, Content)> {
        let draft = self.manifest(course_id, 0).await?;
        if actor.owns(UserId(draft.0.instructor_id)) {
            return Ok(draft);
        }
        actor.user()?;
        Err(Error::new(
            &codes::FORBIDDEN,
            "this course belongs to another instructor",
        ))
    }
}
