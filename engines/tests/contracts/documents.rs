//! The contract of the document port.

use serde_json::{Value, json};
use smartcourse_platform::engines::documents::Documents;

async fn keys(store: &dyn Documents, prefix: &str) -> Vec<String> {
    store
        .list("c", prefix, "", 100)
        .await
        .unwrap()
        .into_iter()
        .map(|(key, _)| key)
        .collect()
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
    for key in ["p%/1", "p%/2", "px/1", "q_/1", "qx/1", r"r\/1", "r/1", "P%/1"] {
        store.put("c", key, &body(0)).await.unwrap();
    }
    assert_eq!(keys(store, "p%").await, ["p%/1", "p%/2"]);
    assert_eq!(keys(store, "q_").await, ["q_/1"]);
    assert_eq!(keys(store, r"r\").await, [r"r\/1"]);
    assert_eq!(keys(store, "1/v1/").await, ["1/v1/a", "1/v1/b"]);
    assert_eq!(
        keys(store, "1/v1").await.len(),
        3,
        "a prefix is characters, not segments"
    );
    assert_eq!(keys(store, "").await.len(), 11);

    // Pages follow one another without a gap, in the order of the keys' bytes.
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = store.list("c", "", &after, 3).await.unwrap();
        assert!(page.len() <= 3);
        let Some((last, _)) = page.last() else { break };
        after.clone_from(last);
        seen.extend(page.into_iter().map(|(key, _)| key));
    }
    assert_eq!(seen.len(), 11);
    assert!(seen.is_sorted_by(|a, b| a.as_bytes() < b.as_bytes()), "{seen:?}");

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
    assert_eq!(keys(store, "1/").await, ["1/v10/a"]);
    assert_eq!(store.delete_prefix("c", "p%").await.unwrap(), 2);
    assert_eq!(
        store.delete_prefix("c", "q_/1").await.unwrap(),
        1,
        "a whole key is a prefix too"
    );
    assert_eq!(
        keys(store, "").await,
        ["1/v10/a", "P%/1", "px/1", "qx/1", "r/1", r"r\/1"]
    );
    assert_eq!(store.get("other", "1/v1/a").await.unwrap(), Some(body(3)));
}
