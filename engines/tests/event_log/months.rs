//! The months of the log: made ahead, taken to the files when nobody needs them, and read from there.

use serde_json::json;
use smartcourse_tests::engines::event_log::history::History;
use sqlx::types::time::OffsetDateTime;
use tempfile::TempDir;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A day by which the month of now has ended; the next two have not.
fn next_month() -> OffsetDateTime {
    OffsetDateTime::now_utc().replace_day(1).unwrap() + 32 * DAY
}

/// Writes an event whose id is that of the next month, and places it.
async fn publish_next_month(pool: &PgPool, n: i64) {
    let put = "select platform.put_event(platform.first_event_id(date_trunc('month', now(), 'UTC') + interval '1 month 1 day'),
         'thing', 'a', $1, '{}')::text";
    sqlx::query(put)
        .bind(json!({ "n": n }))
        .execute(pool)
        .await
        .unwrap();
    assert_eq!(placed(pool).await, 1);
}

/// Gives a group all there is.
async fn read(pool: &PgPool, group: &Recorder) {
    while deliver_batch(pool, group).await.unwrap().more {}
}

/// What a group is given from the beginning.
async fn replayed(history: &History, group: &'static str) -> smartcourse_platform::Result<Vec<Event>> {
    let mut replay = history.replay(group);
    let mut events = Vec::new();
    loop {
        let more = replay.next(3).await?;
        let ended = more.len() < 3;
        events.extend(more);
        if ended {
            return Ok(events);
        }
    }
}

/// Events that left the table with the clean-up of a day.
async fn swept(history: &History, day: OffsetDateTime) -> u64 {
    history.sweep(day, Some(day)).await.unwrap()
}

async fn in_the_table(pool: &PgPool) -> i64 {
    count(pool, "select count(*) from platform.events").await
}

fn archives(files: &TempDir) -> Vec<std::path::PathBuf> {
    let events = std::fs::read_dir(files.path().join("events"));
    let found = events.into_iter().flatten();
    found.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn an_old_month_goes_to_the_files_and_is_given_again_from_there() {
    let pool = database().await;
    let (history, files) = history(&pool).unwrap();
    let group = Recorder::new("old");
    group.mend();
    publish(&pool, "thing", "a", 1).await;
    publish(&pool, "poison", "b", 2).await;
    publish_next_month(&pool, 3).await;
    // One that was written before the turn of the month, and committed after.
    publish(&pool, "unwanted", "c", 4).await;
    read(&pool, &group).await;
    let before = replayed(&history, "old").await.unwrap();
    assert_eq!(before.len(), 4);

    assert_eq!(
        history.sweep(next_month(), None).await.unwrap(),
        0,
        "kept for ever"
    );
    assert_eq!(
        swept(&history, OffsetDateTime::now_utc()).await,
        0,
        "the month is not over"
    );
    assert_eq!(swept(&history, next_month()).await, 3);
    assert_eq!(in_the_table(&pool).await, 1);
    assert_eq!(count(&pool, "select count(*) from platform.inbox").await, 1);
    assert_eq!(archives(&files).len(), 1);
    assert_eq!(
        replayed(&history, "old").await.unwrap(),
        before,
        "the same, in the same order"
    );
    assert_eq!(swept(&history, next_month()).await, 0);

    let new = Recorder::new("new");
    read(&pool, &new).await;
    assert_eq!(
        effects(&pool, "new", "a").await,
        [3],
        "a new group begins with what is left"
    );
    publish(&pool, "thing", "a", 5).await;
    read(&pool, &group).await;
    assert_eq!(effects(&pool, "old", "a").await, [1, 3, 5]);
    assert_eq!(position(&pool, "old").await, Some(5), "positions go on");
    let log = Postgres::new(pool.clone(), pool.clone(), Duration::from_secs(1));
    let lags = log.lags().await.unwrap();
    assert!(
        lags.iter().any(|lag| lag.group == "old" && lag.events == 0),
        "{lags:?}"
    );

    let a_year_later = next_month() + 365 * DAY;
    assert_eq!(swept(&history, a_year_later).await, 1, "one month at a time");
    assert_eq!(swept(&history, a_year_later).await, 0, "an empty one");
    assert_eq!(replayed(&history, "old").await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_month_stays_while_somebody_keeps_all_of_them() {
    let pool = database().await;
    let (history, _files) = history(&pool).unwrap();
    publish(&pool, "thing", "a", 1).await;
    let mut session = pool.acquire().await.unwrap();
    session.close_on_drop();
    History::keep_months(&mut session).await.unwrap();
    assert_eq!(swept(&history, next_month()).await, 0);
    assert_eq!(in_the_table(&pool).await, 1);
    session.close().await.unwrap();
    assert_eq!(swept(&history, next_month()).await, 1);
}

#[tokio::test]
async fn a_month_somebody_needs_stays() {
    let pool = database().await;
    let (history, files) = history(&pool).unwrap();
    let (reader, stuck) = (Recorder::new("reader"), Recorder::new("stuck"));
    stuck.mend();
    publish(&pool, "thing", "b", 1).await;
    given(&pool, &stuck).await;
    publish(&pool, "poison", "a", 2).await;
    given(&pool, &reader).await;
    let later = next_month();
    assert_eq!(swept(&history, later).await, 0, "a group has not read it");
    given(&pool, &stuck).await;
    assert_eq!(swept(&history, later).await, 0, "an event is parked");
    assert_eq!(effects(&pool, "reader", "a").await, Vec::<i64>::new());
    reader.mend();
    sqlx::query("update platform.parked_events set next_try_at = now()")
        .execute(&pool)
        .await
        .unwrap();
    given(&pool, &reader).await;
    assert_eq!(effects(&pool, "reader", "a").await, [2]);

    let mut tx = postgres::begin(&pool).await.unwrap();
    put(&mut tx, "thing", "c", 3).await;
    tx.commit().await.unwrap();
    assert_eq!(swept(&history, later).await, 0, "an event has no position");
    assert!(archives(&files).is_empty());
    placed(&pool).await;
    for group in [&reader, &stuck] {
        given(&pool, group).await;
    }
    assert_eq!(swept(&history, later).await, 3);
}

#[tokio::test]
async fn an_archive_that_was_changed_or_is_gone_is_not_believed() {
    let pool = database().await;
    let (history, files) = history(&pool).unwrap();
    let group = Recorder::new("group");
    publish(&pool, "thing", "a", 1).await;
    read(&pool, &group).await;
    let mut begun = history.replay("group");
    assert_eq!(begun.next(1).await.unwrap().len(), 1);
    assert_eq!(swept(&history, next_month()).await, 1);
    let error = begun.next(1).await.unwrap_err();
    assert_eq!(error.code(), "unavailable", "it moved while it was read");
    let [file] = &archives(&files)[..] else {
        panic!("one month went")
    };
    let mut bytes = std::fs::read(file).unwrap();
    // The time in the header of gzip: nothing the text depends on.
    bytes[5] ^= 1;
    std::fs::write(file, bytes).unwrap();
    let error = replayed(&history, "group").await.unwrap_err();
    assert!(error.chain().contains("events/20"), "{}", error.chain());
    std::fs::remove_file(file).unwrap();
    let error = replayed(&history, "group").await.unwrap_err();
    assert!(error.chain().contains("not there"), "{}", error.chain());
}

#[tokio::test]
async fn months_are_made_ahead_once_and_an_event_outside_of_them_is_read_too() {
    let pool = database().await;
    let (history, _files) = history(&pool).unwrap();
    let months = async || {
        let query = "select count(*) from pg_inherits where inhparent = 'platform.events'::regclass";
        count(&pool, query).await
    };
    assert_eq!(
        months().await,
        3 + 1,
        "this one, the next two, and that of strays"
    );
    let later = OffsetDateTime::now_utc() + 200 * DAY;
    let (one, other) = tokio::join!(history.sweep(later, None), history.sweep(later, None));
    assert_eq!((one.unwrap(), other.unwrap()), (0, 0));
    assert_eq!(months().await, 6 + 1);
    history
        .sweep(OffsetDateTime::now_utc() - 200 * DAY, None)
        .await
        .unwrap();
    assert_eq!(months().await, 6 + 1, "the first has all before it");

    let strays = "insert into platform.events (id, type, key, payload) values
         ('ffffffff-0000-4000-8000-000000000000', 'thing', 'a', '{\"n\": 1}'), (platform.first_event_id($1), 'thing', 'a', '{\"n\": 2}')";
    let year = OffsetDateTime::now_utc() + 365 * DAY;
    sqlx::query(strays).bind(year).execute(&pool).await.unwrap();
    assert_eq!(placed(&pool).await, 2);
    let group = Recorder::new("group");
    read(&pool, &group).await;
    assert_eq!(effects(&pool, "group", "a").await, [1, 2]);
    history.sweep(year, None).await.unwrap();
    assert_eq!(
        months().await,
        8 + 1,
        "no month for ids that are among the strays"
    );
}

#[tokio::test]
async fn a_log_from_before_the_months_is_taken_over() {
    let pool = smartcourse_tests::database().await.unwrap();
    let mut old = postgres::migrator();
    old.migrations.to_mut().retain(|migration| migration.version < 11);
    old.run(&pool).await.unwrap();
    let events = "insert into platform.events (id, type, key, payload, position)
         select gen_random_uuid(), 'thing', 'a', jsonb_build_object('n', n), case when n <= 8 then n end
         from generate_series(1, 10) n";
    sqlx::query(events).execute(&pool).await.unwrap();
    let parked = "insert into platform.parked_events (group_name, event_id, key, position, tries, last_error, next_try_at)
         select 'group', id, key, position, 1, 'broken', now() from platform.events where position = 5";
    sqlx::query(parked).execute(&pool).await.unwrap();
    let group = "insert into platform.event_groups values ('group', 5)";
    sqlx::query(group).execute(&pool).await.unwrap();

    postgres::migrator().run(&pool).await.unwrap();
    sqlx::query(
        "create table effects (seq bigint generated always as identity, group_name text, key text, n bigint)",
    )
    .execute(&pool)
    .await
    .unwrap();
    assert_eq!(placed(&pool).await, 2);
    publish_next_month(&pool, 11).await;
    let group = Recorder::new("group");
    read(&pool, &group).await;
    assert_eq!(effects(&pool, "group", "a").await, (5..=11).collect::<Vec<_>>());
    assert_eq!(position(&pool, "group").await, Some(11));
}
