//! One, two and four processes of each role, each held to a share of a core, and what an operation costs.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use smartcourse_tests::{
    Layout, Session, World,
    measure::{Outcome, machine::Since, proc::Clocks, table::Table},
    process_name, wait_longer,
};

use crate::{
    load::{self, NO_RATES, Target},
    note, published,
    quota::Quota,
    text::Dice,
};

/// Processes of each role.
const PROCESSES: [usize; 3] = [1, 2, 4];
/// What each may have of a core, so that four of a role and the servers fit two cores.
const SHARE: f64 = 0.2;
/// Connections of each service to PostgreSQL: four processes of each role are to get along with the 400 of the tests'.
const POOLS: (&str, &str) = ("POSTGRES__POOL_SIZE", "3");
/// How long requests are sent, and over how many connections to each gateway.
const LOAD: Duration = Duration::from_secs(10);
const CONNECTIONS: usize = 8;
/// Requests at most: more than anybody answers in that time.
const MANY: usize = 100_000;
/// Seats, whose commands, workflows and mails wait for relay, worker and task worker.
const SEATS: usize = 600;
/// Courses that are published at once, of ten lessons.
const COURSES: usize = 12;
const LESSONS: usize = 10;
/// How long a backlog may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// Programs whose processor time is told.
const BUSY: [(&str, &str); 6] = [
    ("serve", "services"),
    ("relay", "relay"),
    ("worker", "worker"),
    ("tasks", "tasks"),
    ("postgres", "PostgreSQL"),
    ("temporal", "Temporal"),
];

/// Some operations of one kind.
struct Run {
    what: &'static str,
    per_second: f64,
    /// Processor milliseconds of an operation, by program.
    cost: [f64; BUSY.len()],
}

/// Measures all of them.
///
/// # Errors
/// When something fails, or processes cannot be held to a share of a core.
pub(crate) async fn measure(executable: &Path) -> Result<String> {
    let since = Since::now();
    let mut runs = Vec::new();
    for processes in PROCESSES {
        note(&format!("{processes} of each role"));
        runs.push(Fleet::start(executable, processes).await?.measure().await?);
    }
    let others = since.spent().others;
    let mut columns = vec!["", "processes of each role", "per second", "÷ one"];
    let costs = BUSY.map(|(_, name)| format!("{name}, ms"));
    columns.extend(costs.iter().map(String::as_str));
    let mut table = Table::new(&columns);
    for (kind, alone) in runs[0].iter().enumerate() {
        for (processes, runs) in PROCESSES.iter().zip(&runs) {
            let run = &runs[kind];
            let mut cells = vec![
                run.what.to_owned(),
                processes.to_string(),
                format!("{:.1}", run.per_second),
                format!("{:.2}", run.per_second / alone.per_second),
            ];
            cells.extend(run.cost.iter().map(|ms| format!("{ms:.1}")));
            table.row(cells);
        }
    }
    Ok(format!(
        "## Scaling out\n\nEach process of SmartCourse is held to {SHARE} of a core; PostgreSQL and Temporal have what the others leave. \
         Milliseconds are of processor time for one operation, of all processes of a program together. Other programs used {others:.2} \
         cores.\n\n{}",
        table.finish()
    ))
}

/// So many processes of each role.
struct Fleet {
    world: World,
    gateways: Vec<String>,
    quotas: BTreeMap<&'static str, Quota>,
    instructor: Session,
    course: i64,
}

impl Fleet {
    async fn start(executable: &Path, processes: usize) -> Result<Self> {
        let settings = [NO_RATES.as_slice(), &[POOLS]].concat();
        let mut world = World::start_with(executable, Layout::Together, &settings).await?;
        let instructor = world.sign_up("instructor").await?;
        let course = published::course(&instructor, &Dice::new(7).lessons(LESSONS, 1)).await?;
        published::publish(&instructor, &world.pool, course).await?;
        let mut fleet = Self {
            gateways: world.scale(processes).await?,
            world,
            quotas: BTreeMap::new(),
            instructor,
            course,
        };
        for role in ["serve", "relay", "worker", "tasks"] {
            fleet.hold(role)?;
        }
        Ok(fleet)
    }

    fn names(&self, role: &'static str) -> impl Iterator<Item = &'static str> + use<> {
        (1..=self.gateways.len()).map(move |number| process_name(role, number))
    }

    fn hold(&mut self, role: &'static str) -> Result<()> {
        for name in self.names(role) {
            let quota = Quota::hold(self.world.pid(name)?, SHARE)?;
            self.quotas.insert(name, quota);
        }
        Ok(())
    }

    async fn stop(&self, role: &'static str) -> Result<()> {
        for name in self.names(role) {
            self.world.stop(name).await?;
        }
        Ok(())
    }

    fn start_again(&mut self, role: &'static str) -> Result<()> {
        for name in self.names(role) {
            self.world.start_again(name)?;
        }
        self.hold(role)
    }

    /// Each kind of operation after the other.
    async fn measure(mut self) -> Result<Vec<Run>> {
        let path = format!("/courses/{}", self.course);
        let token = self.instructor.token.clone();
        let read = |gateway: &str| vec![load::request(gateway, "GET", &path, Some(&token))];
        let ask = |gateway: &str| {
            let question = r#"{"question": "What is the first lesson about?"}"#;
            let path = format!("{path}/ask");
            vec![load::request_with(gateway, "POST", &path, Some(&token), question)]
        };
        let mut runs = vec![
            self.requests("course read", MANY, read).await?,
            self.requests("question answered from the course", MANY, ask)
                .await?,
            self.publishes().await?,
        ];
        for role in ["relay", "worker", "tasks"] {
            self.stop(role).await?;
        }
        let students = self.world.students(i32::try_from(SEATS)?).await?;
        let (each, enroll) = (SEATS / self.gateways.len(), format!("{path}/enroll"));
        let mut shares = students.chunks(each);
        runs.push(
            self.requests("seat taken", each, |gateway| {
                let share = shares.next().unwrap_or_default().iter();
                share
                    .map(|student| load::request(gateway, "POST", &enroll, Some(&student.token)))
                    .collect()
            })
            .await?,
        );
        for (what, role, left) in [
            (
                "workflow started",
                "relay",
                "select count(*) from platform.outbox_commands where done_at is null",
            ),
            (
                "enrollment workflow run",
                "worker",
                "select count(*) from enrollment.enrollments where onboarding <> 'completed'",
            ),
            (
                "background task run",
                "tasks",
                "select count(*) from platform.tasks where state <> 'done'",
            ),
        ] {
            runs.push(self.backlog(what, role, left).await?);
        }
        Ok(runs)
    }

    /// Requests at each gateway, made for it: so many at most.
    async fn requests(
        &self,
        what: &'static str,
        each: usize,
        mut made: impl FnMut(&str) -> Vec<Vec<u8>>,
    ) -> Result<Run> {
        let targets: Vec<Target> = self
            .gateways
            .iter()
            .map(|gateway| {
                let address = gateway.trim_start_matches("http://");
                Target::of(address, made(address))
            })
            .collect();
        let timed = Timed::start();
        let loads = targets
            .iter()
            .map(|target| load::run(target, CONNECTIONS, each, LOAD));
        let outcomes = try_join_all(loads).await?;
        let count = outcomes.iter().map(Outcome::count).sum();
        Ok(timed.run(what, count))
    }

    async fn publishes(&self) -> Result<Run> {
        let mut courses = Vec::new();
        for seed in 0..COURSES {
            let lessons = Dice::new(100 + seed as u64).lessons(LESSONS, 1);
            courses.push(published::course(&self.instructor, &lessons).await?);
        }
        let timed = Timed::start();
        let publishes = courses
            .iter()
            .map(|course| published::publish(&self.instructor, &self.world.pool, *course));
        try_join_all(publishes).await?;
        Ok(timed.run("course of ten lessons published", COURSES))
    }

    /// What waits for a role, from when its processes live until nothing is left.
    async fn backlog(&mut self, what: &'static str, role: &'static str, left: &'static str) -> Result<Run> {
        self.start_again(role)?;
        let left = async || {
            anyhow::Ok(
                sqlx::query_scalar::<_, i64>(left)
                    .fetch_one(&self.world.pool)
                    .await?,
            )
        };
        for name in self.names(role) {
            wait_longer(PATIENCE, name, async || {
                Ok(match self.world.ask_role(name, "/livez").await {
                    Ok((200, _)) => Ok(()),
                    other => Err(format!("{other:?}")),
                })
            })
            .await?;
        }
        let (count, timed) = (left().await?, Timed::start());
        ensure!(count > 0, "nothing waited for {role} any more when it lived");
        wait_longer(PATIENCE, what, async || {
            let left = left().await?;
            Ok(if left == 0 { Ok(()) } else { Err(left.to_string()) })
        })
        .await?;
        Ok(timed.run(what, usize::try_from(count)?))
    }
}

/// A run under way.
struct Timed {
    start: Instant,
    clocks: Clocks<{ BUSY.len() }>,
}

impl Timed {
    fn start() -> Self {
        Self {
            clocks: Clocks::start(BUSY.map(|(program, _)| Some(program))),
            start: Instant::now(),
        }
    }

    /// It has done so many operations.
    fn run(&self, what: &'static str, count: usize) -> Run {
        let wall = self.start.elapsed();
        let each = |spent: Duration| spent.as_secs_f64() * 1000.0 / count as f64;
        Run {
            what,
            per_second: count as f64 / wall.as_secs_f64(),
            cost: self.clocks.spent().map(each),
        }
    }
}
