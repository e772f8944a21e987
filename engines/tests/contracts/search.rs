//! The contract of the search port: finding for readers, ranking for retrieval.

use futures::future::try_join_all;
use smartcourse_platform::{
    error::codes,
    ports::{
        Unit,
        search::{Entry, Hit, Scope, Search},
    },
};
use smartcourse_proto::ids::VersionId;

use crate::version;

fn entry(lesson: &str, anchor: &str, title: &str, body: &str) -> Entry {
    Entry {
        unit: Unit::new(lesson, anchor),
        title: title.to_owned(),
        heading: String::new(),
        body: body.to_owned(),
    }
}

/// A course, its version 2 with secrets, and a neighbour.
async fn fill(index: &dyn Search) -> (VersionId, VersionId, VersionId) {
    let (one, two, other) = (version(1, 1), version(1, 2), version(2, 1));
    let course = entry("", "", "Distributed Systems", "Consensus and queues.\nSagas");
    let sagas = [
        entry(
            "l1",
            "c0",
            "Sagas",
            "A saga runs a compensating transaction for each step that was committed.",
        ),
        entry(
            "l1",
            "c1",
            "Sagas",
            "Compensating is not undoing: the transaction has been seen.",
        ),
        entry(
            "l2",
            "c0",
            "Queues",
            "Messages wait in queues until a worker polls them.",
        ),
    ];
    index
        .put_version(one, "en", &[entry("l9", "c0", "Gone", "xylophone")])
        .await
        .unwrap();
    index
        .put_version(one, "en", &[std::slice::from_ref(&course), &sagas[..]].concat())
        .await
        .unwrap();
    index
        .put_version(
            two,
            "en",
            &[course, entry("l1", "c0", "Sagas", "A zeppelin flies.")],
        )
        .await
        .unwrap();
    index
        .put_version(
            other,
            "en",
            &[entry("", "", "Bread", "Baking with sourdough queues.")],
        )
        .await
        .unwrap();
    (one, two, other)
}

async fn find(index: &dyn Search, query: &str, scopes: &[(VersionId, bool)]) -> Vec<Hit> {
    let scopes: Vec<Scope> = scopes
        .iter()
        .flat_map(|&(version, text)| {
            let text = text.then(|| Scope::text(version));
            std::iter::once(Scope::course(version)).chain(text)
        })
        .collect();
    let all = index.find(query, &scopes, "", 20).await.unwrap();
    let hits = all.hits;
    assert!(all.next.is_none(), "there is no other page");
    assert!(hits.is_sorted_by(|a, b| a.score >= b.score), "{hits:?}");
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = index.find(query, &scopes, &cursor, 1).await.unwrap();
        paged.extend(page.hits);
        let Some(next) = page.next else { break };
        cursor = next;
    }
    assert_eq!(paged, hits, "pages are slices of the whole");
    hits
}

/// Where the hits are, in a fixed order.
fn places(hits: &[Hit]) -> Vec<(i64, i32, &str)> {
    let mut places: Vec<_> = hits
        .iter()
        .map(|hit| {
            (
                hit.version.course_id.0,
                hit.version.version,
                hit.unit.lesson_id.as_str(),
            )
        })
        .collect();
    places.sort_unstable();
    places
}

pub(crate) async fn search_contract(index: &dyn Search) {
    let (one, two, other) = fill(index).await;
    assert_eq!(index.count(one).await.unwrap(), 4, "replaced, not added to");
    let open = [(one, true), (other, true)];
    assert!(find(index, "xylophone", &open).await.is_empty());
    assert!(find(index, "queues", &[]).await.is_empty(), "no scope, no hit");
    for query in ["", "the of and", "\"", "-", "or", "& | ! ( :*"] {
        assert!(
            find(index, query, &open).await.is_empty(),
            "{query:?} finds nothing and breaks nothing"
        );
    }

    // Scopes: lesson text only with permission, versions only when named.
    let queues = find(index, "queues", &open).await;
    assert_eq!(places(&queues), [(1, 1, ""), (1, 1, "l2"), (2, 1, "")]);
    assert_eq!(
        places(&find(index, "queues", &[(one, false), (other, true)]).await),
        [(1, 1, ""), (2, 1, "")]
    );
    assert!(
        find(index, "compensating", &[(one, false), (other, false)])
            .await
            .is_empty()
    );
    assert!(
        find(index, "zeppelin", &open).await.is_empty(),
        "another version's text"
    );
    assert_eq!(
        places(&find(index, "zeppelin", &[(two, true)]).await),
        [(1, 2, "l1")]
    );

    // One hit per lesson, stemmed words, phrases, exclusion, a typo in the title.
    assert_eq!(
        places(&find(index, "compensating transaction", &open).await),
        [(1, 1, "l1")]
    );
    assert_eq!(
        places(&find(index, "message polling", &open).await),
        [(1, 1, "l2")]
    );
    assert_eq!(
        find(index, "\"compensating transaction\"", &open).await[0]
            .unit
            .anchor,
        "c0"
    );
    assert!(
        find(index, "\"transaction compensating\"", &open)
            .await
            .is_empty()
    );
    assert_eq!(
        places(&find(index, "queues -worker", &open).await),
        [(1, 1, ""), (2, 1, "")]
    );
    assert_eq!(
        find(index, "Distribted Sytems", &open).await[0].title,
        "Distributed Systems"
    );
    assert_eq!(
        find(index, "sagas", &open).await[0].unit.lesson_id,
        "l1",
        "a title weighs more than a body"
    );

    let hit = &find(index, "compensating", &open).await[0];
    assert!(
        hit.snippet.to_lowercase().contains("\u{2}compensating\u{3}"),
        "{:?}",
        hit.snippet
    );
    assert_eq!(
        hit.snippet.matches('\u{2}').count(),
        hit.snippet.matches('\u{3}').count()
    );

    // Deleted, and deleted again; others stay.
    for _ in 0..2 {
        index.delete_version(two).await.unwrap();
    }
    assert_eq!(index.count(two).await.unwrap(), 0);
    assert!(find(index, "zeppelin", &[(two, true)]).await.is_empty());
    assert_eq!(places(&find(index, "queues", &open).await).len(), 3);
    index.put_version(other, "en", &[]).await.unwrap();
    assert_eq!(index.count(other).await.unwrap(), 0);
}

pub(crate) async fn rank_contract(index: &dyn Search) {
    let (one, two, _) = fill(index).await;
    let ranked = async |question: &str, of: VersionId, limit: i64| -> Vec<Unit> {
        let units = index.rank(question, &|_| false, of, limit).await.unwrap().units;
        assert!(units.is_sorted_by(|a, b| a.1 >= b.1), "{units:?}");
        units.into_iter().map(|(unit, _)| unit).collect()
    };
    let place = |lesson: &str, anchor: &str| Unit::new(lesson, anchor);
    // Any word counts, and the course's own entry is no chunk.
    let found = ranked("Which worker polls the queues of a saga?", one, 10).await;
    assert_eq!(found[0], place("l2", "c0"));
    assert_eq!(found.len(), 3);
    assert_eq!(
        ranked("Which worker polls the queues of a saga?", one, 1).await,
        [place("l2", "c0")]
    );
    assert_eq!(ranked("worker", one, 10).await, [place("l2", "c0")]);
    assert!(ranked("zeppelin", one, 10).await.is_empty());
    assert_eq!(ranked("zeppelin", two, 10).await, [place("l1", "c0")]);
    // What a question is about, and what each of its terms tells: the rarer, the more, and most when no unit has it.
    let terms = index
        .rank("Which workers have a saga and a zeppelin?", &|_| false, one, 10)
        .await
        .unwrap()
        .terms;
    let term = |start: &str| terms.iter().find(|term| term.term.starts_with(start)).unwrap();
    assert!(term("worker").rarity > term("saga").rarity, "{terms:?}");
    assert!(term("zeppelin").rarity > term("worker").rarity, "{terms:?}");
    assert!(term("saga").known && !term("zeppelin").known, "{terms:?}");
    // A heading counts for what stands under it.
    let under = Entry {
        heading: "Balloons".to_owned(),
        ..entry("l1", "c0", "Travel", "It flies.")
    };
    let of = version(4, 1);
    index
        .put_version(of, "en", &[under, entry("l2", "c0", "Travel", "It swims.")])
        .await
        .unwrap();
    assert_eq!(ranked("balloon", of, 10).await, [place("l1", "c0")]);
    // Written anew, it is ranked as it is now.
    index
        .put_version(of, "en", &[entry("l3", "c0", "Travel", "A balloon.")])
        .await
        .unwrap();
    assert_eq!(ranked("balloon", of, 10).await, [place("l3", "c0")]);
    index.delete_version(of).await.unwrap();
    assert!(ranked("balloon", of, 10).await.is_empty());
    // Whatever a student types is a question.
    let odd = [
        "",
        "what is the",
        "a & b | !c <-> (d)",
        "it's 'quoted' \\ \"text\"",
        "wi-fi/x@y.z?a=1&b=2",
        "<b>'&'</b> %_",
    ];
    for question in odd {
        index.rank(question, &|_| false, one, 10).await.unwrap();
    }
    assert_eq!(
        ranked("http://a.example/?x=1&y='2' worker", one, 10).await,
        [place("l2", "c0")]
    );
}

pub(crate) async fn language_contract(index: &dyn Search) {
    let (german, english) = (version(5, 1), version(6, 1));
    let texts = [
        (german, "de", "Die Häuser der Städte stehen leer."),
        (english, "en", "The houses of the cities stand empty."),
    ];
    for (of, language, body) in texts {
        let entries = [entry("", "", "A", "x"), entry("l1", "c0", "B", body)];
        index.put_version(of, language, &entries).await.unwrap();
    }
    let both = [(german, true), (english, true)];
    assert_eq!(places(&find(index, "Haus", &both).await), [(5, 1, "l1")]);
    assert_eq!(places(&find(index, "city", &both).await), [(6, 1, "l1")]);
    assert_eq!(
        index.candidates("Haus", true, 10).await.unwrap(),
        [german.course_id]
    );
    assert!(index.candidates("Haus", false, 10).await.unwrap().is_empty());
    let ranked = index
        .rank("Welches Haus steht leer?", &|_| false, german, 10)
        .await
        .unwrap();
    assert_eq!(ranked.units[0].0, Unit::new("l1", "c0"));
    // Written anew in another language, it is found in that alone.
    let entries = [entry("l1", "c0", "B", "The houses of the cities stand empty.")];
    index.put_version(german, "en-GB", &entries).await.unwrap();
    assert_eq!(
        places(&find(index, "city", &both).await),
        [(5, 1, "l1"), (6, 1, "l1")]
    );
    let error = index
        .find("city", &[Scope::text(german)], "garbage!", 5)
        .await
        .unwrap_err();
    assert!(error.is(&codes::VALIDATION_FAILED));
}

/// The largest, the strangest, and many at once.
pub(crate) async fn search_of_all_sorts(index: &dyn Search) {
    // More than is sent at once, each with a word of its own; made smaller, and gone.
    let of = version(7, 1);
    let long = "A sentence that is there to be long. ".repeat(60);
    let entries: Vec<Entry> = (0..3_000)
        .map(|number| {
            entry(
                &format!("l{number}"),
                "c0",
                "Long",
                &format!("{long} word{number}"),
            )
        })
        .collect();
    for count in [3_000, 1_200, 0] {
        index.put_version(of, "en", &entries[..count]).await.unwrap();
        assert_eq!(index.count(of).await.unwrap(), count as i64);
        for (number, word) in [(0, "word0"), (1_199, "word1199"), (2_999, "word2999")] {
            let hits = index.find(word, &[Scope::text(of)], "", 5).await.unwrap().hits;
            assert_eq!(hits.len(), usize::from(number < count), "{word} of {count}");
        }
    }

    // Names and texts of any script, also of a language nobody has words of.
    let names = [
        "/",
        "a b",
        "ä",
        "a\u{308}",
        "\u{1f469}\u{200d}\u{1f680}",
        "'\"\\%_*",
    ];
    let entries: Vec<Entry> = names
        .iter()
        .map(|name| entry(name, name, name, "Ελληνικά kiswahili 日本語 \u{202e}"))
        .collect();
    for language in ["sw", "", "ta-IN", "not a language", "el"] {
        index.put_version(of, language, &entries).await.unwrap();
        let hits = find(index, "kiswahili", &[(of, true)]).await;
        let mut found: Vec<&str> = hits.iter().map(|hit| hit.unit.lesson_id.as_str()).collect();
        found.sort_unstable();
        let mut expected = names;
        expected.sort_unstable();
        assert_eq!(found, expected, "in {language:?}");
        assert!(hits.iter().all(|hit| hit.unit.anchor == hit.title));
    }

    // Whatever somebody asks.
    let long = ["words and more words of sagas", "\"a phrase", "-not"]
        .join(" ")
        .repeat(200);
    let open = [Scope::text(of)];
    for query in [
        "*",
        "?",
        "a:b",
        "~",
        "(",
        "\\",
        "\u{1}",
        &long,
        &long.replace(' ', "x"),
    ] {
        index.find(query, &open, "", 5).await.unwrap();
        index.candidates(query, true, 5).await.unwrap();
        index.rank(query, &|_| false, of, 5).await.unwrap();
    }

    // A thousand entries are written at once, five by each writer: one that wrote each by itself would wait for the server to let
    // it be found a thousand times, which it does some fifty times a second.
    let write = async |number: i64| {
        let body = format!("a text of number{number}");
        let written: Vec<Entry> = (0..5)
            .map(|lesson| entry(&format!("l{lesson}"), "c", "One", &body))
            .collect();
        index.put_version(version(100 + number, 1), "en", &written).await
    };
    try_join_all((0..200).map(write)).await.unwrap();
    for number in 0..200 {
        let of = version(100 + number, 1);
        assert_eq!(index.count(of).await.unwrap(), 5);
        let found = index
            .find(&format!("number{number}"), &[Scope::text(of)], "", 10)
            .await;
        let hits = found.unwrap().hits;
        assert!(
            hits.len() == 5 && hits.iter().all(|hit| hit.version == of),
            "{hits:?}"
        );
    }
}
