//! The contract of the cache port.

use bytes::Bytes;
use smartcourse_platform::engines::cache::Cache;

pub(crate) async fn cache_contract(cache: &dyn Cache) {
    let value = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    assert_eq!(cache.get("a").await, None);
    cache.put("a", Bytes::from_static(b"1")).await;
    cache.put("b", Bytes::new()).await;
    assert_eq!(cache.get("a").await, value("1"));
    assert_eq!(cache.get("b").await, value(""), "an empty value is a value");
    assert_eq!(cache.get("A").await, None);
    cache.put("a", Bytes::from_static(b"2")).await;
    assert_eq!(cache.get("a").await, value("2"));
    for _ in 0..2 {
        cache.remove("a").await;
        assert_eq!(cache.get("a").await, None);
    }
    assert_eq!(cache.get("b").await, value(""));
}
