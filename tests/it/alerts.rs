//! What a real Prometheus and a real Alertmanager make of real roles: every panel shows something, and each of the brief's alerts
//! fires when its fault is there, and is over when it is not.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use serde_json::json;
use smartcourse_monitoring::{
    Pace, Watched, dashboards,
    foreign::{self, Source},
    prometheus, rules,
};
use smartcourse_platform::{outbox, postgres};
use smartcourse_proto::{events::UserRegistered, key::Key};
use smartcourse_tests::{Layout, MailServer, Prometheus, Session, World, wait_for};

use crate::{
    LESSONS, executable, root,
    telemetry::{OF_FAULTS, a_school_day},
};

/// Five minutes are ten seconds.
const PACE: Pace = Pace(30);
/// Panels of what goes wrong: on a day on which nothing does they are empty.
const OF_WRONGS: [&str; 4] = [
    "What is wrong, since when",
    "Requests that fail, by route",
    "Calls between services that fail",
    "Tries of activities that failed",
];

/// Watches the roles of a world as a deployment does, in a hurry; alerts go to this mail server.
async fn watching(world: &World, mails: &MailServer) -> Result<Prometheus> {
    let watched: Vec<Watched> = world
        .metrics()
        .map(|(role, address)| Watched {
            job: "smartcourse",
            instance: role.to_owned(),
            address: address.to_owned(),
        })
        .collect();
    let config = |rules: &str, alertmanager: &str| prometheus(PACE, &watched, rules, alertmanager);
    let alerting = std::fs::read_to_string(root().join("deploy/alertmanager/alertmanager.yml"))?
        .replace("mailpit:1025", mails.url.trim_start_matches("smtp://"))
        .replace(
            "  group_by:",
            "  group_wait: 100ms\n  group_interval: 500ms\n  group_by:",
        );
    Prometheus::start(&rules(PACE), config, &alerting).await
}

/// The labels a legend names.
fn named(legend: &str) -> BTreeSet<&str> {
    let after = legend.split("{{").skip(1);
    after.filter_map(|rest| rest.split("}}").next()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_shows_something() -> Result<()> {
    let (world, ..) = a_school_day(Layout::Together).await?;
    let mails = MailServer::start(0).await?;
    let prometheus = watching(&world, &mails).await?;
    // Nothing fails here, nobody is idle for a minute, and the Temporal server of tests has no page of metrics.
    let elsewhere = foreign::ALL
        .iter()
        .filter(|(_, source)| [Source::SdkLater, Source::TemporalServer].contains(source));
    let absent: Vec<&str> = elsewhere.map(|(name, _)| *name).chain(OF_FAULTS).collect();
    let boards = dashboards();
    let panels = boards.iter().flat_map(|board| &board.panels);
    let queries: Vec<_> = panels
        .filter(|panel| !OF_WRONGS.contains(&panel.title))
        .flat_map(|panel| {
            panel
                .queries
                .iter()
                .map(|(query, legend)| (panel.title, query, *legend))
        })
        .filter(|(_, query, _)| !absent.iter().any(|name| query.contains(name)))
        .collect();
    ensure!(queries.len() > 40, "{} queries", queries.len());
    wait_for("every panel", async || {
        let looked = queries.iter().map(async |(title, query, legend)| {
            let query = query.replace("$__rate_interval", &PACE.seconds(300));
            let series = prometheus.query(&query).await?;
            let has = |label: &&str| series.iter().any(|(labels, _)| !labels[*label].is_null());
            let shown = !series.is_empty() && named(legend).iter().all(has);
            anyhow::Ok((!shown).then(|| format!("{title}: {query} has {series:?}")))
        });
        let empty: Vec<String> = try_join_all(looked).await?.into_iter().flatten().collect();
        Ok(if empty.is_empty() {
            Ok(())
        } else {
            Err(empty.join("\n"))
        })
    })
    .await
}

/// The mail that came last of an alert.
fn told(mails: &MailServer, alert: &str) -> Option<String> {
    let about = format!(": {alert}\r\n");
    let messages = mails.messages().into_iter().rev();
    let mut about = messages.filter(|message| message.contains(&about));
    // Long lines are broken.
    about.next().map(|message| message.replace("=\r\n", ""))
}

/// Does something again and again until the mail that came last of an alert says `firing` or `resolved`; answers the mail.
async fn until_told(
    mails: &MailServer,
    what: &str,
    alert: &str,
    meanwhile: impl AsyncFn() -> Result<()>,
) -> Result<String> {
    let subject = format!("Subject: {what}: {alert}\r\n");
    wait_for(&subject, async || {
        meanwhile().await?;
        Ok(match told(mails, alert) {
            Some(mail) if mail.contains(&subject) => Ok(mail),
            other => Err(format!("{other:?}")),
        })
    })
    .await
}

/// Somebody makes a course while somebody else holds the table for over half a second.
async fn a_course_made_behind_a_lock(world: &World, teacher: &Session) -> Result<()> {
    let mut tx = postgres::begin(&world.pool).await?;
    sqlx::query("lock table course.courses in share mode")
        .execute(&mut *tx)
        .await?;
    let course = json!({ "title": "Waiting", "description": "For a lock" });
    let (made, ()) = tokio::try_join!(teacher.post("/courses", &course), async {
        wait_for("somebody to wait", async || {
            let waits: bool = sqlx::query_scalar(
                "select exists (select from pg_stat_activity where datname = current_database()
                 and wait_event_type = 'Lock' and now() - query_start > interval '700 ms')",
            )
            .fetch_one(&world.pool)
            .await?;
            Ok(if waits {
                Ok(())
            } else {
                Err("nobody does".to_owned())
            })
        })
        .await?;
        Ok(tx.commit().await?)
    })?;
    made.expect(201)?;
    Ok(())
}

/// More events than a group that is away may be behind.
async fn many_events(world: &World) -> Result<()> {
    let mut tx = postgres::begin(&world.pool).await?;
    for user_id in 1_000_000..1_001_100 {
        let event = UserRegistered {
            user_id,
            role: "student".to_owned(),
        };
        outbox::put_event(&mut tx, "user.registered", &Key::User.of(user_id), &event).await?;
    }
    Ok(tx.commit().await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_alerts_of_the_brief_fire_and_are_over() -> Result<()> {
    let mut world = World::start(executable(), Layout::Apart).await?;
    let teacher = world.sign_up("instructor").await?;
    let course = teacher.course(&LESSONS).await?;
    ensure!(teacher.publish(course).await?["state"] == "completed");
    let publish = async |state: &str| {
        let status = teacher.publish(course).await?;
        ensure!(status["state"] == state, "{status}");
        Ok(())
    };

    // A step fails for good, and a table is locked.
    world
        .restart("worker", &[("SMARTCOURSE_FAIL_AT", "course.validate_course")])
        .await?;
    let mails = MailServer::start(0).await?;
    let _prometheus = watching(&world, &mails).await?;
    let locked = async || a_course_made_behind_a_lock(&world, &teacher).await;
    let (failures, slow) = tokio::try_join!(
        until_told(&mails, "firing", "WorkflowFailures", async || publish("failed")
            .await),
        until_told(&mails, "firing", "SlowQueries", locked),
    )?;
    ensure!(
        failures.contains("of the runs of CoursePublishing fail."),
        "{failures}"
    );
    ensure!(slow.contains("\"insert course.courses\" take up to"), "{slow}");

    // A service is away, whose routes are asked for, and whose groups hear nothing.
    world.kill("content");
    many_events(&world).await?;
    let download = async || {
        teacher
            .get(&format!("/courses/{course}/assets/1"))
            .await
            .map(drop)
    };
    let (errors, lag) = tokio::try_join!(
        until_told(&mails, "firing", "ApiErrors", download),
        until_told(&mails, "firing", "EventLag", async || Ok(())),
    )?;
    ensure!(errors.contains("of the requests to the API fail."), "{errors}");
    ensure!(lag.contains("content.retention is "), "{lag}");
    for (mail, alert) in [
        (failures, "WorkflowFailures"),
        (slow, "SlowQueries"),
        (errors, "ApiErrors"),
        (lag, "EventLag"),
    ] {
        let page = format!("What to do: http://localhost:3000/d/runbook-{alert} (docs/runbook/{alert}.md)");
        ensure!(mail.contains("\r\nSince 20") && mail.contains(&page), "{mail}");
    }

    // All is mended.
    world.restart("content", &[]).await?;
    world.restart("worker", &[]).await?;
    world.ready().await?;
    let well = async || {
        publish("completed").await?;
        download().await
    };
    for alert in ["ApiErrors", "EventLag", "SlowQueries", "WorkflowFailures"] {
        until_told(&mails, "resolved", alert, well).await?;
    }
    Ok(())
}
