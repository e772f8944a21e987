//! A school in which everything that counts happens.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use smartcourse_tests::{Layout, Session, World};

use super::{counted, rebuild};
use crate::{LESSONS, enroll, executable};

/// A small school with one of everything that counts.
pub(super) struct School {
    pub(super) world: World,
    pub(super) admin: Session,
    /// Of the first course, which is published twice, and of one that is archived.
    pub(super) teacher: Session,
    /// Of the second course.
    pub(super) other: Session,
    /// Completes the first course and sits in the second.
    pub(super) diligent: Session,
    /// Leaves the first course and comes back.
    pub(super) returning: Session,
    /// Leaves the first course and sits in the second.
    pub(super) leaving: Session,
    pub(super) first: i64,
    pub(super) second: i64,
}

impl School {
    pub(super) async fn open() -> Result<Self> {
        let world = World::start(executable(), Layout::Together).await?;
        let (teacher, other) = (
            world.sign_up("instructor").await?,
            world.sign_up("instructor").await?,
        );
        let first = published(&teacher, "=SUM(A1)").await?;
        let second = published(&other, "Outbox, \"quoted\"").await?;
        let archived = published(&teacher, "Archived").await?;
        let path = format!("/courses/{archived}/status");
        teacher
            .put(&path, &json!({"status": "archived"}))
            .await?
            .expect(200)?;
        teacher.course(&LESSONS).await?;
        Ok(Self {
            admin: world.admin().await?,
            diligent: world.sign_up("student").await?,
            returning: world.sign_up("student").await?,
            leaving: world.sign_up("student").await?,
            world,
            teacher,
            other,
            first,
            second,
        })
    }

    pub(super) async fn live(&self) -> Result<()> {
        enroll(&self.diligent, self.first).await?;
        enroll(&self.diligent, self.second).await?;
        let seat = enroll(&self.returning, self.first).await?;
        leave(&self.returning, seat).await?;
        ensure!(enroll(&self.returning, self.first).await? == seat);
        let seat = enroll(&self.leaving, self.first).await?;
        leave(&self.leaving, seat).await?;
        enroll(&self.leaving, self.second).await?;
        for lesson in ["l1", "l2"] {
            self.diligent
                .complete_lesson(self.first, lesson)
                .await?
                .expect(200)?;
        }
        ask(&self.diligent, self.first, "What is a saga?").await?;
        let refused = ask(
            &self.diligent,
            self.first,
            "How long should sourdough bread rise?",
        )
        .await?;
        ensure!(refused["refused"] == true, "{refused}");
        ask(&self.teacher, self.first, "What is an outbox?").await?;
        ensure!(
            self.teacher.publish(self.first).await?["version"] == 2,
            "a republish"
        );
        counted(&self.world).await
    }

    pub(super) async fn numbers(&self, of: &Session, path: &str) -> Result<Value> {
        let numbers = of.get(&format!("/analytics/{path}")).await?.expect(200)?;
        ensure!(numbers["as_of"].is_string(), "{path}: {numbers}");
        Ok(numbers)
    }

    /// Moves the events to days of one's choice and counts them again.
    ///
    /// Everything happened in the second after noon of 10 March; the diligent student sat down in the first course an
    /// hour before completing it, and the leaving one in the second course three days before.
    pub(super) async fn date(&self) -> Result<(bool, String)> {
        let noon = "2026-03-10T12:00:00Z";
        sqlx::query(
            "update platform.events set created_at = $1::timestamptz + position * interval '1 millisecond'",
        )
        .bind(noon)
        .execute(&self.world.pool)
        .await?;
        let moved = "update platform.events set created_at = $1::text::timestamptz where type = $2
             and payload->>'course_id' = $3::text and payload->>'user_id' = $4::text";
        for (time, event_type, course, student) in [
            (
                "2026-03-10T11:00:00Z",
                "enrollment.created",
                self.first,
                &self.diligent,
            ),
            (noon, "course.completed", self.first, &self.diligent),
            (
                "2026-03-07T12:00:00Z",
                "enrollment.created",
                self.second,
                &self.leaving,
            ),
        ] {
            let rows = sqlx::query(moved)
                .bind(time)
                .bind(event_type)
                .bind(course)
                .bind(student.id)
                .execute(&self.world.pool)
                .await?;
            ensure!(rows.rows_affected() == 1, "{event_type} is there once");
        }
        rebuild(&self.world).await
    }
}

async fn published(instructor: &Session, title: &str) -> Result<i64> {
    let course = instructor.course(&LESSONS).await?;
    let request = instructor.request(Method::PATCH, &format!("/courses/{course}"));
    instructor
        .send(request.json(&json!({ "title": title })))
        .await?
        .expect(200)?;
    let status = instructor.publish(course).await?;
    ensure!(status["state"] == "completed", "{status}");
    Ok(course)
}

async fn leave(student: &Session, enrollment: i64) -> Result<()> {
    student
        .delete(&format!("/enrollments/{enrollment}"))
        .await?
        .expect(204)?;
    Ok(())
}

async fn ask(asker: &Session, course: i64, question: &str) -> Result<Value> {
    let body = json!({ "question": question });
    asker
        .post(&format!("/courses/{course}/ask"), &body)
        .await?
        .expect(200)
}
