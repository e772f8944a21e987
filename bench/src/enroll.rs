//! Taking seats over HTTP against a bare insert with the same lock, and the workflows that follow against bare ones.

use smartcourse_platform::postgres;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use smartcourse_tests::{
    Layout, Session, World,
    measure::{
        Outcome,
        machine::Since,
        proc::{self, Clocks},
        table::{Table, millis, quantile, verdict},
    },
    wait_longer,
};
use sqlx::{PgPool, postgres::PgPoolOptions};
use temporalio_client::{Client, WorkflowGetResultOptions, WorkflowStartOptions};

use crate::{
    load::{self, Target},
    note, published,
    text::Dice,
    workflow::{self, Bare, QUEUE, Shape},
};

/// Clients, and seats taken at most.
const LEVELS: [(usize, usize); 3] = [(1, 1_000), (16, 2_000), (64, 3_000)];
/// Rounds at each level; what counts is the median of their ratios.
const ROUNDS: usize = 3;
/// No new requests after this.
const LIMIT: Duration = Duration::from_secs(20);
/// Connections of the bare insert: as many as a service's pool has.
const POOL: u32 = 8;
/// Enrollments whose workflows are timed.
const WORKFLOWS: usize = 200;
/// Activities of an enrollment's workflow, local ones included.
const ACTIVITIES: usize = 5;
/// How long they may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long a process is watched to see whether it rests.
const WINDOW: Duration = Duration::from_secs(3);

/// Programs whose processor time is told, and this command with its worker.
const BUSY: [Option<&'static str>; 6] = [
    Some("temporal"),
    Some("postgres"),
    Some("serve"),
    Some("worker"),
    Some("relay"),
    None,
];

/// Measures both.
///
/// # Errors
/// When something fails.
pub(crate) async fn measure(executable: &Path) -> Result<String> {
    let plenty = "1000000";
    let settings = [
        ("GATEWAY__USER_RATE_PER_SECOND", plenty),
        ("GATEWAY__USER_BURST", plenty),
        // The numbers are measured by another command.
        ("ENROLLMENT__ANALYTICS_WAIT_MS", "3000"),
    ];
    let mut world = World::start_with(executable, Layout::Together, &settings).await?;
    let session = world.sign_up("instructor").await?;
    let course = published::course(&session, &Dice::new(7).lessons(2, 1)).await?;
    published::publish(&session, &world.pool, course).await?;
    let workflows = onboarding(&world, course).await?;
    let seats = seats(&mut world, &session).await?;
    Ok(format!("{seats}\n{workflows}"))
}

/// Seats alone: the relay and the worker rest, so that what follows a seat does not run meanwhile.
async fn seats(world: &mut World, session: &Session) -> Result<String> {
    let course = published::course(session, &Dice::new(8).lessons(2, 1)).await?;
    published::publish(session, &world.pool, course).await?;
    for role in ["relay", "worker", "tasks"] {
        world.kill(role);
    }
    temporal_rests().await?;
    let gateway = world
        .base
        .strip_prefix("http://")
        .unwrap_or(&world.base)
        .to_owned();
    let bare = BareInsert::new(&world.pool).await?;
    let mut table = Table::new(&[
        "", "clients", "seats", "p50 ms", "p95 ms", "p99 ms", "seats/s", "÷ bare",
    ]);
    let mut worst = f64::INFINITY;
    let since = Since::now();
    for (clients, count) in LEVELS {
        note(&format!("seats, {clients} clients"));
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let tokens: Vec<String> = world
                .students(i32::try_from(count)?)
                .await?
                .into_iter()
                .map(|student| student.token)
                .collect();
            let inserted = bare.run(clients, count).await?;
            let target = Target::post_by_each(&gateway, &format!("/courses/{course}/enroll"), &tokens);
            let enrolled = load::run(&target, clients, count, LIMIT).await?;
            rounds.push((enrolled.per_second() / inserted.per_second(), inserted, enrolled));
        }
        rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (ratio, inserted, enrolled) = &rounds[ROUNDS / 2];
        worst = worst.min(*ratio);
        for (name, outcome, ratio) in [
            ("bare insert with the same lock", inserted, 1.0),
            ("`POST /courses/{id}/enroll`, 201", enrolled, *ratio),
        ] {
            let mut cells = vec![name.to_owned(), clients.to_string(), outcome.count().to_string()];
            cells.extend([0.5, 0.95, 0.99].map(|share| millis(outcome.quantile(share))));
            cells.push(format!("{:.0}", outcome.per_second()));
            cells.push(format!("{ratio:.2}"));
            table.row(cells);
        }
    }
    let others = since.spent().others;
    Ok(format!(
        "## Seats\n\nEach request takes a seat in one and the same course, so all of them wait for one row; every seat is on disk \
         before its answer. Relay, worker, tasks and Temporal rest meanwhile. Each level has {ROUNDS} rounds of both in turns; shown is \
         the one with the median ratio. Other programs used {others:.2} cores.\n\n{}\n{}",
        table.finish(),
        verdict("Enroll ÷ bare insert, at its worst", worst, 0.5, false)
    ))
}

/// Temporal still writes for some ten seconds after the last workflow has ended.
async fn temporal_rests() -> Result<()> {
    wait_longer(PATIENCE, "Temporal to rest", async || {
        let before = proc::time_of("temporal");
        tokio::time::sleep(WINDOW).await;
        let busy = proc::time_of("temporal").saturating_sub(before);
        Ok(if busy <= WINDOW / 50 {
            Ok(())
        } else {
            Err(format!("{busy:?} of {WINDOW:?}"))
        })
    })
    .await
}

/// The least an enrollment has to do, through sqlx: lock the seats, insert, count.
struct BareInsert {
    pool: PgPool,
    next: Arc<AtomicI64>,
}

impl BareInsert {
    async fn new(pool: &PgPool) -> Result<Self> {
        for statement in [
            "create schema bench",
            "create table bench.seats (course_id bigint primary key, taken int not null)",
            "create table bench.enrollments (id bigint generated always as identity primary key, course_id bigint not null,
                 user_id bigint not null, unique (course_id, user_id))",
            "insert into bench.seats values (1, 0)",
        ] {
            sqlx::query(statement).execute(pool).await?;
        }
        let options = pool.connect_options();
        Ok(Self {
            pool: PgPoolOptions::new()
                .max_connections(POOL)
                .test_before_acquire(false)
                .connect_with(options.as_ref().clone())
                .await?,
            next: Arc::default(),
        })
    }

    async fn run(&self, clients: usize, count: usize) -> Result<Outcome> {
        let left = Arc::new(AtomicI64::new(i64::try_from(count)?));
        let start = Instant::now();
        let tasks = (0..clients).map(|_| {
            let (pool, next, left) = (self.pool.clone(), Arc::clone(&self.next), Arc::clone(&left));
            tokio::spawn(async move {
                let mut times = Vec::new();
                while left.fetch_sub(1, Ordering::Relaxed) > 0 {
                    let begun = Instant::now();
                    insert(&pool, next.fetch_add(1, Ordering::Relaxed)).await?;
                    times.push(begun.elapsed());
                }
                Ok::<_, anyhow::Error>(times)
            })
        });
        let mut times = Vec::with_capacity(count);
        for task in try_join_all(tasks).await? {
            times.extend(task?);
        }
        Ok(Outcome::of(times, start.elapsed()))
    }
}

async fn insert(pool: &PgPool, user: i64) -> Result<()> {
    let mut tx = postgres::begin(pool).await?;
    sqlx::query("select taken from bench.seats where course_id = 1 for update")
        .execute(&mut *tx)
        .await?;
    sqlx::query("insert into bench.enrollments (course_id, user_id) values (1, $1)")
        .bind(user)
        .execute(&mut *tx)
        .await?;
    sqlx::query("update bench.seats set taken = taken + 1 where course_id = 1")
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// What one kind of workflows cost.
struct Onboarded {
    per_second: f64,
    p50: Duration,
    p95: Duration,
    /// Cores, by program.
    shares: [f64; BUSY.len()],
}

/// All at once: so many seats, then as many bare workflows on the same server.
async fn onboarding(world: &World, course: i64) -> Result<String> {
    let client = workflow::client(&world.temporal_address()).await?;
    let worker = workflow::Running::start(client.clone())?;
    let since = Since::now();
    note("bare workflows");
    bare_workflows(&client, "warm-up", 20).await?;
    let bare = bare_workflows(&client, "bare", WORKFLOWS).await?;
    note("enrollments with their workflows");
    enrollments(world, course, 20).await?;
    let ours = enrollments(world, course, WORKFLOWS).await?;
    let others = since.spent().others;
    worker.stop().await?;
    let mut columns = vec!["", "workflows/s", "p50 ms", "p95 ms"];
    columns.extend(BUSY.map(|name| match name {
        Some("temporal") => "Temporal, cores",
        Some("postgres") => "PostgreSQL, cores",
        Some("serve") => "services, cores",
        Some("worker") => "worker, cores",
        Some(_) => "relay, cores",
        None => "this command, cores",
    }));
    let mut table = Table::new(&columns);
    for (name, run) in [
        (format!("bare workflows of {ACTIVITIES} activities"), &bare),
        (
            "enrollments, from the seat to its end: 5 local activities".to_owned(),
            &ours,
        ),
    ] {
        let mut cells = vec![
            name,
            format!("{:.1}", run.per_second),
            millis(run.p50),
            millis(run.p95),
        ];
        cells.extend(run.shares.iter().map(|share| format!("{share:.2}")));
        table.row(cells);
    }
    Ok(format!(
        "## Enrollment workflows\n\n{WORKFLOWS} at once on the same server, one kind after the other. Other programs used \
         {others:.2} cores meanwhile.\n\n{}\n{}",
        table.finish(),
        verdict(
            "Enrollment workflows ÷ bare workflows, per second",
            ours.per_second / bare.per_second,
            1.0,
            false
        )
    ))
}

fn onboarded(mut times: Vec<Duration>, wall: Duration, clocks: &Clocks<{ BUSY.len() }>) -> Onboarded {
    times.sort_unstable();
    let shares = clocks.spent();
    let shares = shares.map(|spent| spent.as_secs_f64() / wall.as_secs_f64());
    Onboarded {
        per_second: times.len() as f64 / wall.as_secs_f64(),
        p50: quantile(&times, 0.5),
        p95: quantile(&times, 0.95),
        shares,
    }
}

async fn bare_workflows(client: &Client, name: &str, count: usize) -> Result<Onboarded> {
    let shape = Shape {
        activities: ACTIVITIES,
        lanes: 1,
        beats: false,
    };
    let clocks = Clocks::start(BUSY);
    let start = Instant::now();
    let runs = (0..count).map(|number| async move {
        let options = WorkflowStartOptions::new(QUEUE, format!("enroll-{name}-{number}")).build();
        let handle = client.start_workflow(Bare::run, shape, options).await?;
        handle.get_result(WorkflowGetResultOptions::default()).await?;
        Ok::<_, anyhow::Error>(start.elapsed())
    });
    let times = try_join_all(runs).await?;
    Ok(onboarded(times, start.elapsed(), &clocks))
}

async fn enrollments(world: &World, course: i64, count: usize) -> Result<Onboarded> {
    let students = world.students(i32::try_from(count)?).await?;
    let clocks = Clocks::start(BUSY);
    let start = Instant::now();
    let path = format!("/courses/{course}/enroll");
    let path = path.as_str();
    try_join_all(students.iter().map(|student| async move {
        student
            .post(path, &serde_json::Value::Null)
            .await?
            .expect(201)
            .map(drop)
    }))
    .await?;
    let ids: Vec<i64> = students.iter().map(|student| student.id).collect();
    let mut times: Vec<Duration> = Vec::new();
    wait_longer(PATIENCE, "the onboardings", async || {
        let done: i64 = sqlx::query_scalar(
            "select count(*) from enrollment.enrollments where user_id = any($1) and onboarding = 'completed'",
        )
        .bind(&ids)
        .fetch_one(&world.pool)
        .await?;
        let done = usize::try_from(done)?;
        times.resize(done.max(times.len()), start.elapsed());
        Ok(if done == count {
            Ok(())
        } else {
            Err(done.to_string())
        })
    })
    .await?;
    let wall = times.last().copied().context("at least one enrollment")?;
    ensure!(times.len() == count);
    Ok(onboarded(times, wall, &clocks))
}
