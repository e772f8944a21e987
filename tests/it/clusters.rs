//! A Temporal cluster that is not for everybody: behind TLS, certificates and a key, with payloads it cannot read.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use prost::Message as _;
use serde_json::{Value, json};
use smartcourse_platform::{Error, error::codes};
use smartcourse_tests::{Door, Learning, Provider, Session, World, engines::Engines, text_lessons, wait_for};
use smartcourse_workflows::enrollment::workflow_id;
use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions, grpc::WorkflowService as _};
use temporalio_common::protos::temporal::api::{
    common::v1::{Payload, WorkflowExecution},
    history::v1::{HistoryEvent, history_event::Attributes},
    workflowservice::v1::GetWorkflowExecutionHistoryRequest,
};

use crate::{
    LESSONS,
    enrollment::{enroll, holds},
    executable,
};

/// What lets guests in.
const API_KEY: &str = "a-key-of-the-tests";
/// 32 bytes.
const CODEC_KEY: &str = "c21hcnRjb3Vyc2UgdGVzdHMgb2YgYWxsIGNvdXJzZXM=";
/// Words that stand in an input and must not be seen.
const TITLE: &str = "Sagas by night";

/// What comes of connecting with these variables.
async fn refusal(variables: &BTreeMap<String, String>) -> Result<Error> {
    let variables: Vec<_> = variables.clone().into_iter().collect();
    let config = crate::config::load(None, &variables)?;
    let ping = Engines::open(&config)?.workflows().ping().await;
    ping.err().context("it was let in")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_is_told_which_setting_is_wrong() -> Result<()> {
    let door = Door::open(API_KEY).await?;
    let plain = Provider::start().await?;
    let plain = plain.url.trim_start_matches("http://").to_owned();
    let file = |name| door.file(name);
    let (cert, key) = ("TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_KEY_PATH");
    let authority = "TEMPORAL_TLS_SERVER_CA_CERT_PATH";
    let none = String::new();
    let wrong: Vec<(Vec<(&str, String)>, &str)> = vec![
        (
            vec![(authority, file("elsewhere.pem"))],
            "temporal.tls_server_ca_cert_path",
        ),
        (
            vec![(authority, file("nothing.pem"))],
            "temporal.tls_server_ca_cert_path",
        ),
        (
            vec![("TEMPORAL_TLS_SERVER_NAME", none.clone())],
            "temporal.tls_server_name",
        ),
        (
            vec![(cert, none.clone()), (key, none.clone())],
            "temporal.tls_client_cert_path",
        ),
        (
            vec![(cert, file("stranger.pem")), (key, file("stranger.key"))],
            "temporal.tls_client_cert_path",
        ),
        (
            vec![(cert, file("expired.pem")), (key, file("expired.key"))],
            "temporal.tls_client_cert_path",
        ),
        (vec![(cert, file("guest.key"))], "temporal.tls_client_cert_path"),
        (vec![(key, file("nothing.key"))], "temporal.tls_client_key_path"),
        (vec![(key, file("stranger.key"))], "temporal.tls_client_key_path"),
        (
            vec![("TEMPORAL_API_KEY", "another".to_owned())],
            "temporal.api_key",
        ),
        (vec![("TEMPORAL_API_KEY", none)], "temporal.api_key"),
        (vec![("TEMPORAL_ADDRESS", plain)], "temporal.tls"),
    ];
    for (changed, setting) in wrong {
        let mut variables = door.guest();
        for (name, value) in &changed {
            variables.insert((*name).to_owned(), value.clone());
        }
        let refused = refusal(&variables).await?;
        ensure!(
            refused.is(&codes::WORKFLOWS_REFUSED) && refused.detail().contains(setting),
            "{changed:?}: {}",
            refused.chain()
        );
    }
    let mut variables = door.guest();
    variables.insert("TEMPORAL_TLS".to_owned(), "false".to_owned());
    let refused = refusal(&variables).await?;
    ensure!(refused.is(&codes::UNAVAILABLE), "{}", refused.chain());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_door_everything_works_and_temporal_reads_nothing_of_it() -> Result<()> {
    let door = Door::open(API_KEY).await?;
    let mut world = World::start_behind(executable(), &door, &[("TEMPORAL__CODEC_KEY", CODEC_KEY)]).await?;
    let instructor = world.sign_up("instructor").await?;
    let draft = json!({"title": TITLE, "description": "For a test."});
    let course = instructor.post("/courses", &draft).await?.expect(201)?["id"].clone();
    let course = course.as_i64().context("a course has an id")?;
    let lessons = text_lessons(&LESSONS);
    instructor.put_lessons(course, &lessons).await?.expect(200)?;
    let published = instructor.publish(course).await?;
    ensure!(published["state"] == "completed", "{published}");

    let (first, second) = (world.sign_up("student").await?, world.sign_up("student").await?);
    enroll(&first, course).await?.expect(201)?;
    holds(&world, course, &first, &Learning::enrolled_once()).await?;
    // As any other service does, in clear.
    world.start_enrollment(course, second.id)?;
    holds(&world, course, &second, &Learning::enrolled_once()).await?;

    let publish = history(&world, &format!("publish-{course}-v1")).await?;
    let enrollment = history(&world, &workflow_id(course.into(), first.id.into())).await?;
    for event in publish.iter().chain(&enrollment) {
        let seen = event.encode_to_vec();
        for word in [TITLE, "course_id"] {
            let word = word.as_bytes();
            // Search attributes are for searching.
            let shown = event.event_type().as_str_name();
            let found = seen.windows(word.len()).any(|window| window == word);
            ensure!(!found, "{shown} shows {}", String::from_utf8_lossy(word));
        }
    }
    let input = input(&publish).context("a publish has an input")?;
    decoded(&mut world, &input, course).await?;

    let (_, told) = world.run(&["doctor"])?;
    ensure!(told.contains("ok    Temporal"), "{told}");
    wrong_key_is_told(&mut world, &instructor, course).await
}

/// A key that is not taken any more is named by doctor, in the log and by the status of a publish.
async fn wrong_key_is_told(world: &mut World, instructor: &Session, course: i64) -> Result<()> {
    let wrong = ("TEMPORAL_API_KEY", "of-yesterday");
    let mut doctor = std::process::Command::new(executable());
    let told = doctor
        .arg("doctor")
        .envs(world.settings())
        .env(wrong.0, wrong.1)
        .output()?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let line = told.lines().find(|line| line.starts_with("BAD   Temporal"));
    ensure!(
        line.is_some_and(|line| line.contains("temporal.api_key")),
        "{told}"
    );

    world.restart("relay", &[wrong]).await?;
    let publish = format!("/courses/{course}/publish");
    instructor.post(&publish, &Value::Null).await?.expect(202)?;
    let shown = |status: &Value| {
        let message = status["error"]["message"].as_str().unwrap_or_default();
        status["waiting_for"] == "temporal" && message.contains("temporal.api_key")
    };
    instructor
        .publish_shows(course, "the wrong setting", shown)
        .await?;
    let log = world.log("relay");
    ensure!(log.contains("temporal.api_key"), "{log}");
    Ok(())
}

/// The events of a workflow as somebody without the key gets them.
async fn history(world: &World, workflow_id: &str) -> Result<Vec<HistoryEvent>> {
    let target: url::Url = format!("http://{}", world.temporal_address()).parse()?;
    let connection = Connection::connect(ConnectionOptions::new(target).build()).await?;
    let mut client = Client::new(connection, ClientOptions::new(world.temporal_namespace()).build())?;
    let request = GetWorkflowExecutionHistoryRequest {
        namespace: world.temporal_namespace().to_owned(),
        execution: Some(WorkflowExecution {
            workflow_id: workflow_id.to_owned(),
            ..WorkflowExecution::default()
        }),
        ..GetWorkflowExecutionHistoryRequest::default()
    };
    let answer = client
        .get_workflow_execution_history(tonic::Request::new(request))
        .await?;
    Ok(answer.into_inner().history.context("a history")?.events)
}

/// What a workflow was started with.
fn input(events: &[HistoryEvent]) -> Option<Payload> {
    let Attributes::WorkflowExecutionStartedEventAttributes(started) = events.first()?.attributes.as_ref()?
    else {
        return None;
    };
    started.input.as_ref()?.payloads.first().cloned()
}

/// The codec server shows a payload to who may see it, and to nobody else.
async fn decoded(world: &mut World, payload: &Payload, course: i64) -> Result<()> {
    let listen = format!("127.0.0.1:{}", smartcourse_launcher::free_port()?);
    let settings = [
        ("SMARTCOURSE_CODEC_SERVER__LISTEN", listen.as_str()),
        (
            "SMARTCOURSE_CODEC_SERVER__ORIGINS",
            "https://temporal.test/namespaces",
        ),
        ("SMARTCOURSE_CODEC_SERVER__TOKEN", "of-the-tests"),
    ];
    world.spawn("codec-server", &["codec-server"], &settings)?;
    let base64 = |bytes: &[u8]| data_encoding::BASE64.encode(bytes);
    let metadata: BTreeMap<_, _> = payload
        .metadata
        .iter()
        .map(|(name, value)| (name, base64(value)))
        .collect();
    let sealed = json!({"payloads": [{"metadata": metadata, "data": base64(&payload.data)}]});
    let namespace = world.temporal_namespace().to_owned();
    let ask = |path: &str, body: &Value| {
        let request = world.http.post(format!("http://{listen}/{path}")).json(body);
        request
            .header("origin", "https://temporal.test")
            .header("x-namespace", &namespace)
    };
    let answer = wait_for("the codec server", async || {
        let answer = ask("decode", &sealed).bearer_auth("of-the-tests").send().await;
        Ok(answer.map_err(|error| error.to_string()))
    })
    .await?;
    let allowed = answer.headers().get("access-control-allow-origin");
    ensure!(
        allowed.is_some_and(|origin| origin == "https://temporal.test"),
        "{answer:?}"
    );
    let shown: Value = answer.error_for_status()?.json().await?;
    let data = shown["payloads"][0]["data"].as_str().context("data")?;
    let data: Value = serde_json::from_slice(&data_encoding::BASE64.decode(data.as_bytes())?)?;
    ensure!(data["course_id"] == course, "{data}");

    let again: Value = ask("encode", &shown)
        .bearer_auth("of-the-tests")
        .send()
        .await?
        .json()
        .await?;
    ensure!(
        again["payloads"][0]["metadata"] == sealed["payloads"][0]["metadata"],
        "{again}"
    );
    ensure!(again != sealed, "the same twice tells that it is the same");
    let back: Value = ask("decode", &again)
        .bearer_auth("of-the-tests")
        .send()
        .await?
        .json()
        .await?;
    ensure!(back == shown, "{back}");

    let refused = [
        (ask("decode", &sealed), 401),
        (ask("decode", &sealed).bearer_auth("a-guess"), 401),
        (ask("decode", &json!("words")).bearer_auth("of-the-tests"), 400),
    ];
    for (request, status) in refused {
        let answer = request.send().await?;
        ensure!(answer.status() == status, "{answer:?}");
    }
    let elsewhere = world.http.post(format!("http://{listen}/decode")).json(&sealed);
    let elsewhere = elsewhere
        .bearer_auth("of-the-tests")
        .header("x-namespace", "another")
        .send()
        .await?;
    ensure!(elsewhere.status() == 400, "{elsewhere:?}");
    ensure!(
        !elsewhere.headers().contains_key("access-control-allow-origin"),
        "{elsewhere:?}"
    );
    Ok(())
}
