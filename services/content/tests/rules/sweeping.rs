//! What goes when nobody needs it any more, and what stays.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use smartcourse_content::{Deletions, FileRemoval, Retention};
use smartcourse_platform::{
    Error, Result,
    error::codes,
    open_writes::OpenWrite,
    ports::vectors::{Near, Vector, Vectors},
    postgres,
    tasks::{Handler as _, Outcome, Task},
};
use smartcourse_proto::{
    events::{CourseDeleted, CoursePublished},
    ids::VersionId,
};
use smartcourse_tests::{refusal, tell};
use sqlx::Row as _;

use crate::harness::{COURSE, Harness, TEACHER, document, header, text};

const DAY: Duration = Duration::from_secs(24 * 3600);
const SECOND: Duration = Duration::from_secs(1);

/// Lets the service hear of the flip to a version.
async fn publish(harness: &Harness, version: i32) {
    let published = CoursePublished {
        course_id: COURSE,
        version,
        instructor_id: 1,
        title: "Sagas".to_owned(),
        ai_ready: true,
    };
    let retention = Retention::new(&harness.config, harness.clock.clone()).unwrap();
    let told = tell(
        &harness.pool,
        &retention,
        "course.published",
        "course-7",
        &published,
    )
    .await;
    told.unwrap();
}

#[tokio::test]
async fn superseded_versions_go_after_a_day_and_the_last_three_stay() {
    let harness = Harness::build().await;
    let asset = harness
        .upload(TEACHER, header("a.txt"), b"A saga.")
        .await
        .unwrap();
    let lessons = [text("a", "one"), document("d", &asset.id)];
    let all = [1, 2, 2, 3];
    for version in 1..=5 {
        harness.save(version, &lessons);
        harness.process(version).await;
        publish(&harness, version).await;
    }
    // The first one is behind three others by now.
    harness.clock.advance(DAY - SECOND);
    assert_eq!(harness.sweep().await.unwrap(), 0);
    harness.save(6, &lessons);
    harness.process(6).await;
    publish(&harness, 6).await;
    harness.clock.advance(SECOND);
    assert_eq!(harness.sweep().await.unwrap(), 1);
    assert_eq!(harness.parts(1).await, [0; 4]);
    assert_eq!(harness.parts(2).await, all);
    harness.clock.advance(DAY);
    assert_eq!(harness.sweep().await.unwrap(), 1);
    assert_eq!(harness.parts(2).await, [0; 4]);
    harness.clock.advance(30 * DAY);
    assert_eq!(harness.sweep().await.unwrap(), 0);
    for version in 3..=6 {
        assert_eq!(harness.parts(version).await, all);
    }
    // The first one is restored: its texts are those of others, and its file has stayed.
    harness.save(7, &lessons);
    assert!(harness.plan(7).await.unwrap().is_empty());
    assert_eq!(harness.copy_files(7).await.unwrap(), 1);
}

#[tokio::test]
async fn a_superseded_version_is_restored_from_its_file_long_after() {
    let harness = Harness::build().await;
    let asset = harness
        .upload(TEACHER, header("a.txt"), b"A saga.")
        .await
        .unwrap();
    for version in 1..=5 {
        // From the second version on the file is not named any more.
        let lessons = match version {
            1 => vec![document("d", &asset.id)],
            _ => vec![text("a", "one")],
        };
        harness.save(version, &lessons);
        harness.process(version).await;
        publish(&harness, version).await;
    }
    for _ in 0..100 {
        harness.clock.advance(DAY);
        harness.sweep().await.unwrap();
    }
    assert_eq!(harness.parts(1).await, [0; 4]);
    harness.save(6, &[document("d", &asset.id)]);
    assert_eq!(harness.plan(6).await.unwrap(), ["d"], "it is read again");
    harness.process(6).await;
    assert_eq!(harness.parts(6).await, [1, 1, 1, 2]);
}

#[tokio::test]
async fn an_upload_that_nothing_names_goes_after_thirty_days() {
    let harness = Harness::build().await;
    let upload = async |name| {
        harness
            .upload(TEACHER, header(name), b"A saga.")
            .await
            .unwrap()
            .id
    };
    let (unused, drafted, published) = (
        upload("unused.txt").await,
        upload("drafted.txt").await,
        upload("published.txt").await,
    );
    harness.save(1, &[document("d", &published)]);
    harness.process(1).await;
    harness.save(0, &[document("d", &drafted)]);
    let left = async || -> Vec<String> {
        let left = "select id from content.assets order by filename";
        sqlx::query_scalar(left).fetch_all(&harness.pool).await.unwrap()
    };
    let a_day_later = async || {
        harness.clock.advance(DAY + SECOND);
        harness.sweep().await.unwrap()
    };
    for _ in 0..30 {
        assert_eq!(a_day_later().await, 0);
    }
    assert_eq!(a_day_later().await, 1);
    assert_eq!(left().await, [drafted.clone(), published.clone()]);
    let size = async |id: &str| {
        let key = format!("staging/{COURSE}/{id}");
        harness.deps.files.size(&key).await.unwrap()
    };
    assert_eq!((size(&unused).await, size(&drafted).await), (None, Some(7)));

    // An edit takes it out of the draft, and another one brings it back for a while.
    harness.save(0, &[]);
    for _ in 0..20 {
        assert_eq!(a_day_later().await, 0);
    }
    harness.save(0, &[document("d", &drafted)]);
    assert_eq!(a_day_later().await, 0);
    harness.save(0, &[]);
    for _ in 0..30 {
        assert_eq!(a_day_later().await, 0);
    }
    assert_eq!(a_day_later().await, 1);
    assert_eq!(left().await, [published]);
}

#[tokio::test]
async fn embeddings_go_a_year_after_the_last_version_that_used_them() {
    let harness = Harness::build().await;
    harness.save(1, &[text("a", "one"), text("b", "two")]);
    harness.process(1).await;
    let known = async || -> i64 {
        let count = "select count(*) from content.embeddings";
        sqlx::query_scalar(count).fetch_one(&harness.pool).await.unwrap()
    };
    harness.clock.advance(364 * DAY);
    assert_eq!(harness.sweep().await.unwrap(), 0);
    harness.save(2, &[text("a", "one")]);
    harness.process(2).await;
    // Of each text its chunk and the piece it is.
    assert_eq!(known().await, 4);
    harness.clock.advance(2 * DAY);
    assert_eq!(harness.sweep().await.unwrap(), 2);
    assert_eq!(known().await, 2, "those of the lesson that stayed");
    // The other one comes back, and is embedded again.
    harness.save(3, &[text("a", "one"), text("b", "two")]);
    harness.process(3).await;
    assert_eq!(known().await, 4);
}

#[tokio::test]
async fn an_upload_whose_process_died_goes_after_a_day() {
    let harness = Harness::build().await;
    let asset = harness
        .upload(TEACHER, header("a.txt"), b"A saga.")
        .await
        .unwrap();
    let mut file = harness.deps.files.write("staging/7/broken").await.unwrap();
    file.write(Bytes::from_static(b"half")).await.unwrap();
    file.finish().await.unwrap();
    sqlx::query("insert into content.uploads (storage_key) values ('staging/7/broken')")
        .execute(&harness.pool)
        .await
        .unwrap();
    assert_eq!(harness.sweep().await.unwrap(), 0, "it may be under way");
    harness.clock.advance(DAY + Duration::from_secs(60));
    assert_eq!(harness.sweep().await.unwrap(), 1);
    let size = async |key: &str| harness.deps.files.size(key).await.unwrap();
    assert_eq!(size("staging/7/broken").await, None);
    assert_eq!(size(&format!("staging/{COURSE}/{}", asset.id)).await, Some(7));
    assert_eq!(harness.sweep().await.unwrap(), 0);
}

#[tokio::test]
async fn the_files_of_a_course_go_with_it() {
    let harness = Harness::build().await;
    let asset = harness
        .upload(TEACHER, header("a.txt"), b"A saga.")
        .await
        .unwrap();
    let deleted = CourseDeleted { course_id: COURSE };
    for _ in 0..2 {
        let told = tell(&harness.pool, &Deletions, "course.deleted", "course-7", &deleted).await;
        told.unwrap();
    }
    let removal = FileRemoval::new(harness.pool.clone(), harness.deps.files.clone());
    let queued = sqlx::query("select id, kind, payload from platform.tasks")
        .fetch_all(&harness.pool)
        .await
        .unwrap();
    for row in &queued {
        let task = Task {
            id: row.get("id"),
            kind: row.get("kind"),
            payload: row.get("payload"),
            tries: 1,
        };
        assert_eq!(task.kind, removal.kind());
        removal.handle(&task).await.unwrap();
        let mut tx = postgres::begin(&harness.pool).await.unwrap();
        removal.settle(&mut tx, &task, Outcome::Done).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(queued.len(), 2, "one for each event");
    let key = format!("staging/{COURSE}/{}", asset.id);
    assert_eq!(harness.deps.files.size(&key).await.unwrap(), None);
    let left: i64 = sqlx::query_scalar("select count(*) from content.assets")
        .fetch_one(&harness.pool)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

/// Vectors that cannot be removed from the first version of course 1.
struct Broken;

#[async_trait]
impl Vectors for Broken {
    fn place(&self) -> String {
        "nowhere".to_owned()
    }

    async fn prepare(&self, _: &str, _: usize) -> Result<()> {
        Ok(())
    }

    async fn put_lesson(&self, _: &str, _: VersionId, _: &str, _: &[Vector]) -> Result<()> {
        Ok(())
    }

    async fn nearest(&self, _: &str, _: VersionId, _: &[f32], _: usize) -> Result<Vec<Near>> {
        Ok(Vec::new())
    }

    async fn count(&self, _: &str, _: VersionId) -> Result<i64> {
        Ok(0)
    }

    async fn delete_version(&self, version: VersionId) -> Result<()> {
        if (version.course_id.0, version.version) == (1, 1) {
            return Err(Error::new(&codes::UNAVAILABLE, "the index is broken"));
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_version_that_cannot_be_removed_does_not_keep_the_others() {
    let harness = Harness::on(|_| Arc::new(Broken)).await;
    let pool = &harness.pool;
    let rows = "insert into content.versions (course_id, version, model, state, retire_after, discarded_at) values
         (1, 1, 'm', 'open', now() - interval '2 hours', null), (2, 1, 'm', 'open', now() - interval '1 hour', null),
         (3, 1, 'm', 'discarded', null, now())";
    sqlx::query(rows).execute(pool).await.unwrap();
    let upload = "insert into content.uploads (storage_key, started_at) values ('staging/1/a', now() - interval '2 days')";
    sqlx::query(upload).execute(pool).await.unwrap();

    let late = OpenWrite::open(pool, "content/3/1").await.unwrap();
    let error = refusal(harness.sweep().await);
    assert!(error.kind().is_retryable(), "{}", error.chain());
    for part in ["1 of 4", "version 1 of course 1", "the index is broken"] {
        assert!(error.detail().contains(part), "{part} in {}", error.detail());
    }
    let left = "select course_id from content.versions where state = 'open' and retired_at is null";
    let left: Vec<i64> = sqlx::query_scalar(left).fetch_all(pool).await.unwrap();
    assert_eq!(left, [1]);
    assert_eq!(harness.under_way().await, 0);

    // A discarded version is gone over until no write for it is under way, and once more.
    let to_sweep =
        "select count(*) from content.versions where discarded_at is not null and swept_at is null";
    let count = async || -> i64 { sqlx::query_scalar(to_sweep).fetch_one(pool).await.unwrap() };
    assert_eq!(count().await, 1, "a write was under way");
    let mut connection = pool.acquire().await.unwrap();
    late.close(&mut connection).await.unwrap();
    drop(connection);
    drop(harness.sweep().await);
    assert_eq!(count().await, 0);
}

#[tokio::test]
async fn a_transcript_goes_with_the_last_file_of_its_recording() {
    let harness = Harness::build().await;
    let asset = harness
        .upload(TEACHER, header("a.txt"), b"A saga.")
        .await
        .unwrap();
    for sha256 in [&*asset.sha256, "of-a-file-that-is-gone"] {
        let kept = "insert into content.transcripts (sha256, model) values ($1, 'whisper-1')";
        let kept = sqlx::query(kept).bind(sha256);
        kept.execute(&harness.pool).await.unwrap();
    }
    assert_eq!(harness.sweep().await.unwrap(), 1);
    let left: Vec<String> = sqlx::query_scalar("select sha256 from content.transcripts")
        .fetch_all(&harness.pool)
        .await
        .unwrap();
    assert_eq!(left, [asset.sha256]);
}
