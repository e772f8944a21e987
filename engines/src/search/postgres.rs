//! PostgreSQL full text and trigrams.

use async_trait::async_trait;
use smartcourse_platform::{
    Result,
    ports::{
        Unit,
        search::{Entry, Hit, Scope, Search},
    },
    postgres,
};
use smartcourse_proto::ids::{CourseId, VersionId};
use sqlx::PgPool;

/// PostgreSQL full text and trigrams.
pub struct Postgres(PgPool);

impl Postgres {
    /// Over the pool of the engines.
    pub fn new(pool: PgPool) -> Self {
        Self(pool)
    }
}

#[async_trait]
impl Search for Postgres {
    async fn put_version(&self, version: VersionId, entries: &[Entry]) -> Result<()> {
        let mut tx = postgres::begin(&self.0).await?;
        postgres::be_patient(&mut tx).await?;
        sqlx::query!(
            "delete from platform.search_entries where course_id = $1 and version = $2",
            version.course_id.0,
            version.version
        )
        .execute(&mut *tx)
        .await?;
        let column = |pick: fn(&Entry) -> &str| {
            entries
                .iter()
                .map(|entry| pick(entry).to_owned())
                .collect::<Vec<String>>()
        };
        sqlx::query!(
            "insert into platform.search_entries (course_id, version, lesson_id, anchor, title, body)
             select $1, $2, l, a, t, b from unnest($3::text[], $4::text[], $5::text[], $6::text[]) as x(l, a, t, b)",
            version.course_id.0,
            version.version,
            &column(|entry| &entry.unit.lesson_id),
            &column(|entry| &entry.unit.anchor),
            &column(|entry| &entry.title),
            &column(|entry| &entry.body)
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn candidates(&self, query: &str, lesson_text: bool, limit: i64) -> Result<Vec<CourseId>> {
        // Two statements, each with its own index.
        let words = "select course_id, ts_rank_cd(words, q) as score
                     from platform.search_entries, websearch_to_tsquery('english', $1) q where words @@ q";
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

    async fn find(&self, query: &str, scopes: &[Scope], offset: i64, limit: i64) -> Result<Vec<Hit>> {
        let courses: Vec<i64> = scopes.iter().map(|scope| scope.version.course_id.0).collect();
        let versions: Vec<i32> = scopes.iter().map(|scope| scope.version.version).collect();
        let texts: Vec<bool> = scopes.iter().map(|scope| scope.lesson_text).collect();
        let rows = sqlx::query!(
            r#"with question as (
                   select websearch_to_tsquery('english', $1) as words
               ), scope as (
                   select * from unnest($2::bigint[], $3::int[], $4::bool[]) as s(course_id, version, lesson_text)
               ), found as (
                   select e.*, s.lesson_text,
                          ts_rank_cd(e.words, q.words) + similarity(e.title, $1) as score,
                          row_number() over (partition by e.course_id, e.lesson_id
                                             order by ts_rank_cd(e.words, q.words) desc, e.anchor) as place
                   from platform.search_entries e join scope s using (course_id, version), question q
                   where (s.lesson_text or e.lesson_id = '')
                     -- A similar title forgives a typo; it must not override a phrase or an exclusion.
                     and (e.words @@ q.words or (e.title % $1 and $1 !~ '"|(^|\s)-'))
               )
               select f.course_id as "course_id!", f.version as "version!", f.lesson_id as "lesson_id!", f.anchor as "anchor!",
                      f.title as "title!", f.score::real as "score!",
                      ts_headline('english', f.body, q.words,
                                  E'StartSel=\x02, StopSel=\x03, MaxWords=30, MinWords=12') as "snippet!"
               from found f, question q where f.place = 1
               order by f.score desc, f.course_id, f.lesson_id offset $5 limit $6"#,
            query,
            &courses,
            &versions,
            &texts,
            offset,
            limit
        )
        .fetch_all(&self.0)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Hit {
                version: VersionId {
                    course_id: CourseId(row.course_id),
                    version: row.version,
                },
                unit: Unit::new(row.lesson_id, row.anchor),
                title: row.title,
                snippet: row.snippet,
                score: row.score,
            })
            .collect())
    }

    async fn rank(&self, query: &str, version: VersionId, limit: i64) -> Result<Vec<(Unit, f32)>> {
        // A question is not a search: any of its words counts, and the rank tells how many and how close.
        let rows = sqlx::query!(
            r#"with question as (
                   select replace(plainto_tsquery('english', $1)::text, '&', '|')::tsquery as words
               )
               select lesson_id, anchor as "anchor!", ts_rank_cd(e.words, q.words, 1) as "score!"
               from platform.search_entries e, question q
               where course_id = $2 and version = $3 and lesson_id <> '' and e.words @@ q.words
               order by 3 desc, lesson_id, anchor limit $4"#,
            query,
            version.course_id.0,
            version.version,
            limit
        )
        .fetch_all(&self.0)
        .await?;
        Ok(rows
            .into_iter()
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
        sqlx::query!(
            "delete from platform.search_entries where course_id = $1 and version = $2",
            version.course_id.0,
            version.version
        )
        .execute(&self.0)
        .await?;
        Ok(())
    }
}
