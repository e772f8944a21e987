//! What is searched is made again from the documents, elsewhere and where it is.

use std::sync::Arc;

use smartcourse_content::{Dependencies, Index, Rebuild, Rebuilt};
use smartcourse_platform::postgres;
use smartcourse_proto::ids::VersionId;
use smartcourse_tests::{
    engines::{search, vectors},
    wait_for,
};

use crate::harness::{COURSE, Harness, text};

const BOTH: [Index; 2] = [Index::Vectors, Index::Search];

fn rebuild(harness: &Harness, deps: Dependencies) -> Rebuild {
    Rebuild::new(&harness.config, harness.pool.clone(), deps).unwrap()
}

#[tokio::test]
async fn another_engine_is_filled_and_follows() {
    let harness = Harness::build().await;
    for version in 1..=3 {
        harness.save(version, &[text("a", "x"), text(&format!("b{version}"), "y")]);
        harness.process(version).await;
    }
    harness.discard(2).await;
    let elsewhere = smartcourse_tests::database().await.unwrap();
    postgres::migrator().run(&elsewhere).await.unwrap();
    let deps = Dependencies {
        vectors: Arc::new(vectors::postgres::Postgres::new(elsewhere.clone())),
        search: Arc::new(search::postgres::Postgres::new(elsewhere.clone())),
        ..harness.deps.clone()
    };
    let filling = rebuild(&harness, deps.clone());
    let model = harness.deps.models.main().model();
    let held = async |version: i32| {
        let version = VersionId::new(COURSE, version);
        let vectors = deps.vectors.count(model, version).await.unwrap();
        (vectors, deps.search.count(version).await.unwrap())
    };
    for (index, units) in BOTH.into_iter().zip([4, 6]) {
        let first = filling.pass(index, false).await.unwrap();
        let expected = Rebuilt {
            versions: 2,
            expected: units,
            held: 0,
            written: 2,
            removed: 0,
        };
        assert_eq!(first, expected);
        let again = filling.pass(index, false).await.unwrap();
        assert_eq!((again.held, again.written), (units, 0), "what is there stays");
    }
    assert_eq!(
        [held(1).await, held(2).await, held(3).await],
        [(2, 3), (0, 0), (2, 3)]
    );

    // Discarded meanwhile, and published meanwhile.
    harness.discard(3).await;
    harness.save(4, &[text("a", "x")]);
    harness.process(4).await;
    for index in BOTH {
        let next = filling.pass(index, false).await.unwrap();
        assert_eq!((next.written, next.removed), (1, 1));
    }
    assert_eq!(
        [held(1).await, held(3).await, held(4).await],
        [(2, 3), (0, 0), (1, 2)]
    );
}

#[tokio::test]
async fn what_was_lost_or_spoilt_is_made_again_where_it_is() {
    let harness = Harness::build().await;
    harness.save(1, &[text("a", "x"), text("b", "y")]);
    harness.process(1).await;
    let before = harness.parts(1).await;
    for spoil in [
        "delete from platform.vectors where lesson_id = 'a'",
        "update platform.search_entries set title = 'Spoilt'",
        "update content.versions set model = 'another'",
        "delete from content.embeddings",
    ] {
        sqlx::query(spoil).execute(&harness.pool).await.unwrap();
    }
    let again = rebuild(&harness, harness.deps.clone());
    let untouched = again.pass(Index::Vectors, false).await.unwrap();
    assert_eq!(
        (untouched.versions, untouched.written),
        (0, 0),
        "nobody asks for those of another model"
    );
    for index in BOTH {
        assert_eq!(again.pass(index, true).await.unwrap().written, 1);
    }
    assert_eq!(harness.parts(1).await, before);
    let spoilt = "select (select count(*) from platform.search_entries where title = 'Spoilt')
         + (select count(*) from content.versions where model = 'another') + (select count(*) from platform.open_writes)";
    let spoilt: i64 = sqlx::query_scalar(spoilt).fetch_one(&harness.pool).await.unwrap();
    assert_eq!(spoilt, 0);
}

/// Nobody writes a version between the last look and the change, and whoever writes one before is waited for.
#[tokio::test]
async fn the_change_over_waits_for_writers_and_writers_for_it() {
    let harness = Harness::build().await;
    harness.save(1, &[text("a", "x")]);
    harness.process(1).await;
    let again = rebuild(&harness, harness.deps.clone());
    let mut writer = postgres::begin(&harness.pool).await.unwrap();
    sqlx::query("select from content.versions for share")
        .execute(&mut *writer)
        .await
        .unwrap();
    let changed = async || {
        // Discarding writes the version's row, and waits for the end of this.
        let discard = harness.discard(1);
        tokio::pin!(discard);
        tokio::select! {
            () = &mut discard => panic!("a version was discarded in the middle of the change"),
            waits = waiting(&harness.pool, 1) => waits,
        }
        Ok(())
    };
    let change = again.change_over(Index::Search, changed);
    let go = async {
        waiting(&harness.pool, 1).await;
        writer.commit().await.unwrap();
    };
    let (done, ()) = tokio::join!(change, go);
    assert_eq!(done.unwrap().versions, 1);
}

/// Waits until so many sessions wait for a lock.
async fn waiting(pool: &sqlx::PgPool, many: i64) {
    wait_for("a lock to be waited for", async || {
        let waiting: i64 = sqlx::query_scalar(
            "select count(*) from pg_locks where not granted
               and database = (select oid from pg_database where datname = current_database())",
        )
        .fetch_one(pool)
        .await?;
        Ok(if waiting >= many {
            Ok(())
        } else {
            Err(format!("{waiting}"))
        })
    })
    .await
    .unwrap();
}
