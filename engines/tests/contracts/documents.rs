//! The contract of the document port.

use futures::future::try_join_all;
use serde_json::{Value, json};
use smartcourse_platform::{
    error::codes,
    ports::documents::{Documents, MAX_BYTES},
};
use smartcourse_tests::wait_for;

/// Which of these keys have a document.
async fn there<'a>(store: &dyn Documents, keys: &[&'a str]) -> Vec<&'a str> {
    let wanted: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let found = store.get_many("c", &wanted).await.unwrap();
    let is_there = |key: &&&str| found.iter().any(|(found, _)| found == **key);
    keys.iter().filter(is_there).copied().collect()
}

pub(crate) async fn documents_contract(store: &dyn Documents) {
    let body = |n: i64| json!({ "n": n, "text": "ü \"quoted\"", "list": [1, null, 2.5] });
    assert_eq!(store.get("c", "1/v1/a").await.unwrap(), None);
    store.put("c", "1/v1/a", &body(1)).await.unwrap();
    assert_eq!(store.get("c", "1/v1/a").await.unwrap(), Some(body(1)));
    store.put("c", "1/v1/a", &body(2)).await.unwrap();
    assert_eq!(store.get("c", "1/v1/a").await.unwrap(), Some(body(2)), "replaced");
    assert_eq!(
        store.get("other", "1/v1/a").await.unwrap(),
        None,
        "collections are apart"
    );
    store.put("other", "1/v1/a", &body(3)).await.unwrap();

    store.put("c", "1/v1/b", &Value::Null).await.unwrap();
    store.put("c", "1/v10/a", &body(4)).await.unwrap();
    let wanted = ["1/v1/b", "1/v1/a", "missing", "1/v1/a"].map(str::to_owned);
    let mut many = store.get_many("c", &wanted).await.unwrap();
    many.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        many,
        [("1/v1/a".to_owned(), body(2)), ("1/v1/b".to_owned(), Value::Null)]
    );
    assert!(store.get_many("c", &[]).await.unwrap().is_empty());

    // Prefixes are literal, whatever the engine's pattern language.
    let odd = [
        "p%/1",
        "p%/2",
        "px/1",
        "q_/1",
        "qx/1",
        r"r\/1",
        "r/1",
        "P%/1",
        "ü/1",
        "\u{10ffff}/1",
    ];
    for key in odd {
        store.put("c", key, &body(0)).await.unwrap();
    }
    store.put("c", "1/v9", &json!(9)).await.unwrap();
    store.put("c", "1/v90", &json!(90)).await.unwrap();
    store.delete("c", "1/v9").await.unwrap();
    assert_eq!(store.get("c", "1/v9").await.unwrap(), None);
    assert_eq!(store.get("c", "1/v90").await.unwrap(), Some(json!(90)));
    store.delete("c", "1/v90").await.unwrap();
    store.delete("c", "1/v90").await.unwrap();
    assert_eq!(store.delete_prefix("c", "1/v1/").await.unwrap(), 2);
    assert_eq!(
        store.delete_prefix("c", "1/v1/").await.unwrap(),
        0,
        "again is nothing"
    );
    assert_eq!(there(store, &["1/v1/a", "1/v1/b", "1/v10/a"]).await, ["1/v10/a"]);
    for (prefix, gone) in [("p%", 2), ("q_/1", 1), ("r\\", 1), ("ü", 1), ("\u{10ffff}", 1)] {
        assert_eq!(
            store.delete_prefix("c", prefix).await.unwrap(),
            gone,
            "{prefix}: a prefix is characters, and a whole key is one too"
        );
    }
    assert_eq!(there(store, &odd).await, ["px/1", "qx/1", "r/1", "P%/1"]);
    assert_eq!(store.get("other", "1/v1/a").await.unwrap(), Some(body(3)));

    pages_to_the_last(store).await;
    by_many(store).await;

    let long = json!("x".repeat(MAX_BYTES));
    let error = store.put("c", "long", &long).await.unwrap_err();
    assert!(error.is(&codes::DOCUMENT_TOO_LARGE), "{}", error.chain());
    let fits = json!("x".repeat(MAX_BYTES - 2));
    store.put("c", "long", &fits).await.unwrap();
    assert_eq!(store.get("c", "long").await.unwrap(), Some(fits));

    store.prepare().await.unwrap();
    assert_eq!(
        there(store, &["px/1"]).await,
        ["px/1"],
        "to prepare again is nothing"
    );
}

/// A thousand writers at once, two to each key: what is there is what one of both has written.
async fn by_many(store: &dyn Documents) {
    let body = |writer: usize| json!({ "writer": writer, "text": writer.to_string().repeat(500) });
    let key = |number: usize| format!("{number:03}");
    // One whose turn does not come in time is told so, and tries again.
    let write = async |writer: usize| {
        wait_for("its turn", async || -> anyhow::Result<_> {
            match store.put("many", &key(writer / 2), &body(writer)).await {
                Err(error) if error.is(&codes::UNAVAILABLE) => Ok(Err(error.chain())),
                written => Ok(Ok(written?)),
            }
        })
        .await
    };
    try_join_all((0..1_000).map(write)).await.unwrap();
    let found = store.page("many", "", 1_000).await.unwrap();
    assert_eq!(found.len(), 500, "all of them, each once");
    for (number, (found, written)) in found.iter().enumerate() {
        assert_eq!(*found, key(number));
        assert!(
            [body(2 * number), body(2 * number + 1)].contains(written),
            "{written}"
        );
    }
    assert_eq!(store.delete_prefix("many", "").await.unwrap(), 500);
}

/// All documents, page by page, each once and in the order of the bytes of their keys.
async fn pages_to_the_last(store: &dyn Documents) {
    assert!(store.page("paged", "", 3).await.unwrap().is_empty());
    let mut keys = vec![
        "1/v1/a",
        "1/v1/A",
        "1/v10/a",
        "1/v1/é",
        "z",
        "Z",
        "\u{ffff}",
        "\u{10ffff}",
        "a b",
        "a%_\\",
        " ",
    ];
    for key in &keys {
        store.put("paged", key, &json!({ "key": key })).await.unwrap();
    }
    keys.sort_unstable();
    for limit in [1, 3, 11, 50] {
        let mut found: Vec<String> = Vec::new();
        loop {
            let after = found.last().cloned().unwrap_or_default();
            let page = store.page("paged", &after, limit).await.unwrap();
            assert!(page.len() <= limit as usize);
            assert!(page.iter().all(|(key, body)| *body == json!({ "key": key })));
            let ends = page.len() < limit as usize;
            found.extend(page.into_iter().map(|(key, _)| key));
            if ends {
                break;
            }
        }
        assert_eq!(found, keys, "by {limit}");
    }
    assert!(store.page("paged", "\u{10ffff}", 3).await.unwrap().is_empty());
    assert_eq!(store.delete_prefix("paged", "").await.unwrap(), 11);
}
