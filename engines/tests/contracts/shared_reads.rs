//! The contract of the shared read port.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use smartcourse_platform::ports::shared_reads::SharedReads;
use smartcourse_tests::wait_for;

pub(crate) const LONG: Duration = Duration::from_secs(3600);

pub(crate) async fn shared_reads_contract(reads: &dyn SharedReads) {
    assert_eq!(reads.get("unknown").await, None);
    let all_bytes: Vec<u8> = (0..=u8::MAX).cycle().take(1 << 20).collect();
    let values = [
        ("empty", Bytes::new()),
        ("largest", Bytes::from(all_bytes)),
        (r#"{"q":"Ünïcödé 日本 \u0000 🦀"}"#, Bytes::from_static(b"\0\xff")),
    ];
    for (key, value) in &values {
        reads.put(key, value.clone(), LONG).await;
    }
    for (key, value) in &values {
        assert!(reads.get(key).await.as_ref() == Some(value), "{key}");
    }
    let many = (0..1_000).map(|number| async move {
        let (key, value) = (format!("many/{number}"), Bytes::from(number.to_string()));
        reads.put(&key, value.clone(), LONG).await;
        assert_eq!(reads.get(&key).await, Some(value));
    });
    join_all(many).await;

    reads
        .put("short", Bytes::from_static(b"x"), Duration::from_millis(200))
        .await;
    wait_for("a value to expire", async || -> anyhow::Result<_> {
        let found = reads.get("short").await;
        Ok(found.map_or(Ok(()), |found| Err(format!("{found:?}"))))
    })
    .await
    .unwrap();
    assert_eq!(
        reads.get("many/7").await,
        Some(Bytes::from_static(b"7")),
        "others stay"
    );
}

/// Two processes agree on the generations of a topic, and none comes back.
pub(crate) async fn generations_contract(one: &dyn SharedReads, other: &dyn SharedReads) {
    let first = one.generation("a").await.unwrap();
    assert_eq!(
        other.generation("a").await.as_ref(),
        Some(&first),
        "it is made once"
    );
    let beside = one.generation("b").await.unwrap();
    let mut earlier = vec![first];
    for advancing in [one, other, other, one] {
        advancing.advance("a").await;
        let next = one.generation("a").await.unwrap();
        assert_eq!(other.generation("a").await.as_ref(), Some(&next));
        assert!(!earlier.contains(&next), "{next} of {earlier:?}");
        earlier.push(next);
    }
    assert_eq!(
        other.generation("b").await,
        Some(beside),
        "each topic has its own"
    );
}
