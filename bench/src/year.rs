//! A school after a year: how large its tables are, and what its pages, its groups and its clean-up cost then.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use smartcourse_engines::{
    event_log::{history::History, postgres::place},
    files::directory::Directory,
};
use smartcourse_platform::{
    clock::{Clock as _, System},
    ports::event_log::EventHistory as _,
    postgres, upkeep,
};
use smartcourse_tests::{
    Layout, Session, World,
    measure::{
        machine::Since,
        table::{Table, millis, seconds},
    },
};
use sqlx::{AssertSqlSafe, PgPool};

use crate::{
    load::{self, Target},
    note, published,
    text::Dice,
};

/// What writes the year.
const FILL: &str = include_str!("year/fill.sql");
/// Events for each enrollment, about.
const PER_ENROLLMENT: u64 = 10;
/// Most enrollments: 40 courses for each student.
const MOST: u64 = 2_000_000;
/// Requests for each page, one after the other.
const REQUESTS: usize = 50;
/// No new requests for a page after this.
const LIMIT: Duration = Duration::from_secs(20);
/// After this a session at rest has told the statistics what it did.
const TOLD: Duration = Duration::from_secs(11);
/// Rows from which a table is large.
const LARGE: i64 = 10_000;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Fills a database with about so many events and what belongs to them, and measures.
///
/// # Errors
/// When something fails.
pub(crate) async fn measure(executable: &Path, events: u64) -> Result<String> {
    let enrollments = events / PER_ENROLLMENT;
    ensure!(
        (1..=MOST).contains(&enrollments),
        "so many events are no year of a school"
    );
    let world = World::start_with(executable, Layout::Together, &load::NO_RATES).await?;
    let mut admin = world.admin().await?;
    let mut author = world.sign_up("instructor").await?;
    let mut student = world.sign_up("student").await?;
    let course = published::course(&author, &Dice::new(9).lessons(14, 1)).await?;
    published::publish(&author, &world.pool, course).await?;

    note("a year is written");
    let start = Instant::now();
    let fill = FILL
        .replace("{enrollments}", &enrollments.to_string())
        .replace("{course}", &course.to_string())
        .replace("{author}", &author.id.to_string())
        .replace("{student}", &student.id.to_string());
    let mut tx = postgres::begin(&world.pool).await?;
    sqlx::raw_sql(AssertSqlSafe(fill)).execute(&mut *tx).await?;
    tx.commit().await?;
    sqlx::query("vacuum analyze").execute(&world.pool).await?;
    let written = start.elapsed();
    note("the numbers are counted from the log");
    let (_, told) = world.run(&["analytics", "rebuild"])?;
    let rebuilt = how_fast(&told)?;
    sqlx::query("vacuum analyze").execute(&world.pool).await?;

    let sizes = sizes(&world.pool).await?;
    sqlx::query("select pg_stat_reset()").execute(&world.pool).await?;
    // Their tokens are old by now.
    for session in [&mut admin, &mut author, &mut student] {
        session.sign_in().await?;
    }
    let since = Since::now();
    let pages = pages(&world, &admin, &author, &student).await?;
    let others = since.spent().others;
    tokio::time::sleep(TOLD).await;
    let scans = scans(&world.pool).await?;
    let work = work(&world).await?;
    Ok(format!(
        "## A year of a school\n\n50,000 students in 200 courses of 14 lessons, {enrollments} enrollments; written with SQL in {}. \
         `smartcourse analytics rebuild`, of tables that were \
         empty: {rebuilt}.\n\n{sizes}\nPages, one request after the other; other programs used {others:.2} cores meanwhile:\n\n{pages}\n{scans}\n\
         What runs by itself:\n\n{work}",
        seconds(written),
    ))
}

/// The largest tables; the months of the log are one.
async fn sizes(pool: &PgPool) -> Result<String> {
    note("sizes");
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "select regexp_replace(c.oid::regclass::text, '_20\\d\\d_\\d\\d$', ''), sum(greatest(0, c.reltuples))::bigint,
             sum(pg_total_relation_size(c.oid))::bigint
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind = 'r' and n.nspname !~ '^pg_|information_schema' group by 1 having sum(c.reltuples) >= $1 order by 3 desc",
    )
    .bind(LARGE)
    .fetch_all(pool)
    .await?;
    let mut table = Table::new(&["table", "rows", "MB with indexes", "bytes a row"]);
    for (name, rows, bytes) in rows {
        table.row([
            format!("`{name}`"),
            rows.to_string(),
            (bytes / 1_000_000).to_string(),
            (bytes / rows.max(1)).to_string(),
        ]);
    }
    let all: i64 = sqlx::query_scalar("select pg_database_size(current_database())")
        .fetch_one(pool)
        .await?;
    Ok(format!(
        "{}\nThe whole database: {} MB.\n",
        table.finish(),
        all / 1_000_000
    ))
}

/// What people see.
async fn pages(world: &World, admin: &Session, author: &Session, student: &Session) -> Result<String> {
    let gateway = world.base.strip_prefix("http://").unwrap_or(&world.base);
    let course: i64 =
        sqlx::query_scalar("select min(course_id) from enrollment.enrollments where user_id = $1")
            .bind(student.id)
            .fetch_one(&world.pool)
            .await?;
    let (from, to): (String, String) = sqlx::query_as("select (current_date - 90)::text, current_date::text")
        .fetch_one(&world.pool)
        .await?;
    let anybody = world.anonymous();
    let pages = [
        (&anybody, "/courses".to_owned()),
        (&anybody, "/courses?category=science".to_owned()),
        (&anybody, "/courses?q=botany".to_owned()),
        (&anybody, "/search?q=statistics".to_owned()),
        (&anybody, format!("/courses/{course}")),
        (student, format!("/courses/{course}/content")),
        (student, "/enrollments".to_owned()),
        (student, format!("/progress/courses/{course}")),
        (student, "/notifications".to_owned()),
        (student, "/notifications/unread-count".to_owned()),
        (student, "/certificates".to_owned()),
        (student, format!("/analytics/students/{}", student.id)),
        (author, format!("/courses?instructor_id={}", author.id)),
        (author, format!("/analytics/courses/{course}")),
        (author, format!("/analytics/instructors/{}", author.id)),
        (admin, "/analytics/platform".to_owned()),
        (admin, "/analytics/popular".to_owned()),
        (admin, format!("/analytics/trends?from={from}&to={to}")),
        (admin, format!("/enrollments?student_id={}", student.id)),
        (admin, "/admin/deliveries".to_owned()),
        (admin, "/admin/events/failed".to_owned()),
        (admin, "/admin/tasks/failed".to_owned()),
    ];
    let mut table = Table::new(&["page", "p50 ms", "slowest ms"]);
    for (who, path) in pages {
        note(&path);
        let token = Some(who.token.as_str()).filter(|token| !token.is_empty());
        let outcome = load::run(&Target::get(gateway, &path, token), 1, REQUESTS, LIMIT).await?;
        table.row([
            format!("`GET {path}`"),
            millis(outcome.quantile(0.5)),
            millis(outcome.quantile(1.0)),
        ]);
    }
    Ok(table.finish())
}

/// Which large tables the pages read from end to end.
async fn scans(pool: &PgPool) -> Result<String> {
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "select s.relid::regclass::text, s.seq_scan, s.seq_tup_read from pg_stat_user_tables s join pg_class c on c.oid = s.relid
         where c.reltuples >= $1 and s.seq_tup_read > 0 order by 3 desc",
    )
    .bind(LARGE)
    .fetch_all(pool)
    .await?;
    if rows.is_empty() {
        return Ok(format!(
            "No table of {LARGE} rows or more was read from end to end.\n"
        ));
    }
    let mut table = Table::new(&["read from end to end meanwhile", "times", "rows each time"]);
    for (name, scans, read) in rows {
        table.row([
            format!("`{name}`"),
            scans.to_string(),
            (read / scans.max(1)).to_string(),
        ]);
    }
    Ok(table.finish())
}

/// What nobody waits for.
async fn work(world: &World) -> Result<String> {
    note("the clean-up");
    let pool = &world.pool;
    let files = Directory::open(&world.files())?;
    let history = History::new(pool.clone(), Arc::new(files));
    let now = System.now();
    let mut table = Table::new(&["", "rows", "time"]);
    let mut row = |what: &str, rows: u64, since: Instant| {
        table.row([what.to_owned(), rows.to_string(), seconds(since.elapsed())]);
    };
    let since = Instant::now();
    place(pool).await?;
    row("a round of the sequencer that finds nothing", 0, since);
    let since = Instant::now();
    let removed = upkeep::sweep(pool, now - 29 * DAY).await?;
    row("settled rows: a day's", removed, since);
    let since = Instant::now();
    let removed = upkeep::sweep(pool, now).await?;
    row("settled rows: all there are", removed, since);
    for month in ["the oldest month of events to the files", "the next one"] {
        let since = Instant::now();
        let removed = history.sweep(now, Some(now - 100 * DAY)).await?;
        row(month, removed, since);
    }
    let (agrees, told) = world.run(&["analytics", "rebuild"])?;
    ensure!(agrees, "{told}");
    Ok(format!(
        "{}\nAgain after that, from the files and the table: {}, and the numbers agreed to the digit.\n",
        table.finish(),
        how_fast(&told)?
    ))
}

/// What a rebuild says of its speed.
fn how_fast(told: &str) -> Result<&str> {
    let line = told.lines().find(|line| line.starts_with("counted "));
    line.with_context(|| format!("a rebuild says how fast it was: {told}"))
}
