//! The contract of the file port: what the services use of `object_store`.

use futures::TryStreamExt as _;
use smartcourse_platform::{
    Error,
    engines::files::{FilePath, Files, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, WriteMultipart},
    error::codes,
};

/// Of a directory alone: what a process that died was writing goes when nobody can be writing it any more.
pub(crate) fn broken_writes_go(root: &std::path::Path) {
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
    smartcourse_platform::engines::files::directory(root).unwrap();
    let there = |name: &str| root.join(name).exists();
    assert_eq!(
        [there("staging/a#1"), there("staging/b#1"), there("staging/c")],
        [false, true, true]
    );
}

pub(crate) async fn files_contract(store: Files) {
    let path = |name: &str| FilePath::from(name);
    let read = async |name: &str| store.get(&path(name)).await.unwrap().bytes().await.unwrap();
    let list = async |prefix: &str| -> Vec<String> {
        let found: Vec<_> = store.list(Some(&path(prefix))).try_collect().await.unwrap();
        let mut names: Vec<String> = found.into_iter().map(|file| file.location.to_string()).collect();
        names.sort();
        names
    };
    let missing = Error::from(store.get(&path("c/v1/a")).await.unwrap_err());
    assert!(missing.is(&codes::NOT_FOUND), "{}", missing.chain());
    store
        .put(&path("c/v1/a"), PutPayload::from_static(b"0123456789"))
        .await
        .unwrap();
    assert_eq!(read("c/v1/a").await, "0123456789");
    assert_eq!(store.get_range(&path("c/v1/a"), 2..5).await.unwrap(), "234");
    assert_eq!(store.head(&path("c/v1/a")).await.unwrap().size, 10);
    store
        .put(&path("c/v1/a"), PutPayload::from_static(b"new"))
        .await
        .unwrap();
    assert_eq!(read("c/v1/a").await, "new", "replaced as a whole");
    let create = PutOptions {
        mode: PutMode::Create,
        ..PutOptions::default()
    };
    assert!(
        store
            .put_opts(&path("c/v1/a"), PutPayload::from_static(b"x"), create)
            .await
            .is_err()
    );
    assert_eq!(read("c/v1/a").await, "new", "created once");
    store
        .put(&path("c/v1/empty ü%"), PutPayload::new())
        .await
        .unwrap();
    assert!(read("c/v1/empty ü%").await.is_empty());

    store.copy(&path("c/v1/a"), &path("c/v10/a")).await.unwrap();
    store.copy(&path("c/v1/a"), &path("c/v10/a")).await.unwrap();
    assert_eq!(read("c/v10/a").await, "new");
    let error = Error::from(store.copy(&path("nothing"), &path("c/v1/b")).await.unwrap_err());
    assert!(error.is(&codes::NOT_FOUND), "{}", error.chain());

    // In parts: nothing is seen before the end, nor after a break.
    let big: Vec<u8> = (0..=250).cycle().take(300_000).collect();
    let mut upload =
        WriteMultipart::new_with_chunk_size(store.put_multipart(&path("c/v1/big")).await.unwrap(), 64 * 1024);
    for part in big.chunks(10_000) {
        upload.wait_for_capacity(2).await.unwrap();
        upload.write(part);
    }
    assert!(store.head(&path("c/v1/big")).await.is_err());
    upload.finish().await.unwrap();
    assert_eq!(read("c/v1/big").await, big);
    let mut broken = WriteMultipart::new(store.put_multipart(&path("c/v1/broken")).await.unwrap());
    broken.write(b"half");
    broken.abort().await.unwrap();

    let names = ["c/v1/a", "c/v1/big", "c/v1/empty ü%"].map(|name| path(name).to_string());
    assert_eq!(list("c/v1").await, names, "a prefix is whole segments");
    assert_eq!(list("c").await.len(), 4);
    assert!(list("d").await.is_empty());
    for name in &names {
        store.delete(&FilePath::parse(name).unwrap()).await.unwrap();
    }
    assert!(list("c/v1").await.is_empty());
    assert_eq!(read("c/v10/a").await, "new");
    match store.delete(&path("c/v1/a")).await.map_err(Error::from) {
        Ok(()) => {}
        Err(error) => assert!(error.is(&codes::NOT_FOUND), "{}", error.chain()),
    }
}
