//! What the roles say of themselves: metrics, readiness, and traces that no hop breaks.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::json;
use smartcourse_monitoring::foreign::{self, Source};
use smartcourse_telemetry::{catalogue, metric::Kind};
use smartcourse_tests::{Collector, Layout, Model, Says, Session, World, wait_for};

use crate::{ROLES, executable, root};

/// Series of one metric at most: routes and statements have the most.
const MANY: usize = 400;
/// Those that only a fault, a wait, or a server or certificate that was named, brings about.
pub(crate) const OF_FAULTS: [&str; 5] = [
    "smartcourse_certificate_not_after_seconds",
    "smartcourse_server_up",
    "smartcourse_reconciled_total",
    "smartcourse_tasks_dead",
    "smartcourse_tasks_waiting",
];
/// Labels whose values have numbers in them.
const NUMBERS: [&str; 7] = ["version", "commit", "status", "le", "quantile", "step", "model"];

/// One series: the metric and its labels.
fn series(line: &str) -> Option<(String, BTreeMap<String, String>)> {
    let (series, _) = line.rsplit_once(' ')?;
    let Some((name, labels)) = series.split_once('{') else {
        return Some((series.to_owned(), BTreeMap::new()));
    };
    let labels = labels.trim_end_matches('}').split("\",");
    let labels = labels.filter_map(|label| label.split_once("=\""));
    let labels = labels.map(|(key, value)| (key.to_owned(), value.trim_end_matches('"').to_owned()));
    Some((name.to_owned(), labels.collect()))
}

/// A world that sends its traces, in which a course was published, read and asked; with the student who did, and the id of each request.
pub(crate) async fn a_school_day(
    layout: Layout,
) -> Result<(World, Collector, Session, BTreeMap<&'static str, String>)> {
    let collector = Collector::start().await?;
    let endpoint = collector.endpoint();
    let model = Model::start().await?;
    model.says([Says::this(
        "A saga is a sequence of steps with compensations. [1]",
    )]);
    let model = format!("{}/v1", model.url);
    let settings = [
        ("TELEMETRY__OTLP_ENDPOINT", endpoint.as_str()),
        ("TELEMETRY__TRACE_RATIO", "1"),
        ("ANSWERS__ENGINE", "openai"),
        ("OPENAI__URL", &model),
        ("OPENAI__MODEL", "writer"),
    ];
    let world = World::start_with(executable(), layout, &settings).await?;
    let (teacher, student) = (
        world.sign_up("instructor").await?,
        world.sign_up("student").await?,
    );
    let mut ids = BTreeMap::new();
    let mut ask =
        async |who: &Session, what: &'static str, path: String, body: serde_json::Value| -> Result<u16> {
            let request = who.request(Method::POST, &path).json(&body);
            let answer = request.send().await?;
            let id = answer.headers().get("x-request-id").context("a request id")?;
            ids.insert(what, id.to_str()?.to_owned());
            Ok(answer.status().as_u16())
        };
    let course = teacher
        .course(&[("Sagas", "A saga is a sequence of steps with compensations.")])
        .await?;
    ensure!(
        ask(
            &teacher,
            "publish",
            format!("/courses/{course}/publish"),
            json!({})
        )
        .await?
            == 202
    );
    teacher.publish_end(course).await?;
    ensure!(ask(&student, "enroll", format!("/courses/{course}/enroll"), json!({})).await? == 201);
    ensure!(
        ask(
            &student,
            "ask",
            format!("/courses/{course}/ask"),
            json!({"question": "What is a saga?"})
        )
        .await?
            == 200
    );
    student.get("/courses").await?.expect(200)?;
    student
        .get(&format!("/courses/{course}/content"))
        .await?
        .expect(200)?;
    student.get("/courses/999999999").await?.expect(404)?;
    Ok((world, collector, student, ids))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_emitted_and_none_has_a_label_without_bound() -> Result<()> {
    let (world, _collector, ..) = a_school_day(Layout::Together).await?;

    wait_for("every metric", async || {
        let mut seen: BTreeMap<String, BTreeSet<BTreeMap<String, String>>> = BTreeMap::new();
        for role in ROLES {
            let (status, page) = world.ask_role(role, "/metrics").await?;
            ensure!(status == 200, "{role}: {status}");
            for line in page
                .lines()
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
            {
                let (name, labels) = series(line).with_context(|| line.to_owned())?;
                seen.entry(name).or_default().insert(labels);
            }
        }
        for (name, series) in &seen {
            let values = series.iter().flatten();
            let numbers = values.filter(|(key, value)| {
                !NUMBERS.contains(&key.as_str()) && value.contains(|c: char| c.is_ascii_digit())
            });
            ensure!(
                numbers.clone().count() == 0,
                "{name}: {:?}",
                numbers.collect::<Vec<_>>()
            );
            let kinds: BTreeSet<_> = series
                .iter()
                .map(|labels| labels.iter().filter(|(key, _)| *key != "le").collect::<Vec<_>>())
                .collect();
            ensure!(kinds.len() <= MANY, "{name} has {} series", kinds.len());
        }
        let missing = catalogue::ALL
            .iter()
            .filter(|metric| !OF_FAULTS.contains(&metric.name));
        let missing: Vec<_> = missing
            .map(|metric| match metric.kind {
                Kind::Histogram(_) => format!("{}_count", metric.name),
                _ => metric.name.to_owned(),
            })
            .filter(|name| !seen.contains_key(name))
            .collect();
        let of_others = foreign::ALL
            .iter()
            .filter(|(_, source)| [Source::Process, Source::Sdk].contains(source))
            .filter(|(name, _)| !seen.contains_key(*name) && !seen.contains_key(&format!("{name}_count")))
            .map(|(name, _)| (*name).to_owned());
        let missing: Vec<_> = missing.into_iter().chain(of_others).collect();
        Ok(if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("{missing:?}"))
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_ready_while_all_it_does_goes_on() -> Result<()> {
    let mut world = World::start(executable(), Layout::Together).await?;
    for role in ROLES {
        wait_for(role, async || {
            let (status, page) = world.ask_role(role, "/readyz").await?;
            Ok(if status == 200 { Ok(()) } else { Err(page) })
        })
        .await?;
        ensure!(world.ask_role(role, "/livez").await?.0 == 200);
    }
    world.stop_temporal().await?;
    wait_for("the worker to notice", async || {
        let (status, page) = world.ask_role("worker", "/readyz").await?;
        let noticed = status == 503 && page.contains("worker");
        Ok(if noticed {
            Ok(())
        } else {
            Err(format!("{status} {page}"))
        })
    })
    .await?;
    ensure!(world.ask_role("worker", "/livez").await?.0 == 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_one_trace_over_every_hop() -> Result<()> {
    let (_world, collector, student, ids) = a_school_day(Layout::Apart).await?;

    let hops = [
        (
            "publish",
            vec![
                "POST /courses/{id}/publish",
                "smartcourse.course.CourseService/Publish",
                "insert course.publish_attempts",
                "start CoursePublishing",
                "RunWorkflow:CoursePublishing",
                "RunWorkflow:ContentProcessing",
                "RunActivity:content.extract_lesson",
                "smartcourse.content.ContentService/ExtractLesson",
                "parse",
                "embed",
                "smartcourse.course.CourseService/MarkPublished",
                "update course.courses",
                "content.retention course.published",
            ],
        ),
        (
            "enroll",
            vec![
                "POST /courses/{id}/enroll",
                "smartcourse.enrollment.EnrollmentService/Enroll",
                "start Enrollment",
                "RunWorkflow:Enrollment",
                "smartcourse.notification.NotificationService/QueueWelcomeMail",
                "task",
                "mail",
                "analytics.counter enrollment.created",
            ],
        ),
        (
            "ask",
            vec![
                "POST /courses/{id}/ask",
                "smartcourse.content.ContentService/Retrieve",
                "embed",
                "answer",
            ],
        ),
    ];
    for (what, names) in hops {
        let id = &ids[what];
        wait_for(what, async || {
            let spans = collector.trace(id);
            let known: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
            let missing: Vec<_> = names.iter().filter(|name| !known.contains(*name)).collect();
            let own: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
            let torn: Vec<_> = spans
                .iter()
                .filter(|span| !span.parent.is_empty() && !own.contains(span.parent.as_str()))
                .collect();
            Ok(if missing.is_empty() && torn.is_empty() {
                Ok(())
            } else {
                Err(format!(
                    "missing {missing:?}, without their parent {torn:?}, of {known:?}"
                ))
            })
        })
        .await?;
    }
    // What leads from a trace to the run in Temporal (deploy/jaeger/ui.json).
    let links: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(root().join("deploy/jaeger/ui.json"))?)?;
    let patterns = links["linkPatterns"].as_array().context("links")?.iter();
    let keys: Vec<&str> = patterns
        .filter(|pattern| pattern["type"] == "tags")
        .filter_map(|pattern| pattern["key"].as_str())
        .collect();
    let spans = collector.trace(&ids["publish"]);
    let run = spans
        .iter()
        .find(|span| span.name == "RunWorkflow:CoursePublishing");
    let run = run.context("a run")?;
    ensure!(keys.len() == 2, "{keys:?}");
    ensure!(
        keys.iter().all(|key| run.attributes.iter().any(|one| one == key)),
        "{run:?} lacks one of {keys:?}"
    );
    // The problem document names the trace, whatever the caller calls its request.
    let request = student
        .request(Method::GET, "/courses/999999999")
        .header("x-request-id", "mine");
    let answer = request.send().await?;
    ensure!(answer.headers()["x-request-id"] == "mine");
    let problem: serde_json::Value = answer.json().await?;
    let trace = problem["trace_id"].as_str().context("a trace")?.to_owned();
    wait_for("its trace", async || {
        Ok(match collector.trace(&trace).is_empty() {
            true => Err(trace.clone()),
            false => Ok(()),
        })
    })
    .await
}
