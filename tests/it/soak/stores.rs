//! Whether every store holds what the ledger says, once all has come to rest.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use smartcourse_tests::{Learning, Traces, World, wait_longer};

use super::{
    harm::ROLES,
    people::{Learner, Ledger, Version},
};

/// How long what is left over may take.
const REST: Duration = Duration::from_secs(300);
/// Learners looked up at once.
const AT_ONCE: usize = 8;

/// What is still under way, in words; empty when all rests.
const UNDER_WAY: &str = "select concat_ws(', ',
    (select nullif(count(*), 0) || ' publishes' from course.publish_attempts
      where state not in ('completed', 'failed', 'cancelled')),
    (select nullif(count(*), 0) || ' onboardings' from enrollment.enrollments where onboarding <> 'completed'),
    (select nullif(count(*), 0) || ' commands' from platform.outbox_commands where done_at is null),
    (select nullif(count(*), 0) || ' tasks' from platform.tasks where state <> 'done'),
    (select nullif(count(*), 0) || ' parked events' from platform.parked_events),
    (select nullif(count(*), 0) || ' events without a place' from platform.events where position is null),
    (select nullif(count(*), 0) || ' groups behind' from platform.event_groups
      where position < (select max(position) from platform.events)))";

/// Compares; answers what agreed, and how much of it there was.
pub(super) async fn agree(world: &World, ledger: &Ledger) -> Result<BTreeMap<String, u32>> {
    wait_longer(REST, "all to come to rest", async || {
        let open: String = sqlx::query_scalar(UNDER_WAY).fetch_one(&world.pool).await?;
        Ok(if open.is_empty() { Ok(()) } else { Err(open) })
    })
    .await?;
    world.at_rest().await?;
    wait_longer(REST, "no workflow to run", async || {
        let running = ["workflow", "list", "--query", "ExecutionStatus = 'Running'"];
        let running = world.temporal_cli(&running)?;
        Ok(if running.contains("Running") {
            Err(running)
        } else {
            Ok(())
        })
    })
    .await?;

    let (versions, learners) = (ledger.versions(), ledger.learners());
    for version in &versions {
        holds_version(world, version).await?;
    }
    stream::iter(&learners)
        .map(|learner| holds_learner(world, learner))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    holds_seats(world, &learners).await?;
    holds_no_more(world, &versions, &learners).await?;
    let (right, told) = crate::analytics::rebuild(world).await?;
    ensure!(right && told.contains("to the digit"), "{told}");
    for role in ROLES {
        let log = std::fs::read_to_string(world.data_dir()?.log(role))?;
        let panicked = log.lines().find(|line| line.contains("panicked at"));
        ensure!(panicked.is_none(), "{role}: {panicked:?}");
    }

    let count = |what: &str, times: usize| Ok((what.to_owned(), u32::try_from(times)?));
    let sum = |of: fn(&Learner) -> i64| learners.iter().map(of).sum::<i64>();
    [
        count(
            "versions published",
            versions.iter().filter(|one| one.published).count(),
        ),
        count(
            "publishes cancelled",
            versions.iter().filter(|one| !one.published).count(),
        ),
        count("seats taken", usize::try_from(sum(|one| one.epochs))?),
        count(
            "seats left",
            usize::try_from(sum(|one| one.epochs - i64::from(one.seated)))?,
        ),
        count("lessons completed", usize::try_from(sum(|one| one.lessons))?),
        count(
            "courses completed",
            learners.iter().filter(|one| one.has_completed()).count(),
        ),
    ]
    .into_iter()
    .collect()
}

/// One of everything for a version that was published, nothing for one that was cancelled.
async fn holds_version(world: &World, version: &Version) -> Result<()> {
    let seen = Traces::of(world, version.course, version.version).await?;
    let right = match version.published {
        true => {
            seen.documents == 1
                && seen.published_events == 1
                && seen.duplicate_vectors == 0
                // Those of superseded versions go with the clean-up, all of them or none.
                && (seen.chunks == 0 || seen.vectors == seen.chunks && seen.entries == seen.chunks + 1)
        }
        false => seen.none(),
    };
    ensure!(right, "{version:?}: {seen:?}");
    Ok(())
}

/// Exactly what the student was told, and what follows from it.
async fn holds_learner(world: &World, learner: &Learner) -> Result<()> {
    let Learner { student, course, .. } = learner;
    let seen = Learning::of(&world.pool, &world.mails(), *course, student.id, &student.email).await?;
    let completed = i64::from(learner.has_completed());
    let expected = Learning {
        enrollments: 1,
        epoch: learner.epochs,
        onboarded: true,
        // There is none for somebody who always left before it was made.
        records: seen.records,
        lessons: learner.lessons,
        certificates: completed,
        deliveries: seen.deliveries,
        mails: seen.deliveries,
        feed: learner.epochs,
        created_events: learner.epochs,
        completed_events: completed,
        certificate_events: completed,
        counted: learner.epochs,
        counted_completions: completed,
    };
    let welcomed = (learner.onboarded..=learner.epochs).contains(&seen.deliveries);
    ensure!(seen == expected && welcomed, "{learner:?}: {seen:?}");
    Ok(())
}

/// As many seats are taken as students have kept.
async fn holds_seats(world: &World, learners: &[Learner]) -> Result<()> {
    let mut kept: BTreeMap<i64, i64> = BTreeMap::new();
    for learner in learners {
        *kept.entry(learner.course).or_default() += i64::from(learner.seated);
    }
    let rows: Vec<(i64, i64)> =
        sqlx::query_as("select course_id, taken::bigint from enrollment.course_seats order by course_id")
            .fetch_all(&world.pool)
            .await?;
    for (course, taken) in rows {
        let kept = kept.get(&course).copied().unwrap_or(0);
        ensure!(
            taken == kept,
            "course {course}: {taken} seats are taken, {kept} kept"
        );
    }
    Ok(())
}

/// Nothing is there that nobody was told of.
async fn holds_no_more(world: &World, versions: &[Version], learners: &[Learner]) -> Result<()> {
    let (published, enrolled): (i64, i64) = sqlx::query_as(
        "select (select count(*) from platform.events where type = 'course.published'),
                (select count(*) from enrollment.enrollments)",
    )
    .fetch_one(&world.pool)
    .await?;
    let told = versions.iter().filter(|version| version.published).count();
    ensure!(
        published == i64::try_from(told)?,
        "{published} versions published, {told} told"
    );
    ensure!(
        enrolled == i64::try_from(learners.len())?,
        "{enrolled} enrollments, {} told",
        learners.len()
    );
    for mail in std::fs::read_dir(world.mails()).context("mails")? {
        let path = mail?.path();
        let whole = path.extension().is_some_and(|kind| kind == "eml");
        ensure!(whole, "{} is half written", path.display());
    }
    Ok(())
}
