//! The contract of the vector port.

use futures::future::try_join_all;
use smartcourse_platform::ports::{
    Unit,
    vectors::{Vector, Vectors},
};
use smartcourse_proto::ids::VersionId;

use crate::version;

fn vector(anchor: &str, embedding: [f32; 3]) -> Vector {
    Vector {
        anchor: anchor.to_owned(),
        embedding: embedding.to_vec(),
    }
}

async fn nearest(store: &dyn Vectors, model: &str, of: VersionId, limit: usize) -> Vec<Unit> {
    let near = store.nearest(model, of, &[1.0, 0.0, 0.0], limit).await.unwrap();
    assert!(near.is_sorted_by(|a, b| a.score >= b.score), "{near:?}");
    near.into_iter().map(|near| near.unit).collect()
}

pub(crate) async fn vectors_contract(store: &dyn Vectors) {
    let (one, two, other) = (version(1, 1), version(1, 2), version(2, 1));
    let place = |lesson: &str, anchor: &str| Unit::new(lesson, anchor);
    for _ in 0..2 {
        store.prepare("m", 3).await.unwrap();
        store.prepare("n", 3).await.unwrap();
    }
    assert!(nearest(store, "m", one, 5).await.is_empty());
    let a = [
        vector("c0", [0.0, 1.0, 0.0]),
        vector("c1", [1.0, 0.0, 0.0]),
        vector("c2", [-1.0, 0.0, 0.0]),
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
        .put_lesson("m", one, "b", &[vector("c0", [0.8, 0.6, 0.0])])
        .await
        .unwrap();
    let all = [
        place("a", "c1"),
        place("b", "c0"),
        place("a", "c0"),
        place("a", "c2"),
    ];
    assert_eq!(nearest(store, "m", one, 10).await, all);
    assert_eq!(nearest(store, "m", one, 2).await, all[..2]);
    assert_eq!(nearest(store, "m", one, 4).await, all);
    assert!(nearest(store, "m", one, 0).await.is_empty());
    let best = store.nearest("m", one, &[0.6, 0.8, 0.0], 1).await.unwrap();
    assert_eq!(best[0].unit, place("b", "c0"));
    assert!(
        (best[0].score - 0.96).abs() < 1e-6,
        "the score is the cosine: {}",
        best[0].score
    );

    // Versions, courses and models never meet.
    store
        .put_lesson("m", two, "a", &[vector("c7", [1.0, 0.0, 0.0])])
        .await
        .unwrap();
    store
        .put_lesson("m", other, "a", &[vector("c8", [1.0, 0.0, 0.0])])
        .await
        .unwrap();
    store
        .put_lesson("n", one, "a", &[vector("c9", [1.0, 0.0, 0.0])])
        .await
        .unwrap();
    assert_eq!(nearest(store, "m", one, 10).await, all);
    assert_eq!(nearest(store, "m", two, 10).await, [place("a", "c7")]);
    assert_eq!(nearest(store, "m", other, 10).await, [place("a", "c8")]);
    assert_eq!(nearest(store, "n", one, 10).await, [place("a", "c9")]);

    // Replaced means replaced, also for somebody who asked before.
    store.put_lesson("m", one, "a", &a[..1]).await.unwrap();
    assert_eq!(
        nearest(store, "m", one, 10).await,
        [place("b", "c0"), place("a", "c0")]
    );
    store.put_lesson("m", one, "a", &[]).await.unwrap();
    assert_eq!(nearest(store, "m", one, 10).await, [place("b", "c0")]);
    assert_eq!(store.count("m", one).await.unwrap(), 1);

    for _ in 0..2 {
        store.delete_version(one).await.unwrap();
    }
    for model in ["m", "n"] {
        assert_eq!(store.count(model, one).await.unwrap(), 0, "whatever the model");
        assert!(nearest(store, model, one, 10).await.is_empty());
    }
    assert_eq!(nearest(store, "m", two, 10).await, [place("a", "c7")]);
    assert_eq!(store.count("m", other).await.unwrap(), 1);

    // Equals come in the order of lesson and anchor; a unit of another kind is one beside the others.
    let same = [1.0, 0.0, 0.0];
    let of_b = [vector("s1", same), vector("c1", same)];
    store.put_lesson("m", one, "b", &of_b).await.unwrap();
    store.put_lesson("m", one, "a", &of_b[..1]).await.unwrap();
    let expected = [place("a", "s1"), place("b", "c1"), place("b", "s1")];
    assert_eq!(nearest(store, "m", one, 10).await, expected);
    assert_eq!(nearest(store, "m", one, 2).await, expected[..2]);
}

/// Two processes: what one has written, the other answers, however often it was asked before.
pub(crate) async fn vectors_are_shared(writer: &dyn Vectors, reader: &dyn Vectors) {
    let of = version(3, 1);
    for _ in 0..2 {
        for (anchor, score) in [("c1", [1.0, 0.0, 0.0]), ("c2", [0.0, 1.0, 0.0])] {
            let written = [vector(anchor, score)];
            writer.put_lesson("m", of, "a", &written).await.unwrap();
            assert_eq!(nearest(reader, "m", of, 5).await, [Unit::new("a", anchor)]);
        }
        writer.delete_version(of).await.unwrap();
        assert!(nearest(reader, "m", of, 5).await.is_empty());
    }
}

/// A thousand writers at once: lessons of one version, each written by two, and of versions that go while others are written.
pub(crate) async fn vectors_by_many(store: &dyn Vectors) {
    let (of, goes) = (version(4, 1), version(4, 2));
    let write = async |number: usize| {
        let lesson = format!("l{}", number / 2);
        let written = [vector("c0", [1.0, 0.0, 0.0]), vector("c1", [0.0, 1.0, 0.0])];
        store.put_lesson("m", of, &lesson, &written).await?;
        store.put_lesson("m", goes, &lesson, &written[..1]).await
    };
    try_join_all((0..1_000).map(write)).await.unwrap();
    assert_eq!(
        store.count("m", of).await.unwrap(),
        1_000,
        "all of them, each once"
    );
    assert_eq!(store.count("m", goes).await.unwrap(), 500);
    let (gone, written) = tokio::join!(store.delete_version(goes), write(1_000));
    gone.unwrap();
    written.unwrap();
    assert!(
        store.count("m", goes).await.unwrap() <= 1,
        "what came meanwhile at most"
    );
    store.delete_version(goes).await.unwrap();
    assert_eq!(store.count("m", goes).await.unwrap(), 0);
    assert_eq!(store.count("m", of).await.unwrap(), 1_002);
    // The first of a thousand equals in the order of their places, whatever order they came in.
    let expected = [
        Unit::new("l0", "c0"),
        Unit::new("l1", "c0"),
        Unit::new("l10", "c0"),
    ];
    assert_eq!(nearest(store, "m", of, 3).await, expected);
}

/// The empty, the largest and the strangest.
pub(crate) async fn vectors_of_all_sorts(store: &dyn Vectors) {
    let of = version(i64::MAX, i32::MAX);
    let right = [1.0, 0.0, 0.0];
    let names = [
        "",
        "/",
        "a/b",
        "two words",
        "ä",
        "a\u{308}",
        "\u{202e}\u{1f469}\u{200d}\u{1f680}",
        "\u{10ffff}",
        "'\"\\%_*\n\t",
    ];
    let mut expected = Vec::new();
    for lesson in names {
        let written: Vec<Vector> = names.iter().map(|anchor| vector(anchor, right)).collect();
        store.put_lesson("m", of, lesson, &written).await.unwrap();
        expected.extend(names.map(|anchor| Unit::new(lesson, anchor)));
    }
    expected.sort();
    assert_eq!(nearest(store, "m", of, 100).await, expected);
    for lesson in names {
        store.put_lesson("m", of, lesson, &[]).await.unwrap();
        expected.retain(|unit| unit.lesson_id != lesson);
        assert_eq!(nearest(store, "m", of, 100).await, expected, "without {lesson:?}");
    }

    // A lesson larger than what is sent at once, made smaller and gone.
    let long: Vec<Vector> = (0..3_000)
        .map(|number| vector(&format!("{}{number:04}", "long".repeat(20)), right))
        .collect();
    for count in [3_000, 1_500, 0] {
        let last = long.len() - count;
        store.put_lesson("m", of, "a", &long[last..]).await.unwrap();
        assert_eq!(store.count("m", of).await.unwrap(), count as i64);
        let first = long.get(last).map(|vector| Unit::new("a", &vector.anchor));
        assert_eq!(nearest(store, "m", of, 1).await, Vec::from_iter(first));
    }

    // Of nothing there is nothing near, and nothing to remove.
    let (nothing, zero) = (version(5, 1), [0.0; 3]);
    store.delete_version(nothing).await.unwrap();
    store.put_lesson("m", nothing, "a", &[]).await.unwrap();
    assert_eq!(store.count("m", nothing).await.unwrap(), 0);
    assert!(nearest(store, "m", nothing, 5).await.is_empty());
    store
        .put_lesson("m", nothing, "a", &[vector("c0", zero)])
        .await
        .unwrap();
    let near = store.nearest("m", nothing, &right, 5).await.unwrap();
    assert_eq!(near.len(), 1);
    assert_eq!(near[0].score, 0.0, "a text without words is near to nothing");
    assert_eq!(store.nearest("m", nothing, &zero, 5).await.unwrap()[0].score, 0.0);
}
