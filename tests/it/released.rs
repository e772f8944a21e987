//! What a release needs of the database: during an upgrade, and after a way back, its roles work with the schema of the version that
//! follows it. `tests/it/released.json` has the checksums of the last release's migrations and the text of each query it had compiled in.
//!
//! `SMARTCOURSE_RECORD=release cargo test -p smartcourse-cli --test it released` records those of the version that is made.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sqlx::{
    AssertSqlSafe, Column as _, Either, Executor as _, PgConnection, PgPool, SqlSafeStr as _, Statement as _,
    TypeInfo as _, migrate::Migrator,
};

use crate::{
    record::VERSION,
    replay::{RELEASED, files, histories},
    schemas,
};

/// What is to be done about whatever these tests find.
const RULE: &str = "roles of the version before do not go on with this schema: add what is new beside what is there, \
                    and take that away in the version after (CONTRIBUTING.md, SQL)";

/// What a release was made with.
#[derive(Serialize, Deserialize)]
struct Release {
    version: String,
    /// Checksums, by schema and number.
    migrations: BTreeMap<String, BTreeMap<i64, String>>,
    queries: BTreeSet<String>,
}

impl Release {
    fn last() -> Result<Self> {
        let text = std::fs::read(crate::root().join("tests/it/released.json"))?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// What is in this tree.
    fn made() -> Result<Self> {
        #[derive(Deserialize)]
        struct Compiled {
            query: String,
        }
        let mut queries = BTreeSet::new();
        for path in files(&crate::root().join(".sqlx"))? {
            queries.insert(serde_json::from_slice::<Compiled>(&std::fs::read(path)?)?.query);
        }
        let migrations = schemas::all()
            .into_iter()
            .map(|(schema, migrator)| (schema.to_owned(), checksums(&migrator)));
        Ok(Self {
            version: VERSION.to_owned(),
            migrations: migrations.collect(),
            queries,
        })
    }

    /// Brings a database to where the release left it.
    async fn migrate(&self, pool: &PgPool) -> Result<()> {
        for (schema, mut migrator) in schemas::all() {
            let released = self.migrations.get(schema);
            let has = |number: &i64| released.is_some_and(|released| released.contains_key(number));
            migrator.migrations.to_mut().retain(|one| has(&one.version));
            migrator.run(pool).await?;
        }
        Ok(())
    }
}

fn checksums(migrator: &Migrator) -> BTreeMap<i64, String> {
    let migrations = migrator.iter();
    migrations
        .map(|one| (one.version, HEXLOWER.encode(&one.checksum)))
        .collect()
}

/// What a database is to those who work with it.
struct Schema {
    /// Of each query: the types of its parameters and its columns, or why it is refused.
    answers: BTreeMap<String, Result<String, String>>,
    /// Of each table's columns: whether it is never null, and whether it has a value in rows that do not name it.
    columns: BTreeMap<(String, String), (bool, bool)>,
    /// What each table's rows are held to: checks, unique and foreign keys, by their names alone.
    constraints: BTreeSet<(String, String)>,
}

impl Schema {
    async fn of(pool: &PgPool, queries: &BTreeSet<String>) -> Result<Self> {
        // One that knows no plan of an earlier schema.
        let mut connection = pool.acquire().await?.detach();
        sqlx::raw_sql("set plan_cache_mode = force_generic_plan")
            .execute(&mut connection)
            .await?;
        let mut answers = BTreeMap::new();
        for (number, query) in queries.iter().enumerate() {
            let answer = ask(&mut connection, number, query).await;
            answers.insert(query.clone(), answer.map_err(|error| error.to_string()));
        }
        let columns: Vec<(String, String, bool, bool)> = sqlx::query_as(
            "select attrelid::regclass::text, attname::text, attnotnull, atthasdef or attidentity <> ''
             from pg_attribute join pg_class c on c.oid = attrelid
             where relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema', 'pg_toast')
               and relkind in ('r', 'p') and not relispartition and attnum > 0 and not attisdropped",
        )
        .fetch_all(&mut connection)
        .await?;
        let columns = columns
            .into_iter()
            .map(|(table, column, never_null, given)| ((table, column), (never_null, given)));
        let constraints: Vec<(String, String)> = sqlx::query_as(
            "select conrelid::regclass::text, conname::text from pg_constraint where contype in ('c', 'f', 'x') and conrelid <> 0
             union select indrelid::regclass::text, indexrelid::regclass::text from pg_index where indisunique",
        )
        .fetch_all(&mut connection)
        .await?;
        Ok(Self {
            answers,
            columns: columns.collect(),
            constraints: constraints.into_iter().collect(),
        })
    }

    /// What keeps those who worked with this schema from going on with a later one.
    fn broken_by(&self, later: &Self) -> Vec<String> {
        let mut broken = Vec::new();
        for (query, answer) in &self.answers {
            let now = later.answers.get(query);
            if answer.is_err() || now != Some(answer) {
                broken.push(format!(
                    "{query}\n  was answered {answer:?}\n  and is now {now:?}"
                ));
            }
        }
        let tables: BTreeSet<&String> = self.columns.keys().map(|(table, _)| table).collect();
        let written = |(table, _): &&(String, String)| tables.contains(table);
        for of @ (table, column) in later.columns.keys().filter(written) {
            let what = match (self.columns.get(of), later.columns[of]) {
                (None | Some((_, true)), (true, false)) => "has to be in a row, and is not in theirs",
                (Some((true, _)), (false, _)) => "may be null, which they do not read",
                (Some((false, _)), (true, _)) => "may not be null, which they write",
                _ => continue,
            };
            broken.push(format!("{table}.{column} {what}"));
        }
        for (table, name) in later.constraints.difference(&self.constraints).filter(written) {
            broken.push(format!("{table} is held to {name}, which they do not know"));
        }
        broken
    }
}

/// The types of a query's parameters and its columns. It is planned as well: only then is it known what `on conflict` means.
async fn ask(connection: &mut PgConnection, number: usize, query: &str) -> sqlx::Result<String> {
    let statement = connection
        .prepare(AssertSqlSafe(query.to_owned()).into_sql_str())
        .await?;
    let parameters: Vec<&str> = match statement.parameters() {
        Some(Either::Left(types)) => types.iter().map(|one| one.name()).collect(),
        _ => Vec::new(),
    };
    let columns = statement.columns().iter();
    let columns: Vec<String> = columns
        .map(|column| format!("{} {}", column.name(), column.type_info().name()))
        .collect();
    let nothing = match parameters.len() {
        0 => String::new(),
        count => format!("({})", vec!["null"; count].join(", ")),
    };
    let plan = format!("prepare asked_{number} as {query}\n; explain execute asked_{number}{nothing}");
    sqlx::raw_sql(AssertSqlSafe(plan))
        .execute(&mut *connection)
        .await?;
    Ok(format!("({}) -> ({})", parameters.join(", "), columns.join(", ")))
}

#[test]
fn a_migration_of_a_release_stays_as_it_was_and_others_come_after_it() -> Result<()> {
    if std::env::var("SMARTCOURSE_RECORD").as_deref() == Ok("release") {
        ensure!(
            Release::last()?.version != VERSION,
            "{VERSION} has been recorded; a version is raised before it is released"
        );
        let made = serde_json::to_string_pretty(&Release::made()?)?;
        std::fs::write(crate::root().join("tests/it/released.json"), made + "\n")?;
    }
    let mut made = Release::made()?.migrations;
    for (schema, released) in Release::last()?.migrations {
        let mut now = made
            .remove(&schema)
            .with_context(|| format!("schema {schema} is gone"))?;
        let last = released.keys().max().copied().unwrap_or_default();
        now.retain(|number, _| *number <= last);
        ensure!(
            now == released,
            "schema {schema}: a migration that databases have had is changed, gone or put among the others; add the next number"
        );
    }
    Ok(())
}

#[test]
fn a_version_has_histories_and_a_release_its_queries() -> Result<()> {
    let (released, _) = RELEASED.last().context("a release")?;
    ensure!(
        Release::last()?.version == *released,
        "tests/it/released.json is not of {released}: run with SMARTCOURSE_RECORD=release"
    );
    for history in files(&histories().join(released))? {
        let name = history.file_name().context("a file has a name")?;
        ensure!(
            histories().join(VERSION).join(name).is_file(),
            "{VERSION} has no history {}: record it (CONTRIBUTING.md, What is recorded)",
            name.display()
        );
    }
    Ok(())
}

#[tokio::test]
async fn roles_of_the_version_before_go_on_with_the_new_schema() -> Result<()> {
    let release = Release::last()?;
    let pool = smartcourse_tests::database().await?;
    release.migrate(&pool).await?;
    let before = Schema::of(&pool, &release.queries).await?;
    for (_, migrator) in schemas::all() {
        migrator.run(&pool).await?;
    }
    let after = Schema::of(&pool, &release.queries).await?;
    let broken = before.broken_by(&after);
    ensure!(broken.is_empty(), "{RULE}\n{}", broken.join("\n"));
    // The way back: a `migrate` that does not know the last migrations leaves them alone.
    release.migrate(&pool).await
}

#[tokio::test]
async fn a_migration_that_the_version_before_cannot_go_on_with_is_noticed() -> Result<()> {
    let pool = smartcourse_tests::database().await?;
    sqlx::raw_sql(
        "create table one (id bigint primary key, name text not null, age int, unique (name));
         create function name_of(wanted bigint) returns text language sql as 'select name from one where id = wanted'",
    )
    .execute(&pool)
    .await?;
    let queries = [
        "select id, name from one where age = $1",
        "insert into one (id, name) values ($1, $2) on conflict (name) do nothing",
        "select name_of($1)",
    ];
    let queries = queries.map(str::to_owned).into();
    let mut before = Schema::of(&pool, &queries).await?;
    for (migration, broken) in [
        (
            "alter table one add height int, add weight int not null default 0",
            0,
        ),
        ("alter table one alter weight drop default", 1),
        ("create table two (id bigint primary key check (id > 0))", 0),
        ("create index one_by_age on one (age)", 0),
        ("alter table one add colour text not null", 1),
        ("alter table one add check (age > 0)", 1),
        ("create unique index one_of_an_age on one (age, id)", 1),
        ("alter table one alter age set not null", 1),
        // Its queries are answered as before, but with nothing at times.
        ("alter table one alter name drop not null", 1),
        ("alter table one alter age type bigint", 1),
        // Seen by who plans alone.
        ("alter table one drop constraint one_name_key", 1),
        ("drop function name_of", 1),
        ("alter table one rename name to title", 1),
    ] {
        sqlx::raw_sql(migration).execute(&pool).await?;
        let after = Schema::of(&pool, &queries).await?;
        let found = before.broken_by(&after);
        // What is broken already is not told from what is broken now.
        let already = before.answers.values().filter(|answer| answer.is_err()).count();
        ensure!(found.len() == broken + already, "{migration}: {found:#?}");
        before = after;
    }
    Ok(())
}
