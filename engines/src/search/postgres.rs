//! PostgreSQL full text and trigrams. The words of a version are stemmed in its language, so a query is made in each language
//! it may meet.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use smartcourse_platform::{
    Result, page,
    ports::{
        Unit,
        search::{Entry, Found, Hit, Scope, Search},
    },
    postgres,
};
use smartcourse_proto::ids::{CourseId, VersionId};
use sqlx::{PgConnection, PgPool};

use super::languages;

/// PostgreSQL full text and trigrams.
pub struct Postgres(PgPool);

impl Postgres {
    /// Over the pool of the engines.
    pub fn new(pool: PgPool) -> Self {
        Self(pool)
    }
}

/// The place of a hit among all: score, course and lesson.
#[derive(Serialize, Deserialize)]
struct Place(f32, i64, String);

/// Removes the entries of a version.
async fn delete(connection: &mut PgConnection, version: VersionId) -> Result<()> {
    sqlx::query!(
        "delete from platform.search_entries where course_id = $1 and version = $2",
        version.course_id.0,
        version.version
    )
    .execute(connection)
    .await?;
    Ok(())
}

#[async_trait]
impl Search for Postgres {
    fn place(&self) -> String {
        "PostgreSQL".to_owned()
    }

    /// The table is there.
    async fn prepare(&self) -> Result<()> {
        Ok(())
    }

    async fn put_version(&self, version: VersionId, language: &str, entries: &[Entry]) -> Result<()> {
        let mut tx = postgres::begin(&self.0).await?;
        postgres::be_patient(&mut tx).await?;
        delete(&mut tx, version).await?;
        let column = |pick: fn(&Entry) -> &String| entries.iter().map(pick).cloned().collect::<Vec<_>>();
        let config = languages::config(language);
        sqlx::query!(
            "insert into platform.search_configs values ($1::text::regconfig) on conflict do nothing",
            config
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "insert into platform.search_entries (course_id, version, lesson_id, anchor, title, body, config, words)
             select $1, $2, l, a, t, b, $7::text::regconfig,
                    setweight(to_tsvector($7::text::regconfig, t), 'A') || setweight(to_tsvector($7::text::regconfig, b), 'B')
             from unnest($3::text[], $4::text[], $5::text[], $6::text[]) as x(l, a, t, b)",
            version.course_id.0,
            version.version,
            &column(|entry| &entry.unit.lesson_id),
            &column(|entry| &entry.unit.anchor),
            &column(|entry| &entry.title),
            &column(|entry| &entry.body),
            config
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn candidates(&self, query: &str, lesson_text: bool, limit: i64) -> Result<Vec<CourseId>> {
        // Two statements, each with its own index.
        let words = "select e.course_id, ts_rank_cd(e.words, q) as score
                     from platform.search_configs c cross join lateral websearch_to_tsquery(c.config, $1) q
                     join platform.search_entries e on e.config = c.config and e.words @@ q where true";
        let only_courses = if lesson_text { "" } else { "and lesson_id = ''" };
        let statement = format!(
            r#"select course_id from (
                 {words} {only_courses}
                 union all
                 select course_id, similarity(title, $1) from platform.search_entries
                 where title % $1 and $1 !~ '"|(^|\s)-' {only_courses}
             ) found group by course_id order by max(score) desc, course_id desc limit $2"#
        );
        let ids: Vec<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
            .bind(query)
            .bind(limit)
            .fetch_all(&self.0)
            .await?;
        Ok(ids.into_iter().map(CourseId).collect())
    }

    async fn find(&self, query: &str, scopes: &[Scope], cursor: &str, limit: i64) -> Result<Found> {
        let after: Option<Place> = page::decode(cursor)?;
        let scopes: Vec<String> = scopes.iter().map(|scope| scope.keyword().to_owned()).collect();
        let rows = sqlx::query!(
            r#"with question as (
                   select c.config, websearch_to_tsquery(c.config, $1) as words
                   from (select distinct config from platform.search_entries where scope = any($2)) c
               ), found as (
                   select e.course_id, e.version, e.lesson_id, e.anchor, e.title, e.body, e.config, q.words,
                          (ts_rank_cd(e.words, q.words) + similarity(e.title, $1))::real as score,
                          row_number() over (partition by e.course_id, e.lesson_id
                                             order by ts_rank_cd(e.words, q.words) desc, e.anchor) as place
                   from platform.search_entries e join question q using (config)
                   where e.scope = any($2)
                     -- A similar title forgives a typo; it must not override a phrase or an exclusion.
                     and (e.words @@ q.words or (e.title % $1 and $1 !~ '"|(^|\s)-'))
               )
               select f.course_id as "course_id!", f.version as "version!", f.lesson_id as "lesson_id!", f.anchor as "anchor!",
                      f.title as "title!", f.score as "score!",
                      ts_headline(f.config, f.body, f.words,
                                  E'StartSel=\x02, StopSel=\x03, MaxWords=30, MinWords=12') as "snippet!"
               from found f
               where f.place = 1
                 and ($3::real is null or f.score < $3 or (f.score = $3 and (f.course_id, f.lesson_id) > ($4, $5)))
               order by f.score desc, f.course_id, f.lesson_id limit $6"#,
            query,
            &scopes,
            after.as_ref().map(|place| place.0),
            after.as_ref().map(|place| place.1),
            after.as_ref().map(|place| place.2.as_str()),
            limit + 1
        )
        .fetch_all(&self.0)
        .await?;
        let hits = rows.into_iter().map(|row| Hit {
            version: VersionId {
                course_id: CourseId(row.course_id),
                version: row.version,
            },
            unit: Unit::new(row.lesson_id, row.anchor),
            title: row.title,
            snippet: row.snippet,
            score: row.score,
        });
        let mut hits: Vec<Hit> = hits.collect();
        let place = |hit: &Hit| Place(hit.score, hit.version.course_id.0, hit.unit.lesson_id.clone());
        let next = page::cut(&mut hits, limit, place);
        Ok(Found { hits, next })
    }

    async fn rank(&self, query: &str, version: VersionId, limit: i64) -> Result<Vec<(Unit, f32)>> {
        // A question is not a search: any of its words counts, and the rank tells how many and how close.
        let rows = sqlx::query!(
            r#"with question as (
                   select c.config, replace(plainto_tsquery(c.config, $1)::text, '&', '|')::tsquery as words
                   from (select config from platform.search_entries where course_id = $2 and version = $3 limit 1) c
               )
               select lesson_id, anchor as "anchor!", ts_rank_cd(e.words, q.words, 1) as "score!"
               from platform.search_entries e join question q using (config)
               where course_id = $2 and version = $3 and lesson_id <> '' and e.words @@ q.words
               order by 3 desc, lesson_id, anchor limit $4"#,
            query,
            version.course_id.0,
            version.version,
            limit
        )
        .fetch_all(&self.0)
        .await?;
        let units = rows.into_iter();
        Ok(units
            .map(|row| (Unit::new(row.lesson_id, row.anchor), row.score))
            .collect())
    }

    async fn count(&self, version: VersionId) -> Result<i64> {
        let count = sqlx::query_scalar!(
            "select count(*) as \"count!\" from platform.search_entries where course_id = $1 and version = $2",
            version.course_id.0,
            version.version
        )
        .fetch_one(&self.0)
        .await?;
        Ok(count)
    }

    async fn delete_version(&self, version: VersionId) -> Result<()> {
        delete(&mut *self.0.acquire().await?, version).await
    }

    /// A version is replaced in one transaction.
    async fn beside(&self) -> Result<Option<Arc<dyn Search>>> {
        Ok(None)
    }

    async fn change_over(&self) -> Result<()> {
        Ok(())
    }
}
