//! What is kept moves to another engine while people work, and what is searched is made again.

mod indexes;

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use smartcourse_tests::{Hold, Layout, ServerKind, Session, TestServer, World, wait_for};
use tempfile::TempDir;

use crate::{LESSONS, ROLES, executable};

async fn upload(session: &Session, course: i64, name: &str) -> Result<String> {
    let made = session
        .upload(course, name, name.repeat(2_000))
        .await?
        .expect(201)?;
    Ok(made["id"].as_str().context("an id")?.to_owned())
}

/// Every file below a directory, with what is in it; what nobody has finished has a `#` in its name.
fn files(root: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if !path.display().to_string().contains('#') {
                let name = path.strip_prefix(root)?.display().to_string();
                found.insert(name, std::fs::read(&path)?);
            }
        }
    }
    Ok(found)
}

pub(crate) async fn ended(world: &World, name: &str) -> Result<()> {
    wait_for(name, async || {
        Ok(match world.is_running(name) {
            true => Err("it runs".to_owned()),
            false => Ok(()),
        })
    })
    .await
}

pub(crate) async fn stop(world: &World) -> Result<()> {
    for role in ROLES {
        world.stop(role).await?;
    }
    Ok(())
}

pub(crate) async fn start_with(world: &mut World, settings: &[(&str, &str)]) -> Result<()> {
    for role in ROLES {
        world.restart(role, settings).await?;
    }
    world.ready().await
}

/// Waits until a role has noted that something is kept there.
async fn noted(world: &World, place: &str) -> Result<()> {
    wait_for("the place to be noted", async || {
        let places: Vec<String> =
            sqlx::query_scalar("select place from platform.engine_places where used_at is not null")
                .fetch_all(&world.pool)
                .await?;
        Ok(match places.iter().any(|known| known.contains(place)) {
            true => Ok(()),
            false => Err(places.join(", ")),
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_move_while_people_work_and_nothing_is_lost() -> Result<()> {
    let mut world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    let mut uploads = Vec::new();
    // More than are copied at once.
    for name in [
        "a.txt", "b.txt", "c.txt", "d.txt", "e.txt", "f.txt", "g.txt", "h.txt", "i.txt",
    ] {
        uploads.push((name, upload(&instructor, course, name).await?));
    }
    let home = TempDir::new()?;
    let there = home.path().join("there");
    let to = format!("content.files_dir={}", there.display());
    let moving = ["engines", "move", "files", "--to", "S3_BUCKET=", "--to", &to];

    // What nobody is known to have brought there is not overwritten.
    std::fs::create_dir(&there)?;
    std::fs::write(there.join("foreign"), "x")?;
    let (done, told) = world.run(&moving)?;
    ensure!(!done && told.contains("empty it first"), "{told}");
    std::fs::remove_file(there.join("foreign"))?;

    // Killed in the middle; then somebody uploads, and somebody removes, in the middle.
    world.spawn(
        "move",
        &moving,
        &[("SMARTCOURSE_KILL_AT", "engines.move.after_copy#2")],
    )?;
    ended(&world, "move").await?;
    ensure!(
        (1..9).contains(&files(&there)?.len()),
        "it was killed too early or too late"
    );
    let hold = Hold::at("engines.move.after_copy", &home.path().join("hold"));
    world.spawn("move", &moving, &hold.variables()?)?;
    hold.reached().await?;
    uploads.push(("late.txt", upload(&instructor, course, "late.txt").await?));
    let (done, told) = world.run(&moving)?;
    ensure!(!done && told.contains("another `smartcourse engines`"), "{told}");
    hold.release()?;
    ended(&world, "move").await?;
    let (done, told) = world.run(&moving)?;
    ensure!(
        done && told.contains("Roles run") && told.contains("the same on both sides"),
        "{told}"
    );
    ensure!(files(&there)?.len() == 10, "{told}");

    // What comes after the last look is brought by the one after the roles have ended.
    uploads.push(("last.txt", upload(&instructor, course, "last.txt").await?));
    stop(&world).await?;
    let (done, told) = world.run(&moving)?;
    let setting = format!("    SMARTCOURSE_CONTENT__FILES_DIR={}", there.display());
    ensure!(
        done && told.contains("No role runs") && told.contains(&setting),
        "{told}"
    );
    ensure!(told.contains("staging                         11"), "{told}");
    if !world.names("S3_BUCKET") {
        ensure!(files(&there)? == files(&world.files())?);
    }

    let settings = [
        ("S3_BUCKET", ""),
        (
            "SMARTCOURSE_CONTENT__FILES_DIR",
            there.to_str().context("a path")?,
        ),
    ];
    start_with(&mut world, &settings).await?;
    for (name, id) in &uploads {
        let found = instructor.get(&format!("/courses/{course}/assets/{id}")).await?;
        ensure!(
            found.status == 200 && found.body == name.repeat(2_000),
            "{name}: {found:?}"
        );
    }
    // Whoever still has the settings of before does not overwrite what is in use.
    noted(&world, "/there").await?;
    upload(&instructor, course, "newest.txt").await?;
    let (done, told) = world.run(&moving)?;
    ensure!(!done && told.contains("would overwrite what is in use"), "{told}");
    ensure!(files(&there)?.len() == 12);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_says_what_it_does_not_understand() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    for (arguments, answer) in [
        (
            ["documents", "--to", "S3_BUCKET=x"],
            "documents are moved by settings of mongodb.",
        ),
        (
            ["documents", "--to", "nonsense=x"],
            "documents are moved by settings of mongodb.",
        ),
        (["documents", "--to", "nonsense"], "must be NAME=VALUE"),
        (
            ["documents", "--to", "mongodb.url=http://x"],
            "mongodb.url: must start with",
        ),
        (
            ["vectors", "--to", "QDRANT_API_KEY=k"],
            "by the configuration in force already",
        ),
        (
            ["search", "--to", "OPENSEARCH_URL=http://127.0.0.1:9"],
            "the search server is away",
        ),
    ] {
        let (done, told) = world.run(&[&["engines", "move"], &arguments[..]].concat())?;
        ensure!(!done && told.contains(answer), "{arguments:?}: {told}");
    }
    Ok(())
}

/// To a server and back; nothing of what is said or written meanwhile is lost.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts servers"]
async fn documents_move_to_a_server_and_back() -> Result<()> {
    let server = TestServer::start(ServerKind::FerretDb).await?;
    let mut world = World::start_on(&[], executable(), Layout::Together, &[]).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    instructor.publish(course).await?;
    let to = format!("MONGODB_URL={}", server.variable("MONGODB_URL"));
    let there = ["engines", "move", "documents", "--to", &to];
    world.spawn(
        "move",
        &there,
        &[("SMARTCOURSE_KILL_AT", "engines.move.after_copy#2")],
    )?;
    ended(&world, "move").await?;
    let (done, told) = world.run(&there)?;
    ensure!(done && told.contains("Roles run"), "{told}");
    let ask = async || -> Result<Value> {
        let question = serde_json::json!({ "question": "What is a saga a sequence of?" });
        instructor
            .post(&format!("/courses/{course}/ask"), &question)
            .await?
            .expect(200)
    };
    let conversation = ask().await?["conversation_id"]
        .as_str()
        .context("an id")?
        .to_owned();
    stop(&world).await?;
    let (done, told) = world.run(&there)?;
    ensure!(done && told.contains("No role runs"), "{told}");

    let settings = [("MONGODB_URL", server.variable("MONGODB_URL"))];
    start_with(&mut world, &settings).await?;
    let path = format!("/conversations/{conversation}");
    instructor.get(&path).await?.expect(200)?;
    ask().await?;
    noted(&world, "MongoDB").await?;
    let (done, told) = world.run(&there)?;
    ensure!(!done && told.contains("would overwrite what is in use"), "{told}");

    // Back again, over what was left behind; a conversation was deleted meanwhile.
    instructor.delete(&path).await?;
    stop(&world).await?;
    let back = ["engines", "move", "documents", "--to", "MONGODB_URL="];
    let (done, told) = world.run_with(&back, &settings)?;
    ensure!(done && told.contains("No role runs"), "{told}");
    start_with(&mut world, &[]).await?;
    instructor.get(&path).await?.expect(404)?;
    let kept = instructor.get("/conversations").await?.expect(200)?;
    ensure!(kept["items"].as_array().map(Vec::len) == Some(1), "{kept}");
    let left: i64 = sqlx::query_scalar(
        "select count(*) from platform.documents where collection = 'assistant.conversations'",
    )
    .fetch_one(&world.pool)
    .await?;
    ensure!(left == 1, "{left}");
    ask().await.map(drop)
}

/// The log goes to Kafka and back, and the numbers counted from it are the same; search goes to OpenSearch.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts servers"]
async fn events_and_search_move_to_servers() -> Result<()> {
    let kafka = TestServer::start(ServerKind::Kafka).await?;
    let opensearch = TestServer::start(ServerKind::OpenSearch).await?;
    let mut world = World::start_on(&[], executable(), Layout::Together, &[]).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    instructor.publish(course).await?;
    let url = opensearch.variable("OPENSEARCH_URL");
    let to = format!("OPENSEARCH_URL={url}");
    let (done, told) = world.run(&["engines", "move", "search", "--to", &to])?;
    ensure!(done && told.contains("the same on both sides"), "{told}");
    let brokers = kafka.variable("KAFKA_BROKERS");
    let to = format!("KAFKA_BROKERS={brokers}");
    // It has sent something and does not know.
    world.spawn(
        "move",
        &["engines", "move", "events", "--to", &to],
        &[("SMARTCOURSE_KILL_AT", "relay.send.before_commit")],
    )?;
    ended(&world, "move").await?;
    for _ in 0..2 {
        let (done, told) = world.run(&["engines", "move", "events", "--to", &to])?;
        ensure!(
            done && told.contains("Roles run") && told.contains("the same on both sides"),
            "{told}"
        );
    }
    stop(&world).await?;
    let settings = [("KAFKA_BROKERS", brokers), ("OPENSEARCH_URL", url)];
    start_with(&mut world, &settings).await?;
    let hits = instructor.get("/search?q=compensation").await?.expect(200)?;
    ensure!(hits["items"].as_array().map(Vec::len) == Some(1), "{hits}");
    world.sign_up("student").await?;
    crate::analytics::counted(&world).await?;
    stop(&world).await?;
    let run = |args: &[&str]| world.run_with(args, &settings);
    let (done, told) = run(&["engines", "reindex", "search"])?;
    ensure!(
        done && told.contains("search entries: 1 versions written"),
        "{told}"
    );
    // As if it had been pruned behind Kafka.
    sqlx::query("delete from platform.events")
        .execute(&world.pool)
        .await?;
    let (right, told) = run(&["analytics", "rebuild"])?;
    ensure!(right && told.contains("to the digit"), "{told}");
    let (done, told) = run(&["engines", "move", "events", "--to", "KAFKA_BROKERS="])?;
    ensure!(done && told.contains("No role runs"), "{told}");
    let (right, told) = world.run(&["analytics", "rebuild"])?;
    ensure!(
        right && told.contains("to the digit") && !told.contains("counted 0"),
        "{told}"
    );
    Ok(())
}
