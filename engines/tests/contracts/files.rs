//! The contract of the file port.

use std::ops::Range;
#[cfg(feature = "real")]
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, future::join_all};
#[cfg(feature = "real")]
use smartcourse_platform::ports::files::Grant;
use smartcourse_platform::{
    error::codes,
    ports::files::{Files, Stored},
    server::raise_descriptors,
};

async fn write(store: &dyn Files, key: &str, content: &[u8]) {
    let mut file = store.write(key).await.unwrap();
    file.write(Bytes::copy_from_slice(content)).await.unwrap();
    file.finish().await.unwrap();
}

async fn read(store: &dyn Files, key: &str) -> Vec<u8> {
    let parts: Vec<Bytes> = store.read(key).await.unwrap().try_collect().await.unwrap();
    parts.concat()
}

async fn read_range(store: &dyn Files, key: &str, range: Range<u64>) -> Vec<u8> {
    let parts = store.read_range(key, range).await.unwrap();
    parts.try_collect::<Vec<Bytes>>().await.unwrap().concat()
}

/// Of a directory alone: what a process that died was writing goes when nobody can be writing it any more.
pub(crate) async fn broken_writes_go(store: &dyn Files, root: &std::path::Path) {
    let day = std::time::Duration::from_secs(25 * 3600);
    let make = |name: &str, old: bool| {
        let file = std::fs::File::create(root.join(name)).unwrap();
        if old {
            file.set_modified(std::time::SystemTime::now() - day).unwrap();
        }
    };
    std::fs::create_dir_all(root.join("staging")).unwrap();
    make("staging/a#1", true);
    make("staging/b#1", false);
    make("staging/c", true);
    store.sweep().await.unwrap();
    let there = |name: &str| root.join(name).exists();
    assert_eq!(
        [there("staging/a#1"), there("staging/b#1"), there("staging/c")],
        [false, true, true]
    );
}

pub(crate) async fn files_contract(store: &dyn Files) {
    assert!(store.list().next().await.is_none());
    let missing = store.read("c/v1/a").await.err().unwrap();
    assert!(missing.is(&codes::NOT_FOUND), "{}", missing.chain());
    assert_eq!(store.size("c/v1/a").await.unwrap(), None);
    write(store, "c/v1/a", b"0123456789").await;
    assert_eq!(read(store, "c/v1/a").await, b"0123456789");
    assert_eq!(store.size("c/v1/a").await.unwrap(), Some(10));
    for (range, bytes) in [(0..10, "0123456789"), (0..1, "0"), (3..7, "3456"), (9..10, "9")] {
        assert_eq!(read_range(store, "c/v1/a", range).await, bytes.as_bytes());
    }
    let missing = store.read_range("c/v1/b", 0..1).await.err().unwrap();
    assert!(missing.is(&codes::NOT_FOUND), "{}", missing.chain());
    write(store, "c/v1/a", b"new").await;
    assert_eq!(read(store, "c/v1/a").await, b"new", "replaced as a whole");
    store
        .write("c/v1/empty ü%")
        .await
        .unwrap()
        .finish()
        .await
        .unwrap();
    assert!(read(store, "c/v1/empty ü%").await.is_empty());

    for _ in 0..2 {
        store.copy("c/v1/a", "c/v10/a").await.unwrap();
        assert_eq!(read(store, "c/v10/a").await, b"new");
    }
    let error = store.copy("nothing", "c/v1/b").await.unwrap_err();
    assert!(error.is(&codes::NOT_FOUND), "{}", error.chain());

    // In parts: nothing is seen before the end, nor after a break.
    let big: Vec<u8> = (0..=250).cycle().take(12_000_000).collect();
    let mut file = store.write("c/v1/big").await.unwrap();
    for part in big.chunks(1_000_000) {
        file.write(Bytes::copy_from_slice(part)).await.unwrap();
    }
    assert_eq!(store.size("c/v1/big").await.unwrap(), None);
    file.finish().await.unwrap();
    assert_eq!(read(store, "c/v1/big").await, big);
    let middle = read_range(store, "c/v1/big", 4_000_000..11_000_001).await;
    assert_eq!(middle, big[4_000_000..11_000_001]);
    for is_told in [true, false] {
        let mut broken = store.write("c/v1/broken").await.unwrap();
        broken.write(Bytes::from_static(b"half")).await.unwrap();
        match is_told {
            true => broken.abort().await.unwrap(),
            false => drop(broken),
        }
        assert_eq!(store.size("c/v1/broken").await.unwrap(), None);
    }

    // Every file, by the key it was written with.
    let mut found: Vec<Stored> = store.list().try_collect().await.unwrap();
    found.sort_by(|a, b| a.key.cmp(&b.key));
    let found: Vec<(&str, u64)> = found.iter().map(|file| (file.key.as_str(), file.size)).collect();
    let expected = [
        ("c/v1/a", 3),
        ("c/v1/big", 12_000_000),
        ("c/v1/empty ü%", 0),
        ("c/v10/a", 3),
    ];
    assert_eq!(found, expected);

    store.delete("c/v1/big").await.unwrap();
    store.delete("c/v1/big").await.unwrap();
    assert_eq!(store.size("c/v1/big").await.unwrap(), None);
    store.prepare().await.unwrap();
    store.sweep().await.unwrap();
    assert_eq!(
        store.delete_prefix("c/v1").await.unwrap(),
        2,
        "a prefix is whole segments"
    );
    assert_eq!(store.delete_prefix("c/v1").await.unwrap(), 0, "again is nothing");
    assert_eq!(read(store, "c/v10/a").await, b"new");
    assert_eq!(store.delete_prefix("d").await.unwrap(), 0);
    by_many(store).await;
}

/// A thousand writers at once, two to each key, while another prefix is removed: what is there is what one of both has written.
async fn by_many(store: &dyn Files) {
    // Each has a file or a connection.
    raise_descriptors().unwrap();
    let content = |writer: usize| writer.to_string().repeat(500).into_bytes();
    let key = |number: usize| format!("many/v1/{number}");
    join_all((0..50).map(async |number| write(store, &format!("many/v2/{number}"), b"old").await)).await;
    let writers = (0..1_000).map(async |writer| write(store, &key(writer / 2), &content(writer)).await);
    let (_, gone) = tokio::join!(join_all(writers), store.delete_prefix("many/v2"));
    assert_eq!(gone.unwrap(), 50);
    for number in 0..500 {
        let found = read(store, &key(number)).await;
        assert!(
            [content(2 * number), content(2 * number + 1)].contains(&found),
            "{number}"
        );
    }
    assert_eq!(
        store.delete_prefix("many").await.unwrap(),
        500,
        "all of them, each once"
    );
}

/// On a disk that takes no file of 4 MiB: what does not fit is refused and leaves nothing, what was there stays, what fits is taken.
pub(crate) async fn full_disk_contract(store: &dyn Files) {
    write(store, "c/v1/a", b"small").await;
    for key in ["c/v1/a", "c/v1/b"] {
        let mut file = store.write(key).await.unwrap();
        let written = async {
            for _ in 0..12 {
                file.write(Bytes::from(vec![0; 1 << 20])).await?;
            }
            file.finish().await
        };
        let error = written.await.unwrap_err();
        assert!(error.is(&codes::UNAVAILABLE), "{}", error.chain());
    }
    assert_eq!(read(store, "c/v1/a").await, b"small");
    write(store, "c/v1/c", b"as small").await;
    let mut found: Vec<String> = store.list().map_ok(|file| file.key).try_collect().await.unwrap();
    found.sort_unstable();
    assert_eq!(found, ["c/v1/a", "c/v1/c"]);
}

/// Whether this process has such a disk. If not, it runs this test in another one that has.
pub(crate) fn has_full_disk(test: &str) -> bool {
    const HAS: &str = "SMARTCOURSE_FULL_DISK";
    if std::env::var_os(HAS).is_some() {
        return true;
    }
    // No file may be larger than 1 or 2 MiB, as the shell counts; who writes more is not ended but refused.
    let limited = "trap '' XFSZ; ulimit -f 2048; exec \"$@\"";
    let program = std::env::current_exe().unwrap();
    let mut other = std::process::Command::new("sh");
    other.args(["-c", limited, "sh"]).arg(program).env(HAS, "1");
    let ended = other
        .args(["--include-ignored", "--exact", test])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// Of a store that others reach: what a signed URL lets anybody do, for how long, and that it is no other's.
#[cfg(feature = "real")]
pub(crate) async fn signed_urls(store: &dyn Files) {
    const MINUTE: Duration = Duration::from_secs(60);
    let http = reqwest::Client::new();
    let sign = async |key, grant, lifetime| store.sign(key, grant, lifetime).await.unwrap().unwrap();
    let put = async |url: &str, bytes: &'static str| {
        let answer = http.put(url).body(bytes).send().await.unwrap();
        answer.status().as_u16()
    };
    let get = async |url: &str| http.get(url).send().await.unwrap();

    let write = sign("parts/7/u 1/ä", Grant::Write, MINUTE).await;
    assert_eq!(put(&write, "once").await, 200);
    assert_eq!(put(&write, "twice").await, 200);
    assert_eq!(read(store, "parts/7/u 1/ä").await, b"twice");
    let as_ours = Grant::Read {
        content_type: "text/vtt",
        disposition: "attachment; filename=\"a b.vtt\"; filename*=UTF-8''%C3%A4.vtt",
    };
    let found = get(&sign("parts/7/u 1/ä", as_ours, MINUTE).await).await;
    assert_eq!(found.status(), 200);
    let Grant::Read {
        content_type,
        disposition,
    } = as_ours
    else {
        unreachable!()
    };
    assert_eq!(found.headers()["content-type"], content_type);
    assert_eq!(found.headers()["content-disposition"], disposition);
    assert_eq!(found.text().await.unwrap(), "twice");

    // It is for this file, to do this, as it was signed, and not for ever.
    assert_eq!(get(&write).await.status(), 403);
    assert_eq!(put(&sign("parts/7/u 1/ä", as_ours, MINUTE).await, "x").await, 403);
    assert_eq!(put(&write.replace("/7/", "/8/"), "x").await, 403);
    assert_eq!(put(&write.replace("Expires=60", "Expires=6000"), "x").await, 403);
    assert_eq!(get(write.split_once('?').unwrap().0).await.status(), 403);
    let short = sign("parts/7/u 1/ä", as_ours, Duration::from_secs(1)).await;
    let refused = async || -> anyhow::Result<_> {
        let status = get(&short).await.status();
        Ok(if status == 403 {
            Ok(())
        } else {
            Err(status.to_string())
        })
    };
    smartcourse_tests::wait_for("the end of a URL", refused)
        .await
        .unwrap();
    store.delete_prefix("parts").await.unwrap();
}
