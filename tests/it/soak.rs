//! A soak: people teach and learn, some of them hanging up early, while roles and servers are killed, frozen and cut off at
//! random, or each of the servers that were named is killed in turn. Then the ledger of what was acknowledged has to agree with every
//! store.
//!
//! `SMARTCOURSE_SOAK_MINUTES=30 SMARTCOURSE_SOAK_TABLE=docs/SOAK.md cargo test -p smartcourse-cli --test it soak -- --nocapture`
//! is the long form. Where the rights are there, it runs in a network namespace of its own, whose packets get lost in spells.

mod harm;
mod people;
mod stores;

use std::{
    cell::Cell,
    collections::BTreeMap,
    fmt::Write as _,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use smartcourse_tests::{Cutter, Layout, ServerKind, TestServer, World, install};

use crate::executable;
use harm::{Harm, ROLES};
use people::{Ledger, Person};

/// Set in the process that has a network of its own.
const APART: &str = "SMARTCOURSE_SOAK_APART";
/// Makes the loopback of a new network namespace one whose packets are as large as those of a wire.
const LOOPBACK: &str = "ip link set lo up mtu 1500";

/// People at work at once.
const TEACHERS: usize = 3;
const STUDENTS: usize = 6;
/// Students there are, one for each time somebody begins to learn.
const ENROLLING_PER_MINUTE: u64 = 120;

/// What was done, and how often.
type Done = BTreeMap<String, u32>;

/// How long the people work.
fn duration() -> Duration {
    let minutes = std::env::var("SMARTCOURSE_SOAK_MINUTES");
    let minutes = minutes.ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    Duration::from_secs(60 * minutes)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_agrees_with_every_store_whatever_befell_the_roles() -> Result<()> {
    install().await?;
    let apart = std::env::var_os(APART).is_some();
    if !apart && can_be_apart() {
        return run_apart();
    }
    let mut world = World::start_with(executable(), Layout::Apart, &[crate::LONG_TOKENS]).await?;
    let minutes = duration().as_secs() / 60;
    let people = People::gather(&world, minutes).await?;
    let harming = async {
        let began = Instant::now();
        let mut harm = Harm::new(&mut world, apart).await?;
        while began.elapsed() < duration() {
            harm.one().await?;
        }
        harm.mend().await
    };
    let done = people.work_during(harming).await;
    let agreed = people.agree(&world, done).await?;

    let place = match apart {
        true => "in a network namespace of its own",
        false => "without the rights to a network namespace",
    };
    let mut table = format!(
        "# Soak\n\n{TEACHERS} teachers and {STUDENTS} students were at work for {minutes} minutes, {place}. Then every store agreed \
         with what they had been told. Written by\n\n```\nSMARTCOURSE_SOAK_MINUTES={minutes} SMARTCOURSE_SOAK_TABLE=docs/SOAK.md \\\n    \
         cargo test -p smartcourse-cli --test it soak -- --nocapture\n```\n\n| what | how often |\n|---|---:|\n"
    );
    for (what, times) in agreed {
        writeln!(table, "| {what} | {times} |")?;
    }
    keep(&table, "SMARTCOURSE_SOAK_TABLE")
}

/// How long each server is away in the long form, and otherwise.
const AWAY: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(5)];
/// How long they are all there before the next goes.
const BETWEEN: Duration = Duration::from_secs(8);

/// `SMARTCOURSE_SERVERS_TABLE=docs/KILLED-SERVERS.md cargo test -p smartcourse-cli --test it soak -- --ignored --nocapture` is the long
/// form, in which each is away for 30 s.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts servers"]
async fn what_was_acknowledged_agrees_with_every_store_though_each_server_was_killed() -> Result<()> {
    install().await?;
    let long = std::env::var_os("SMARTCOURSE_SERVERS_TABLE").is_some();
    let away = AWAY[usize::from(!long)];
    let mut servers = try_join_all(ServerKind::ALL.map(TestServer::start)).await?;
    let world = World::start_on(&servers, executable(), Layout::Apart, &[crate::LONG_TOKENS]).await?;
    let minutes = (away + BETWEEN).as_secs() * servers.len() as u64 / 60 + 2;
    let people = People::gather(&world, minutes).await?;
    let harming = async {
        let mut done = BTreeMap::new();
        tokio::time::sleep(BETWEEN).await;
        for server in &mut servers {
            server.kill().await?;
            tokio::time::sleep(away).await;
            server.start_again().await?;
            tokio::time::sleep(BETWEEN).await;
            done.insert(
                format!("{} killed, away for {} s", server.name(), away.as_secs()),
                1,
            );
        }
        Ok(done)
    };
    let done = people.work_during(harming).await;
    let agreed = people.agree(&world, done).await?;
    let mut table = format!(
        "# Killed servers\n\nEverything ran on real servers. {TEACHERS} teachers and {STUDENTS} students were at work while each of them was killed \
         and started again. Then every store agreed with what they had been told. Written by\n\n```\nSMARTCOURSE_SERVERS_TABLE=\
         docs/KILLED-SERVERS.md cargo test -p smartcourse-cli --test it soak -- --ignored --nocapture\n```\n\n| what | how often |\n|---|---:|\n"
    );
    for (what, times) in agreed {
        writeln!(table, "| {what} | {times} |")?;
    }
    keep(&table, "SMARTCOURSE_SERVERS_TABLE")
}

/// Shows a table, and writes it where the variable says.
fn keep(table: &str, variable: &str) -> Result<()> {
    eprintln!("{table}");
    if let Ok(path) = std::env::var(variable) {
        std::fs::write(crate::root().join(path), table)?;
    }
    Ok(())
}

/// Who is at work, and what they were told.
struct People {
    teachers: Vec<Person>,
    cutter: Cutter,
    ledger: Ledger,
}

impl People {
    /// Enough of them for so many minutes.
    async fn gather(world: &World, minutes: u64) -> Result<Self> {
        let cutter = Cutter::start(&world.base).await?;
        let mut teachers = Vec::new();
        for _ in 0..TEACHERS {
            teachers.push(Person::new(world.sign_up("instructor").await?, &cutter)?);
        }
        let students = world
            .students(i32::try_from(ENROLLING_PER_MINUTE * minutes)?)
            .await?;
        Ok(Self {
            teachers,
            cutter,
            ledger: Ledger::of(students),
        })
    }

    /// They teach and learn until all harm is done; answers what that was.
    async fn work_during(&self, harming: impl Future<Output = Result<Done>>) -> Result<Done> {
        let Self {
            teachers,
            cutter,
            ledger,
        } = self;
        let enough = &Cell::new(false);
        let teaching = teachers.iter().map(async |teacher| {
            while !enough.get() {
                teacher.teach(ledger).await?;
            }
            anyhow::Ok(())
        });
        let learning = (0..STUDENTS).map(async |_| {
            while let Some(student) = ledger.next_student().filter(|_| !enough.get()) {
                Person::new(student, cutter)?.learn(ledger).await?;
            }
            anyhow::Ok(())
        });
        let harming = async {
            let done = harming.await?;
            enough.set(true);
            Ok(done)
        };
        let (.., done) = tokio::try_join!(try_join_all(teaching), try_join_all(learning), harming)?;
        Ok(done)
    }

    /// Compares what they were told with every store; answers what agreed, after what was done. Shows the logs when it does not.
    async fn agree(&self, world: &World, done: Result<Done>) -> Result<Vec<(String, u32)>> {
        let agreed = match done {
            Ok(done) => stores::agree(world, &self.ledger)
                .await
                .map(|agreed| done.into_iter().chain(agreed).collect()),
            Err(error) => Err(error),
        };
        agreed.inspect_err(|_| {
            for role in ROLES {
                eprintln!("--- {role}\n{}", world.log(role));
            }
        })
    }
}

/// Whether this user may have a network of its own and lose packets in it.
fn can_be_apart() -> bool {
    let tried = format!("{LOOPBACK} && {} && {}", harm::LOSSY, harm::SOUND);
    let tried = Command::new("unshare")
        .args(["--net", "sh", "-c", &tried])
        .output();
    tried.is_ok_and(|output| output.status.success())
}

/// Runs this very test in a network namespace.
fn run_apart() -> Result<()> {
    let test = std::thread::current();
    let name = test.name().context("a test has a name")?;
    let status = Command::new("unshare")
        .args(["--net", "sh", "-c"])
        .arg(format!("{LOOPBACK} && exec \"$0\" \"$@\""))
        .arg(std::env::current_exe()?)
        .args([name, "--exact", "--nocapture"])
        .env(APART, "1")
        .status()?;
    ensure!(status.success(), "the soak failed: see above");
    Ok(())
}
