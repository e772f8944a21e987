//! Uploads in parts: what is taken, what is missing, and what they leave behind.

use std::time::Duration;

use bytes::Bytes;
use futures::{future::try_join_all, stream};
use smartcourse_content::FileRemoval;
use smartcourse_platform::{
    grpc::Actor,
    postgres,
    tasks::{Handler as _, Outcome, Task},
};
use smartcourse_proto::content::*;
use smartcourse_tests::{refusal, wait_for};
use tonic::Status;

use crate::harness::{COLLEAGUE, COURSE, Harness, MAX, PART, TEACHER};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn announced(filename: &str, size: usize) -> BeginUploadRequest {
    BeginUploadRequest {
        course_id: COURSE,
        filename: filename.to_owned(),
        size_bytes: size as i64,
        ..BeginUploadRequest::default()
    }
}

fn named(upload: &Upload) -> UploadRef {
    UploadRef {
        course_id: COURSE,
        upload_id: upload.id.clone(),
    }
}

/// A text of this length that repeats nowhere soon.
fn words(length: usize) -> Vec<u8> {
    let words = (0..).map(|number| format!("{number} ")).take(length);
    words.collect::<String>().into_bytes()[..length].to_vec()
}

impl Harness {
    async fn begin(&self, request: BeginUploadRequest) -> Result<Upload, Status> {
        self.content.begin_upload(TEACHER.request(request)).await
    }

    async fn look(&self, upload: &Upload) -> Result<Upload, Status> {
        self.content.get_upload(TEACHER.request(named(upload))).await
    }

    async fn send(&self, actor: Actor, upload: &Upload, number: i32, data: &[u8]) -> Result<(), Status> {
        let part = PartRef {
            upload_id: upload.id.clone(),
            number,
        };
        let header = AssetHeader {
            course_id: COURSE,
            part: Some(part),
            ..AssetHeader::default()
        };
        let head = AssetPart {
            header: Some(header),
            data: Vec::new(),
        };
        let data = data.chunks(300).map(|data| AssetPart {
            header: None,
            data: data.to_vec(),
        });
        let parts: Vec<AssetPart> = [head].into_iter().chain(data).collect();
        self.content.send_part(actor.request(stream::iter(parts))).await
    }

    /// Sends all parts of a file, the last one first.
    async fn send_all(&self, upload: &Upload, data: &[u8]) {
        for (number, part) in (1..).zip(data.chunks(PART)).collect::<Vec<_>>().into_iter().rev() {
            self.send(TEACHER, upload, number, part).await.unwrap();
        }
    }

    async fn complete(&self, upload: &Upload) -> Result<Asset, Status> {
        self.content.complete_upload(TEACHER.request(named(upload))).await
    }

    async fn give_up(&self, upload: &Upload) -> Result<(), Status> {
        self.content.delete_upload(TEACHER.request(named(upload))).await
    }

    /// How many parts the store has.
    async fn parts_left(&self) -> u64 {
        self.deps.files.delete_prefix("parts").await.unwrap()
    }

    /// Puts a part into the store past the service, as whoever has a signed URL may at any time.
    async fn put(&self, upload: &Upload, number: i32, data: &[u8]) {
        let key = format!("parts/{COURSE}/{}/{number}", upload.id);
        let mut file = self.deps.files.write(&key).await.unwrap();
        file.write(Bytes::copy_from_slice(data)).await.unwrap();
        file.finish().await.unwrap();
    }
}

fn received(upload: &Upload) -> Vec<bool> {
    upload.parts.iter().map(|part| part.received).collect()
}

#[tokio::test]
async fn a_file_is_made_of_its_parts_once() {
    let harness = Harness::build().await;
    let data = words(2 * PART + 1);
    let upload = harness
        .begin(announced("../notes.txt", data.len()))
        .await
        .unwrap();
    assert_eq!(upload.part_bytes, PART as i64);
    let sizes: Vec<i64> = upload.parts.iter().map(|part| part.size_bytes).collect();
    assert_eq!(sizes, [PART as i64, PART as i64, 1]);

    harness
        .send(TEACHER, &upload, 2, &data[PART..2 * PART])
        .await
        .unwrap();
    assert_eq!(
        received(&harness.look(&upload).await.unwrap()),
        [false, true, false]
    );
    let missing = refusal(harness.complete(&upload).await);
    assert_eq!(missing.code(), "upload_incomplete");
    assert_eq!(
        missing.facts()[0],
        ("parts".to_owned(), serde_json::json!([1, 3]))
    );

    harness.send_all(&upload, &data).await;
    let (one, other) = tokio::join!(harness.complete(&upload), harness.complete(&upload));
    let asset = one.unwrap();
    assert_eq!(
        (asset.filename.as_str(), asset.size_bytes),
        ("notes.txt", data.len() as i64)
    );
    for again in [other, harness.complete(&upload).await] {
        assert_eq!(again.unwrap(), asset);
    }
    let in_one = harness
        .upload(TEACHER, crate::harness::header("notes.txt"), &data)
        .await
        .unwrap();
    assert_eq!(in_one.sha256, asset.sha256);

    // Its parts are gone, it takes no more, and giving it up leaves the file.
    assert_eq!((harness.parts_left().await, harness.under_way().await), (0, 0));
    let shown = harness.look(&upload).await.unwrap();
    assert_eq!((shown.asset_id.as_ref(), shown.parts.len()), (Some(&asset.id), 0));
    let late = refusal(harness.send(TEACHER, &upload, 1, &data[..PART]).await);
    assert_eq!(late.code(), "upload_completed");
    harness.give_up(&upload).await.unwrap();
    assert_eq!(harness.complete(&upload).await.unwrap(), asset);
}

#[tokio::test]
async fn a_file_is_made_though_its_client_hangs_up() {
    let harness = Harness::build().await;
    let upload = harness.begin(announced("a.txt", 7)).await.unwrap();
    harness.send_all(&upload, b"A saga.").await;
    let mut tx = postgres::begin(&harness.pool).await.unwrap();
    let held = sqlx::query("select id from content.part_uploads for update");
    held.fetch_one(&mut *tx).await.unwrap();
    let waits = wait_for("who completes it", async || {
        let waiting = "select count(*) from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'";
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&harness.pool).await?;
        Ok(if waiting == 1 {
            Ok(())
        } else {
            Err(waiting.to_string())
        })
    });
    tokio::select! {
        done = harness.complete(&upload) => panic!("it does not wait: {done:?}"),
        waits = waits => waits.unwrap(),
    }
    tx.rollback().await.unwrap();
    let made = wait_for("the file", async || {
        let shown = harness.look(&upload).await?;
        Ok(shown.asset_id.ok_or_else(|| "no file yet".to_owned()))
    });
    let made = made.await.unwrap();
    assert_eq!(harness.complete(&upload).await.unwrap().id, made);
}

#[tokio::test]
async fn what_was_announced_has_to_come() {
    let harness = Harness::build().await;
    let data = words(PART + 5);
    let upload = harness.begin(announced("a.txt", data.len())).await.unwrap();
    for (number, bytes, code) in [
        (1, &data[..PART - 1], "upload_mismatch"),
        (1, &data[..PART + 1], "upload_mismatch"),
        (2, &data[..6], "upload_mismatch"),
        (3, &data[..1], "not_found"),
        (0, &data[..1], "not_found"),
    ] {
        let refused = refusal(harness.send(TEACHER, &upload, number, bytes).await);
        assert_eq!(refused.code(), code, "{} bytes of part {number}", bytes.len());
    }
    // Straight to the store anything can be sent.
    harness.put(&upload, 1, &data[..PART]).await;
    harness.put(&upload, 2, &data[..4]).await;
    assert_eq!(received(&harness.look(&upload).await.unwrap()), [true, false]);
    assert_eq!(
        refusal(harness.complete(&upload).await).code(),
        "upload_incomplete"
    );

    let hashed = BeginUploadRequest {
        sha256: Some("A".repeat(64)),
        ..announced("a.txt", data.len())
    };
    let upload = harness.begin(hashed).await.unwrap();
    harness.send_all(&upload, &data).await;
    assert_eq!(refusal(harness.complete(&upload).await).code(), "upload_mismatch");
    assert_eq!(harness.under_way().await, 0);
    assert_eq!(received(&harness.look(&upload).await.unwrap()), [true, true]);
}

#[tokio::test]
async fn what_can_never_be_a_file_is_refused_before_its_first_byte() {
    let harness = Harness::build().await;
    let hash = |sha256: &str| BeginUploadRequest {
        sha256: Some(sha256.to_owned()),
        ..announced("a.txt", 1)
    };
    for (request, code) in [
        (announced("a.txt", MAX + 1), "file_too_large"),
        (announced("a.txt", 0), "empty_file"),
        (
            BeginUploadRequest {
                size_bytes: -1,
                ..announced("a.txt", 1)
            },
            "validation_failed",
        ),
        (announced("a.exe", 1), "unsupported_type"),
        (announced("..", 1), "validation_failed"),
        (
            BeginUploadRequest {
                content_type: Some(format!("text/{}", "x".repeat(255))),
                ..announced("a.txt", 1)
            },
            "validation_failed",
        ),
        (hash("abc"), "validation_failed"),
        (hash(&"g".repeat(64)), "validation_failed"),
    ] {
        let told = format!("{request:?}");
        assert_eq!(refusal(harness.begin(request).await).code(), code, "{told}");
    }
    // What its bytes say is known at the end.
    let upload = harness.begin(announced("a.pdf", 7)).await.unwrap();
    harness.send_all(&upload, b"A saga.").await;
    assert_eq!(
        refusal(harness.complete(&upload).await).code(),
        "unsupported_type"
    );
}

#[tokio::test]
async fn an_upload_is_for_the_owner_of_its_course() {
    let harness = Harness::build().await;
    let upload = harness.begin(announced("a.txt", 7)).await.unwrap();
    let request = || COLLEAGUE.request(named(&upload));
    let begun = COLLEAGUE.request(announced("a.txt", 7));
    let codes = [
        refusal(harness.content.begin_upload(begun).await),
        refusal(harness.content.get_upload(request()).await),
        refusal(harness.send(COLLEAGUE, &upload, 1, b"A saga.").await),
        refusal(harness.content.complete_upload(request()).await),
        refusal(harness.content.delete_upload(request()).await),
    ];
    assert!(codes.iter().all(|error| error.code() == "forbidden"), "{codes:?}");
    let elsewhere = UploadRef {
        course_id: COURSE + 1,
        ..named(&upload)
    };
    let elsewhere = harness.content.get_upload(TEACHER.request(elsewhere)).await;
    assert_eq!(refusal(elsewhere).code(), "not_found");
}

#[tokio::test]
async fn a_course_has_twenty_open_uploads_and_a_key_begins_one() {
    let harness = Harness::build().await;
    let keyed = |name: &str| BeginUploadRequest {
        idempotency_key: Some("k".to_owned()),
        ..announced(name, 7)
    };
    let (one, other) = tokio::join!(harness.begin(keyed("a.txt")), harness.begin(keyed("a.txt")));
    let first = one.unwrap();
    assert_eq!(other.unwrap(), first);
    assert_eq!(
        refusal(harness.begin(keyed("b.txt")).await).code(),
        "idempotency_mismatch"
    );

    try_join_all((1..20).map(|_| harness.begin(announced("a.txt", 7))))
        .await
        .unwrap();
    assert_eq!(
        refusal(harness.begin(announced("a.txt", 7)).await).code(),
        "too_many_uploads"
    );
    harness.give_up(&first).await.unwrap();
    harness.begin(announced("a.txt", 7)).await.unwrap();
}

#[tokio::test]
async fn what_is_given_up_or_not_completed_in_time_goes_with_all_that_comes_late() {
    let harness = Harness::build().await;
    let [given_up, forgotten, completed] = [
        harness.begin(announced("a.txt", 7)).await.unwrap(),
        harness.begin(announced("a.txt", 7)).await.unwrap(),
        harness.begin(announced("a.txt", 7)).await.unwrap(),
    ];
    for upload in [&given_up, &forgotten, &completed] {
        harness.send_all(upload, b"A saga.").await;
    }
    let asset = harness.complete(&completed).await.unwrap();
    harness.give_up(&given_up).await.unwrap();
    harness.give_up(&given_up).await.unwrap();
    assert_eq!(refusal(harness.look(&given_up).await).code(), "not_found");
    assert_eq!(
        refusal(harness.send(TEACHER, &given_up, 1, b"A saga.").await).code(),
        "not_found"
    );

    harness.clock.advance(DAY - HOUR);
    assert_eq!(harness.sweep().await.unwrap(), 0);
    assert_eq!(received(&harness.look(&forgotten).await.unwrap()), [true]);
    harness.clock.advance(HOUR);
    assert_eq!(refusal(harness.complete(&forgotten).await).code(), "not_found");
    // The other two ended a day ago: what a signed URL brought since goes with their rows.
    harness.put(&given_up, 1, b"late").await;
    harness.put(&completed, 1, b"late").await;
    assert_eq!(harness.sweep().await.unwrap(), 3);
    assert_eq!(harness.parts_left().await, 0);
    assert_eq!(refusal(harness.complete(&completed).await).code(), "not_found");

    harness.put(&forgotten, 1, b"late").await;
    harness.clock.advance(DAY);
    // The file is looked at once a day, too.
    assert!(harness.sweep().await.unwrap() >= 1);
    assert_eq!(harness.parts_left().await, 0);
    let rows = sqlx::query_scalar("select count(*) from content.part_uploads");
    let rows: i64 = rows.fetch_one(&harness.pool).await.unwrap();
    assert_eq!(rows, 0);
    let request = GetAssetRequest {
        course_id: COURSE,
        asset_id: asset.id.clone(),
    };
    assert_eq!(
        harness.content.get_asset(TEACHER.request(request)).await.unwrap(),
        asset
    );
}

#[tokio::test]
async fn a_deleted_course_takes_its_uploads_along() {
    let harness = Harness::build().await;
    let upload = harness.begin(announced("a.txt", 7)).await.unwrap();
    harness.send_all(&upload, b"A saga.").await;
    let removal = FileRemoval::new(harness.pool.clone(), harness.deps.files.clone());
    let task = Task::new(uuid::Uuid::nil(), removal.kind(), &COURSE).unwrap();
    removal.handle(&task).await.unwrap();
    let mut connection = harness.pool.acquire().await.unwrap();
    removal
        .settle(&mut connection, &task, Outcome::Done)
        .await
        .unwrap();
    assert_eq!(harness.parts_left().await, 0);
    assert_eq!(refusal(harness.look(&upload).await).code(), "not_found");
}
