//! The contract of the vector port.

use smartcourse_platform::engines::vectors::{Vector, Vectors};
use smartcourse_proto::ids::VersionId;

use crate::version;

fn vector(lesson: &str, ordinal: i32, embedding: [f32; 3]) -> Vector {
    Vector {
        lesson_id: lesson.to_owned(),
        ordinal,
        embedding: embedding.to_vec(),
    }
}

async fn nearest(store: &dyn Vectors, model: &str, of: VersionId, limit: usize) -> Vec<(String, i32)> {
    let near = store.nearest(model, of, &[1.0, 0.0, 0.0], limit).await.unwrap();
    assert!(near.is_sorted_by(|a, b| a.score >= b.score), "{near:?}");
    near.into_iter()
        .map(|near| (near.lesson_id, near.ordinal))
        .collect()
}

pub(crate) async fn vectors_contract(store: &dyn Vectors) {
    let (one, two, other) = (version(1, 1), version(1, 2), version(2, 1));
    let place = |lesson: &str, ordinal: i32| (lesson.to_owned(), ordinal);
    assert!(nearest(store, "m", one, 5).await.is_empty());
    let a = [
        vector("a", 0, [0.0, 1.0, 0.0]),
        vector("a", 1, [1.0, 0.0, 0.0]),
        vector("a", 2, [-1.0, 0.0, 0.0]),
    ];
    for _ in 0..2 {
        store.put_lesson("m", one, "a", &a).await.unwrap();
    }
    assert_eq!(
        store.count("m", one).await.unwrap(),
        3,
        "written twice is written once"
    );
    store
        .put_lesson("m", one, "b", &[vector("b", 0, [0.8, 0.6, 0.0])])
        .await
        .unwrap();
    let all = [place("a", 1), place("b", 0), place("a", 0), place("a", 2)];
    assert_eq!(nearest(store, "m", one, 10).await, all);
    assert_eq!(nearest(store, "m", one, 2).await, all[..2]);
    assert_eq!(nearest(store, "m", one, 4).await, all);
    assert!(nearest(store, "m", one, 0).await.is_empty());
    let best = store.nearest("m", one, &[0.6, 0.8, 0.0], 1).await.unwrap();
    assert_eq!((best[0].lesson_id.as_str(), best[0].ordinal), ("b", 0));
    assert!(
        (best[0].score - 0.96).abs() < 1e-6,
        "the score is the cosine: {}",
        best[0].score
    );

    // Versions, courses and models never meet.
    store
        .put_lesson("m", two, "a", &[vector("a", 7, [1.0, 0.0, 0.0])])
        .await
        .unwrap();
    store
        .put_lesson("m", other, "a", &[vector("a", 8, [1.0, 0.0, 0.0])])
        .await
        .unwrap();
    store
        .put_lesson("n", one, "a", &[vector("a", 9, [1.0, 0.0, 0.0])])
        .await
        .unwrap();
    assert_eq!(nearest(store, "m", one, 10).await, all);
    assert_eq!(nearest(store, "m", two, 10).await, [place("a", 7)]);
    assert_eq!(nearest(store, "m", other, 10).await, [place("a", 8)]);
    assert_eq!(nearest(store, "n", one, 10).await, [place("a", 9)]);

    // Replaced means replaced, also for somebody who asked before.
    store.put_lesson("m", one, "a", &a[..1]).await.unwrap();
    assert_eq!(nearest(store, "m", one, 10).await, [place("b", 0), place("a", 0)]);
    store.put_lesson("m", one, "a", &[]).await.unwrap();
    assert_eq!(nearest(store, "m", one, 10).await, [place("b", 0)]);
    assert_eq!(store.count("m", one).await.unwrap(), 1);

    for _ in 0..2 {
        store.delete_version(one).await.unwrap();
    }
    for model in ["m", "n"] {
        assert_eq!(store.count(model, one).await.unwrap(), 0, "whatever the model");
        assert!(nearest(store, model, one, 10).await.is_empty());
    }
    assert_eq!(nearest(store, "m", two, 10).await, [place("a", 7)]);
    assert_eq!(store.count("m", other).await.unwrap(), 1);
}
