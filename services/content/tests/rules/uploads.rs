//! Uploads: what is taken, from whom, and what a refused one leaves behind.

use futures::{TryStreamExt as _, stream};
use smartcourse_platform::grpc::Actor;
use smartcourse_proto::{
    content::{AssetHeader, AssetPart, ByteRange, GetAssetRequest, ReadAssetRequest},
    ids::UserId,
    user::Role,
};
use smartcourse_tests::refusal;
use tonic::Status;

use crate::harness::{COLLEAGUE, COURSE, Harness, MAX, TEACHER, document, header};

const STUDENT: Actor = Actor::User {
    id: UserId(9),
    role: Role::Student,
};

fn get(asset_id: &str) -> GetAssetRequest {
    GetAssetRequest {
        course_id: COURSE,
        asset_id: asset_id.to_owned(),
    }
}

/// The bytes of a file, or of a part of it, and which part is told of.
async fn read(
    harness: &Harness,
    actor: Actor,
    asset_id: &str,
    range: Option<ByteRange>,
) -> Result<(Option<ByteRange>, Vec<u8>), Status> {
    let request = ReadAssetRequest {
        course_id: COURSE,
        asset_id: asset_id.to_owned(),
        range,
        disposition: None,
    };
    let parts = harness.content.read_asset(actor.request(request)).await?;
    let parts: Vec<AssetPart> = parts.try_collect().await?;
    let told = parts[0].header.clone().unwrap().range;
    Ok((told, parts.into_iter().flat_map(|part| part.data).collect()))
}

#[tokio::test]
async fn a_file_comes_back_as_it_was() {
    let harness = Harness::build().await;
    let data: Vec<u8> = (b'a'..=b'z').cycle().take(5000).collect();
    let asset = harness
        .upload(TEACHER, header("../notes.txt"), &data)
        .await
        .unwrap();
    assert_eq!((asset.filename.as_str(), asset.size_bytes), ("notes.txt", 5000));
    assert_eq!(asset.content_type, "text/plain");
    assert_eq!(harness.under_way().await, 0);
    assert_eq!(
        read(&harness, TEACHER, &asset.id, None).await.unwrap(),
        (None, data)
    );
}

#[tokio::test]
async fn a_part_of_a_file_is_read_alone() {
    let harness = Harness::build().await;
    let asset = harness
        .upload(TEACHER, header("a.txt"), b"0123456789")
        .await
        .unwrap();
    let part =
        async |actor, start, end| read(&harness, actor, &asset.id, Some(ByteRange { start, end })).await;
    for (start, end) in [(0, 10), (0, 1), (3, 7), (9, 10)] {
        let (told, bytes) = part(TEACHER, start, end).await.unwrap();
        assert_eq!(told, Some(ByteRange { start, end }));
        assert_eq!(bytes, b"0123456789"[start as usize..end as usize]);
    }
    for (start, end) in [(0, 0), (7, 3), (9, 11), (10, 11), (0, u64::MAX)] {
        let refused = refusal(part(TEACHER, start, end).await);
        assert_eq!(refused.code(), "validation_failed", "{start} to {end}");
    }
    assert_eq!(refusal(part(COLLEAGUE, 0, 1).await).code(), "not_found");
}

#[tokio::test]
async fn a_file_is_its_owners_until_a_version_has_it() {
    let harness = Harness::build().await;
    for (actor, code) in [(COLLEAGUE, "forbidden"), (Actor::Anonymous, "unauthenticated")] {
        let refused = harness.upload(actor, header("a.txt"), b"A saga.").await;
        assert_eq!(refusal(refused).code(), code);
    }
    let asset = harness
        .upload(TEACHER, header("a.txt"), b"A saga.")
        .await
        .unwrap();
    let read = async |actor: Actor| harness.content.get_asset(actor.request(get(&asset.id))).await;
    for actor in [COLLEAGUE, STUDENT] {
        assert_eq!(refusal(read(actor).await).code(), "not_found");
    }
    assert_eq!(read(TEACHER).await.unwrap(), asset);
    harness.save(1, &[document("d", &asset.id)]);
    harness.copy_files(1).await.unwrap();
    assert_eq!(read(STUDENT).await.unwrap(), asset);
    // Its name means nothing in another course.
    let elsewhere = GetAssetRequest {
        course_id: COURSE + 1,
        ..get(&asset.id)
    };
    let elsewhere = harness.content.get_asset(TEACHER.request(elsewhere)).await;
    assert_eq!(refusal(elsewhere).code(), "not_found");
}

#[tokio::test]
async fn what_a_file_says_it_is_has_to_be_true() {
    let harness = Harness::build().await;
    let typed = |name: &str, declared: &str| AssetHeader {
        content_type: Some(declared.to_owned()),
        ..header(name)
    };
    for (header, data, code) in [
        (header("a.pdf"), &b"A saga."[..], "unsupported_type"),
        (header("a.txt"), b"\x7fELF\x02\0", "unsupported_type"),
        (header("a.exe"), b"MZ", "unsupported_type"),
        (typed("a.txt", "application/pdf"), b"A saga.", "unsupported_type"),
        (
            header("a.doc"),
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "unsupported_type",
        ),
        (header("a.docx"), b"A saga.", "unsupported_type"),
        (header("a.txt"), b"", "empty_file"),
        (header(".."), b"A saga.", "validation_failed"),
    ] {
        let name = header.filename.clone();
        let refused = refusal(harness.upload(TEACHER, header, data).await);
        assert_eq!(refused.code(), code, "{name}");
    }
    let parts = stream::iter([AssetPart::default()]);
    let headless = harness.content.upload_asset(TEACHER.request(parts)).await;
    assert_eq!(refusal(headless).code(), "malformed_request");
    harness
        .upload(TEACHER, typed("a.md", "text/plain"), b"# A saga")
        .await
        .unwrap();
    harness
        .upload(TEACHER, typed("a.pdf", "application/octet-stream"), b"%PDF-1.7\n")
        .await
        .unwrap();
    // Browsers that do not know a format say what it is made of.
    let book = harness
        .upload(TEACHER, typed("a.epub", "application/zip"), b"PK\x03\x04")
        .await
        .unwrap();
    assert_eq!(book.content_type, "application/epub+zip");
}

#[tokio::test]
async fn a_file_that_is_too_large_leaves_nothing_behind() {
    let harness = Harness::build().await;
    let declared = AssetHeader {
        declared_size: Some(MAX as i64 + 1),
        ..header("a.txt")
    };
    let refused = refusal(harness.upload(TEACHER, declared, b"A saga.").await);
    assert_eq!(refused.code(), "file_too_large");
    // Whatever was declared, the bytes count.
    let understated = AssetHeader {
        declared_size: Some(7),
        ..header("a.txt")
    };
    let refused = refusal(harness.upload(TEACHER, understated, &vec![b'a'; MAX + 1]).await);
    assert_eq!(refused.code(), "file_too_large");
    assert_eq!(harness.under_way().await, 0);
    assert_eq!(harness.deps.files.delete_prefix("staging").await.unwrap(), 0);
    harness
        .upload(TEACHER, header("a.txt"), &vec![b'a'; MAX])
        .await
        .unwrap();
}

#[tokio::test]
async fn a_request_that_comes_twice_under_a_key_is_one_file() {
    let harness = Harness::build().await;
    let keyed = |name: &str| AssetHeader {
        idempotency_key: Some("k".to_owned()),
        ..header(name)
    };
    let (one, other) = tokio::join!(
        harness.upload(TEACHER, keyed("a.txt"), b"A saga."),
        harness.upload(TEACHER, keyed("a.txt"), b"A saga."),
    );
    let asset = one.unwrap();
    assert_eq!(other.unwrap(), asset);
    let again = harness.upload(TEACHER, keyed("a.txt"), b"A saga.").await.unwrap();
    assert_eq!(again, asset);
    let mismatch = refusal(harness.upload(TEACHER, keyed("b.txt"), b"A saga.").await);
    assert_eq!(mismatch.code(), "idempotency_mismatch");
    assert_eq!(harness.under_way().await, 0);
    let different = harness
        .upload(TEACHER, header("a.txt"), b"A saga.")
        .await
        .unwrap();
    assert_ne!(different.id, asset.id);
    assert_eq!(harness.deps.files.delete_prefix("staging").await.unwrap(), 2);
}
