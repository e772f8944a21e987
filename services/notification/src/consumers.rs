//! The in-app feed, written from the event log.

use async_trait::async_trait;
use smartcourse_platform::{
    Result,
    events::{Consumer, Event},
};
use smartcourse_proto::events::{
    CertificateIssued, CourseCompleted, CoursePublishFailed, CoursePublished, EnrollmentCreated,
    EnrollmentDropped,
};
use sqlx::PgConnection;

use crate::message::{self, Channels, Message, Template};

/// Tells people in the app what concerns them; a certificate is worth a message over their channels too.
#[derive(Debug, Clone, Copy)]
pub struct Feed {
    channels: Channels,
}

impl Feed {
    /// With the channels that are on.
    pub fn new(channels: Channels) -> Self {
        Self { channels }
    }

    /// The certificate mail is caused by the event, so it is queued once for it.
    async fn queue_certificate(
        &self,
        tx: &mut PgConnection,
        event: &Event,
        issued: CertificateIssued,
    ) -> Result<()> {
        let message = Message {
            template: Template::Certificate,
            user_id: issued.user_id.into(),
            course_id: issued.course_id.into(),
            course_title: Some(issued.course_title),
            certificate: Some(issued.code),
        };
        message::queue(tx, self.channels, &format!("event-{}", event.id), &message).await
    }
}

/// An entry of somebody's feed.
struct Entry {
    user_id: i64,
    title: String,
    body: String,
    link: String,
}

#[async_trait]
impl Consumer for Feed {
    fn group(&self) -> &'static str {
        "notification.feed"
    }

    fn wants(&self, event_type: &str) -> bool {
        matches!(
            event_type,
            "enrollment.created"
                | "enrollment.dropped"
                | "course.completed"
                | "certificate.issued"
                | "course.published"
                | "course.publish_failed"
        )
    }

    async fn handle(&self, tx: &mut PgConnection, event: &Event) -> Result<()> {
        let entry = match event.event_type.as_str() {
            "enrollment.created" => {
                let created: EnrollmentCreated = event.read()?;
                remember(tx, created.course_id, &created.course_title).await?;
                Entry {
                    user_id: created.user_id,
                    title: format!("You are enrolled in {}", created.course_title),
                    body: "Begin whenever you like.".to_owned(),
                    link: format!("/courses/{}", created.course_id),
                }
            }
            "enrollment.dropped" => {
                let dropped: EnrollmentDropped = event.read()?;
                Entry {
                    user_id: dropped.user_id,
                    title: format!("You left {}", title(tx, dropped.course_id).await?),
                    body: "Your seat is free for somebody else.".to_owned(),
                    link: format!("/courses/{}", dropped.course_id),
                }
            }
            "course.completed" => {
                let completed: CourseCompleted = event.read()?;
                Entry {
                    user_id: completed.user_id,
                    title: format!("You completed {}", title(tx, completed.course_id).await?),
                    body: "All lessons are done. You keep access to the course.".to_owned(),
                    link: format!("/courses/{}", completed.course_id),
                }
            }
            "certificate.issued" => {
                let issued: CertificateIssued = event.read()?;
                remember(tx, issued.course_id, &issued.course_title).await?;
                let entry = Entry {
                    user_id: issued.user_id,
                    title: format!("Your certificate for {}", issued.course_title),
                    body: "Anybody you give its address to can see that it is genuine.".to_owned(),
                    link: format!("/certificates/{}", issued.code),
                };
                self.queue_certificate(tx, event, issued).await?;
                entry
            }
            "course.published" => {
                let published: CoursePublished = event.read()?;
                remember(tx, published.course_id, &published.title).await?;
                Entry {
                    user_id: published.instructor_id,
                    title: format!("{} is published", published.title),
                    body: format!("Version {} is live.", published.version),
                    link: format!("/courses/{}", published.course_id),
                }
            }
            "course.publish_failed" => {
                let failed: CoursePublishFailed = event.read()?;
                let course = title(tx, failed.course_id).await?;
                Entry {
                    user_id: failed.instructor_id,
                    title: format!("Publishing {course} failed"),
                    body: format!("Version {} is not live: {}.", failed.version, failed.code),
                    link: format!("/courses/{}/publish", failed.course_id),
                }
            }
            _ => return Ok(()),
        };
        tell(tx, event, &entry).await
    }
}

async fn tell(tx: &mut PgConnection, event: &Event, entry: &Entry) -> Result<()> {
    sqlx::query!(
        "insert into notification.notifications (user_id, event_id, kind, title, body, link, created_at)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict (event_id) do nothing",
        entry.user_id,
        event.id,
        event.event_type,
        entry.title,
        entry.body,
        entry.link,
        event.created_at
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn remember(tx: &mut PgConnection, course_id: i64, title: &str) -> Result<()> {
    sqlx::query!(
        "insert into notification.course_titles (course_id, title) values ($1, $2)
         on conflict (course_id) do update set title = excluded.title",
        course_id,
        title
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What a course was last called; its number when nobody called it anything.
async fn title(tx: &mut PgConnection, course_id: i64) -> Result<String> {
    let title = sqlx::query_scalar!(
        "select title from notification.course_titles where course_id = $1",
        course_id
    )
    .fetch_optional(tx)
    .await?;
    Ok(title.unwrap_or_else(|| format!("course {course_id}")))
}
