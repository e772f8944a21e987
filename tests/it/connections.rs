//! Connections to PostgreSQL: how many each process may take, and a pooler in between.

use std::{collections::BTreeMap, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use reqwest::Url;
use serde_json::json;
use smartcourse_launcher::{Plan, Process, Signal, Tie, free_port};
use smartcourse_tests::{Layout, World, wait_for};

use crate::{LESSONS, ROLES, executable, root};

/// Connections the pooler has at PostgreSQL.
const POOLED: i64 = 10;
/// How the pooler is stopped, and how long that may take.
const STOP: &[(Signal, Duration)] = &[(Signal::TERM, Duration::from_secs(5))];

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_take_as_many_as_the_documentation_says() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let text = std::fs::read_to_string(root().join("docs/OPERATIONS.md"))?;
    for role in ROLES {
        let (_, page) = world.ask_role(role, "/metrics").await?;
        let pools = page
            .lines()
            .filter_map(|line| line.strip_prefix("smartcourse_db_connections_max{"));
        let sizes = pools.map(|line| line.rsplit(' ').next().unwrap_or_default().parse::<f64>());
        let all: f64 = sizes.sum::<Result<_, _>>()?;
        let row = format!("| `{role}` | {all} |");
        ensure!(text.contains(&row), "no line of OPERATIONS begins with {row}");
    }
    Ok(())
}

/// PgBouncer in transaction mode before a database; the URL that leads through it.
fn pooler(database: &str, home: &Path) -> Result<(Process, String)> {
    let program = "pgbouncer";
    let told = Command::new(program).arg("--version").output();
    let told = told.context("apt-get install pgbouncer, or put 1.21 or newer on the PATH")?;
    let told = String::from_utf8(told.stdout)?;
    let version = told.split_whitespace().nth(1).unwrap_or_default();
    let minor = version
        .split('.')
        .nth(1)
        .and_then(|minor| minor.parse::<u32>().ok());
    ensure!(
        minor.is_some_and(|minor| minor >= 21),
        "PgBouncer {version} keeps no prepared statements in transaction mode: put 1.21 or newer on the PATH"
    );
    let mut url = Url::parse(database)?;
    let port = free_port()?;
    let settings = format!(
        "[databases]\n* = host={} port={} user={} password={}\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
         pool_mode = transaction\ndefault_pool_size = {POOLED}\nmax_prepared_statements = 500\n\
         ignore_startup_parameters = extra_float_digits\n",
        url.host_str().context("a host")?,
        url.port().context("a port")?,
        url.username(),
        url.password().unwrap_or_default(),
    );
    let file = home.join("pgbouncer.ini");
    std::fs::write(&file, settings)?;
    let mut command = Command::new(program);
    command.arg(file);
    if rustix::process::geteuid().is_root() {
        command.args(["-u", "nobody"]);
    }
    let plan = Plan {
        name: program,
        log: home.join("pgbouncer.log"),
        tie: Tie::Stdin,
        stop: STOP,
        drop: Duration::ZERO,
        restart: None,
    };
    let process = Process::start(command, plan)?;
    url.set_port(Some(port)).ok().context("a port")?;
    Ok((process, url.into()))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PgBouncer 1.21 or newer"]
async fn a_pooler_carries_all_but_the_sessions_that_must_be_ones_own() -> Result<()> {
    let mut world = World::start(executable(), Layout::Together).await?;
    let settings: BTreeMap<String, String> = world.settings().into_iter().collect();
    let direct = &settings["DATABASE_URL"];
    let home = tempfile::tempdir()?;
    let (_pooler, pooled) = pooler(direct, home.path())?;
    for role in ["serve", "relay", "tasks"] {
        let through = [("DATABASE_URL", pooled.as_str()), ("DATABASE_DIRECT_URL", direct)];
        world.restart(role, &through).await?;
    }
    world.ready().await?;

    let (teacher, student) = (
        world.sign_up("instructor").await?,
        world.sign_up("student").await?,
    );
    // More at once than the pooler has connections.
    let courses = (0..4 * POOLED).map(|_| teacher.course(&LESSONS));
    let courses = try_join_all(courses).await?;
    ensure!(teacher.publish(courses[0]).await?["state"] == "completed");
    let enroll = format!("/courses/{}/enroll", courses[0]);
    student.post(&enroll, &json!({})).await?.expect(201)?;
    wait_for("a notification of the enrollment", async || {
        let feed = student.get("/notifications").await?.expect(200)?;
        Ok(
            if feed["items"].as_array().is_some_and(|items| !items.is_empty()) {
                Ok(())
            } else {
                Err(feed.to_string())
            },
        )
    })
    .await?;

    let taken: i64 = sqlx::query_scalar(
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
    )
    .fetch_one(&world.pool)
    .await?;
    // Its own, those of the listeners and of whoever looks at sessions, and the relay's.
    ensure!(taken <= POOLED + 20, "{taken} connections");
    Ok(())
}
