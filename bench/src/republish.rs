//! A republish that completes a course for ten thousand learners, as the learners of another course notice it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use smartcourse_tests::{
    Layout, Session, World,
    measure::{
        Outcome,
        machine::Since,
        table::{Table, millis, seconds, verdict},
    },
    wait_longer,
};
use sqlx::PgPool;

use crate::{
    load::{self, NO_RATES, Target, request_with},
    note, published,
    text::Dice,
};

/// Learners of the course that is published again: all have done the lesson that stays.
const LEARNERS: i32 = 10_000;
/// Learners of the other course, and its lessons: each lesson is completed once by each.
const OTHERS: i32 = 300;
const LESSONS: usize = 200;
/// How many of them are at it at once.
const CLIENTS: usize = 4;
/// Lessons completed while nothing else happens, and at a time while the republish is settled.
const ALONE: usize = 2_000;
const SLICE: usize = 40;
const PATIENCE: Duration = Duration::from_secs(300);

/// Measures it.
///
/// # Errors
/// When something fails.
pub(crate) async fn measure(executable: &Path) -> Result<String> {
    let world = World::start_with(executable, Layout::Together, &NO_RATES).await?;
    let instructor = world.sign_up("instructor").await?;
    let big = published::course(&instructor, &Dice::new(11).lessons(2, 1)).await?;
    published::publish(&instructor, &world.pool, big).await?;
    let other = published::course(&instructor, &Dice::new(12).lessons(LESSONS, 1)).await?;
    published::publish(&instructor, &world.pool, other).await?;
    let gateway = world.base.strip_prefix("http://").context("an address")?;
    note("seats in the other course");
    let requests = requests(&world, gateway, other).await?;
    note("learners of the course");
    crowd(&world, big).await?;
    let mut requests = requests.chunks(SLICE);
    let mut next = async |slices: usize| -> Result<Outcome> {
        let some: Vec<_> = requests.by_ref().take(slices).flatten().cloned().collect();
        ensure!(!some.is_empty(), "there are too few lessons");
        let count = some.len();
        load::run(&Target::of(gateway, some), CLIENTS, count, PATIENCE).await
    };
    note("lessons, and nothing else");
    let since = Since::now();
    let alone = next(ALONE / SLICE).await?;
    note("lessons while the republish is settled");
    instructor
        .put_lessons(big, &Dice::new(11).lessons(1, 1))
        .await?
        .expect(200)?;
    published::publish(&instructor, &world.pool, big).await?;
    let start = Instant::now();
    let mut times = Vec::new();
    while open(&world.pool, big).await? > 0 {
        ensure!(start.elapsed() < PATIENCE, "the republish was not settled");
        times.extend(next(1).await?.times());
    }
    let wall = start.elapsed();
    let others = since.spent().others;
    let settling = Outcome::of(times, wall);
    let mut table = Table::new(&[
        "`POST /progress/lessons/{id}/complete`",
        "lessons",
        "p50 ms",
        "p99 ms",
    ]);
    for (name, outcome) in [
        ("nothing else happens", &alone),
        ("the republish is settled", &settling),
    ] {
        let mut cells = vec![name.to_owned(), outcome.count().to_string()];
        cells.extend([0.5, 0.99].map(|share| millis(outcome.quantile(share))));
        table.row(cells);
    }
    let ratio = settling.quantile(0.99).as_secs_f64() / alone.quantile(0.99).as_secs_f64();
    Ok(format!(
        "## Republish\n\n{LEARNERS} learners lack one lesson, and a new version does without it: all of them are completed, with a \
         certificate and its mail each. Learners of another course go on meanwhile, {CLIENTS} at a time. Other programs used \
         {others:.2} cores.\n\n{}\nAll were completed {} after the flip.\n\n{}",
        table.finish(),
        seconds(wall),
        verdict("p99 while it is settled ÷ alone", ratio, 2.0, true)
    ))
}

/// Learners who have not completed the course.
async fn open(pool: &PgPool, course: i64) -> Result<i64> {
    let open = "select count(*) from progress.enrollments where course_id = $1 and completed_at is null";
    Ok(sqlx::query_scalar(open).bind(course).fetch_one(pool).await?)
}

/// Rows of learners who have done the first lesson.
async fn crowd(world: &World, course: i64) -> Result<()> {
    let ids: Vec<i64> = world
        .students(LEARNERS)
        .await?
        .iter()
        .map(|student| student.id)
        .collect();
    // Numbers no seat has.
    let learners = "insert into progress.enrollments (enrollment_id, epoch, course_id, user_id, full_name)
                    select 1000000 + user_id, 1, $1, user_id, 'A learner' from unnest($2::bigint[]) user_id";
    sqlx::query(learners)
        .bind(course)
        .bind(&ids)
        .execute(&world.pool)
        .await?;
    let done = "insert into progress.progress (enrollment_id, lesson_id, epoch)
                select enrollment_id, 'l1', 1 from progress.enrollments where course_id = $1";
    sqlx::query(done).bind(course).execute(&world.pool).await?;
    sqlx::query("analyze progress.enrollments, progress.progress")
        .execute(&world.pool)
        .await?;
    Ok(())
}

/// Students with a seat, each lesson by each of them as a request: whoever comes next is another student.
async fn requests(world: &World, gateway: &str, course: i64) -> Result<Vec<Vec<u8>>> {
    let students = world.students(OTHERS).await?;
    for student in &students {
        let path = format!("/courses/{course}/enroll");
        student.post(&path, &json!({})).await?.expect(201)?;
    }
    wait_longer(PATIENCE, "their records", async || {
        let open = open(&world.pool, course).await?;
        Ok(if open == i64::from(OTHERS) {
            Ok(())
        } else {
            Err(format!("{open} of {OTHERS}"))
        })
    })
    .await?;
    let body = json!({ "course_id": course }).to_string();
    let mut requests = Vec::new();
    // The last lesson stays open: nobody of them completes the course.
    for number in 1..LESSONS {
        let path = format!("/progress/lessons/l{number}/complete");
        let post = |student: &Session| request_with(gateway, "POST", &path, Some(&student.token), &body);
        requests.extend(students.iter().map(post));
    }
    Ok(requests)
}
