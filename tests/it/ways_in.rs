//! The ways into an enrollment: HTTP, gRPC, an event, a workflow that is started raw. The same rules hold at each.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, stream};
use smartcourse_platform::{
    Error,
    grpc::{Actor, Transport},
    outbox, postgres,
};
use smartcourse_proto::{
    enrollment::{EnrollRequest, enrollment_service_client::EnrollmentServiceClient},
    events::EnrollmentRequested,
    key::Key,
};
use smartcourse_tests::{Layout, Learning, World, wait_for};

use crate::{
    LESSONS,
    enrollment::{course, end_of, enroll, holds, taken},
    executable,
};

/// The id of nobody.
const UNKNOWN: i64 = 987_654;

#[tokio::test(flavor = "multi_thread")]
async fn four_ways_lead_to_one_enrollment() -> Result<()> {
    let world = Arc::new(World::start(executable(), Layout::Together).await?);
    let instructor = world.sign_up("instructor").await?;
    let course = course(&instructor, None, &[]).await?;
    let student = world.sign_up("student").await?;
    let config = crate::config::load(None, &world.settings())?;
    let service = EnrollmentServiceClient::new(Transport::to(
        &config.grpc,
        smartcourse_proto::stubs::ServiceName::Enrollment,
    )?);

    let http = stream::iter((0..20).map(|_| enroll(&student, course)))
        .buffer_unordered(20)
        .for_each(|reply| async move {
            drop(reply.expect("an answer"));
        });
    let grpc = stream::iter((0..20).map(|_| {
        let mut service = service.clone();
        let request = Actor::Service.request(EnrollRequest {
            course_id: course,
            user_id: student.id,
            idempotency_key: None,
        });
        async move { service.enroll(request).await }
    }))
    .buffer_unordered(20)
    .for_each(|answer| async move {
        drop(answer);
    });
    let events = async {
        for _ in 0..20 {
            let mut tx = postgres::begin(&world.pool).await?;
            let request = EnrollmentRequested {
                course_id: course,
                user_id: student.id,
            };
            outbox::put_event(
                &mut tx,
                "enrollment.requested",
                &Key::User.of(student.id),
                &request,
            )
            .await?;
            tx.commit().await?;
        }
        anyhow::Ok(())
    };
    let raw = {
        let (world, user) = (Arc::clone(&world), student.id);
        tokio::task::spawn_blocking(move || {
            std::thread::scope(|scope| {
                for _ in 0..20 {
                    // Most find the id taken: that is an answer, too.
                    scope.spawn(|| world.start_enrollment(course, user).ok());
                }
            });
        })
    };
    let ((), (), events, raw) = tokio::join!(http, grpc, events, raw);
    events?;
    raw?;
    wait_for("all requests by event to be answered", async || {
        let waiting: i64 = sqlx::query_scalar(
            "select count(*) from platform.events e where type = 'enrollment.requested' and not exists (
                 select from platform.inbox i where i.group_name = 'enrollment.commands' and i.event_id = e.id)",
        )
        .fetch_one(&world.pool)
        .await?;
        Ok(if waiting == 0 {
            Ok(())
        } else {
            Err(waiting.to_string())
        })
    })
    .await?;
    holds(&world, course, &student, &Learning::enrolled_once()).await?;
    ensure!(taken(&instructor, course).await? == 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_start_follows_the_same_rules() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let first = course(&instructor, None, &[]).await?;
    let second = course(&instructor, Some(1), &[first]).await?;
    let draft = instructor.course(&LESSONS).await?;
    let student = world.sign_up("student").await?;

    world.start_enrollment(draft, student.id)?;
    ensure!(end_of(&world, draft, student.id).await?.contains("not_published"));
    world.start_enrollment(second, student.id)?;
    ensure!(
        end_of(&world, second, student.id)
            .await?
            .contains("prerequisite_missing")
    );
    world.start_enrollment(first, UNKNOWN)?;
    ensure!(end_of(&world, first, UNKNOWN).await?.contains("not_found"));
    world.start_enrollment(first, instructor.id)?;
    ensure!(
        end_of(&world, first, instructor.id)
            .await?
            .contains("not_a_student")
    );

    world.start_enrollment(first, student.id)?;
    ensure!(
        end_of(&world, first, student.id)
            .await?
            .contains("EXECUTION_COMPLETED")
    );
    holds(&world, first, &student, &Learning::enrolled_once()).await?;
    // Again, when all is done: refused, and nothing is doubled.
    world.start_enrollment(first, student.id)?;
    ensure!(
        end_of(&world, first, student.id)
            .await?
            .contains("already_enrolled")
    );
    holds(&world, first, &student, &Learning::enrolled_once()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_students_get_in_through_any_door() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = course(&instructor, None, &[]).await?;
    let config = crate::config::load(None, &world.settings())?;
    let mut service = EnrollmentServiceClient::new(Transport::to(
        &config.grpc,
        smartcourse_proto::stubs::ServiceName::Enrollment,
    )?);
    for (user_id, code) in [(UNKNOWN, "not_found"), (instructor.id, "not_a_student")] {
        let request = EnrollRequest {
            course_id: course,
            user_id,
            idempotency_key: None,
        };
        let refused = service.enroll(Actor::Service.request(request)).await;
        let error = Error::from(refused.err().context("is refused")?);
        ensure!(error.code() == code, "{error}");

        let mut tx = postgres::begin(&world.pool).await?;
        let request = EnrollmentRequested {
            course_id: course,
            user_id,
        };
        outbox::put_event(&mut tx, "enrollment.requested", &Key::User.of(user_id), &request).await?;
        tx.commit().await?;
        wait_for("the answer", async || {
            let told: Option<String> = sqlx::query_scalar(
                "select payload->>'code' from platform.events where type = 'enrollment.refused' and key = $1",
            )
            .bind(Key::User.of(user_id))
            .fetch_optional(&world.pool)
            .await?;
            Ok(match told.as_deref() {
                Some(told) if told == code => Ok(()),
                told => Err(format!("{told:?}")),
            })
        })
        .await?;
    }
    ensure!(taken(&instructor, course).await? == 0);
    Ok(())
}
