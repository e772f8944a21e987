//! PostgreSQL full text and trigrams, over words that are ours. Those of a version are of its language, so a query is made in
//! each language it may meet. The entries of a version are ranked for a question by an index in memory: PostgreSQL's own ranks know no
//! rarity.

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use smartcourse_platform::{
    Result, page,
    ports::{
        Unit,
        search::{Entry, Found, HasWord, Hit, Ranked, Scope, Search},
    },
    postgres,
};
use smartcourse_proto::ids::{CourseId, VersionId};
use smartcourse_retrieval::{Analyzer, Query, snippet};
use sqlx::{PgConnection, PgPool};

use super::{languages, ranking::Rankings, tsearch};

/// PostgreSQL full text and trigrams.
pub struct Postgres {
    pool: PgPool,
    rankings: Rankings,
}

impl Postgres {
    /// Over the pool of the engines.
    pub fn new(pool: PgPool) -> Self {
        Self {
            rankings: Rankings::new(pool.clone()),
            pool,
        }
    }
}

/// The place of a hit among all: score, course and lesson.
#[derive(Serialize, Deserialize)]
struct Place(f32, i64, String);

/// A query in each language it may meet.
struct Asked {
    configs: Vec<String>,
    words: Vec<String>,
    /// For each, the words of its language and what is looked for.
    terms: Vec<(Arc<Analyzer>, HashSet<String>)>,
}

impl Asked {
    fn of(query: &str, configs: Vec<String>) -> Self {
        let (mut words, mut terms) = (Vec::new(), Vec::new());
        for config in &configs {
            let analyzer = Analyzer::of(languages::language(config));
            let query = Query::of(query, &analyzer);
            words.push(tsearch::query(&query));
            terms.push((analyzer, query.wanted.into_iter().flatten().flatten().collect()));
        }
        Self {
            configs,
            words,
            terms,
        }
    }

    /// The snippet of a body in the language of a configuration.
    fn snippet(&self, body: &str, config: &str) -> String {
        let terms = self
            .configs
            .iter()
            .zip(&self.terms)
            .find(|(known, _)| *known == config);
        terms.map_or_else(String::new, |(_, (analyzer, terms))| {
            marked(body, terms, analyzer)
        })
    }
}

/// The part of a body that shows why it was found, with markers around the words.
fn marked(body: &str, terms: &HashSet<String>, analyzer: &Analyzer) -> String {
    let (part, words) = snippet(body, terms, analyzer);
    let mut marked = String::with_capacity(part.len() + 2 * words.len());
    let mut at = part.start;
    for word in words {
        marked.push_str(&body[at..word.start]);
        at = word.end;
        marked.push('\u{2}');
        marked.push_str(&body[word]);
        marked.push('\u{3}');
    }
    marked.push_str(&body[at..part.end]);
    marked
}

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
        let column = |pick: fn(&Entry) -> &String| entries.iter().map(pick).cloned().collect::<Vec<_>>();
        let config = languages::config(language);
        let analyzer = Analyzer::of(languages::language(config));
        let words = entries.iter().map(|entry| {
            let texts = [('A', &*entry.title), ('A', &*entry.heading), ('B', &*entry.body)];
            tsearch::vector(&texts, &analyzer)
        });
        let words: Vec<String> = words.collect();
        let mut tx = postgres::begin(&self.pool).await?;
        postgres::be_patient(&mut tx).await?;
        delete(&mut tx, version).await?;
        sqlx::query!(
            "insert into platform.search_configs values ($1::text::regconfig) on conflict do nothing",
            config
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "insert into platform.search_entries (course_id, version, lesson_id, anchor, title, heading, body, config, words)
             select $1, $2, l, a, t, h, b, $8::text::regconfig, w::tsvector
             from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $9::text[]) as x(l, a, t, h, b, w)",
            version.course_id.0,
            version.version,
            &column(|entry| &entry.unit.lesson_id),
            &column(|entry| &entry.unit.anchor),
            &column(|entry| &entry.title),
            &column(|entry| &entry.heading),
            &column(|entry| &entry.body),
            config,
            &words
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn candidates(&self, query: &str, lesson_text: bool, limit: i64) -> Result<Vec<CourseId>> {
        let configs = sqlx::query_scalar!("select config::text as \"config!\" from platform.search_configs")
            .fetch_all(&self.pool)
            .await?;
        let asked = Asked::of(query, configs);
        // Two statements, each with its own index.
        let words = "select e.course_id, ts_rank_cd(e.words, q.words) as score
                     from (select c::regconfig as config, w::tsquery as words from unnest($3::text[], $4::text[]) as x(c, w)) q
                     join platform.search_entries e on e.config = q.config and e.words @@ q.words where true";
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
            .bind(&asked.configs)
            .bind(&asked.words)
            .fetch_all(&self.pool)
            .await?;
        Ok(ids.into_iter().map(CourseId).collect())
    }

    async fn find(&self, query: &str, scopes: &[Scope], cursor: &str, limit: i64) -> Result<Found> {
        let after: Option<Place> = page::decode(cursor)?;
        let scopes: Vec<String> = scopes.iter().map(|scope| scope.keyword().to_owned()).collect();
        let configs = sqlx::query_scalar!(
            "select distinct config::text as \"config!\" from platform.search_entries where scope = any($1)",
            &scopes
        )
        .fetch_all(&self.pool)
        .await?;
        let asked = Asked::of(query, configs);
        let rows = sqlx::query!(
            r#"with question as (
                   select c::regconfig as config, w::tsquery as words from unnest($7::text[], $8::text[]) as x(c, w)
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
                      f.title as "title!", f.score as "score!", f.body as "body!", f.config::text as "config!"
               from found f
               where f.place = 1
                 and ($3::real is null or f.score < $3 or (f.score = $3 and (f.course_id, f.lesson_id) > ($4, $5)))
               order by f.score desc, f.course_id, f.lesson_id limit $6"#,
            query,
            &scopes,
            after.as_ref().map(|place| place.0),
            after.as_ref().map(|place| place.1),
            after.as_ref().map(|place| place.2.as_str()),
            limit + 1,
            &asked.configs,
            &asked.words
        )
        .fetch_all(&self.pool)
        .await?;
        let hits = rows.into_iter().map(|row| Hit {
            snippet: asked.snippet(&row.body, &row.config),
            version: VersionId {
                course_id: CourseId(row.course_id),
                version: row.version,
            },
            unit: Unit::new(row.lesson_id, row.anchor),
            title: row.title,
            score: row.score,
        });
        let mut hits: Vec<Hit> = hits.collect();
        let place = |hit: &Hit| Place(hit.score, hit.version.course_id.0, hit.unit.lesson_id.clone());
        let next = page::cut(&mut hits, limit, place);
        Ok(Found { hits, next })
    }

    async fn rank(
        &self,
        question: &str,
        has_word: HasWord<'_>,
        version: VersionId,
        limit: i64,
    ) -> Result<Ranked> {
        self.rankings.rank(question, has_word, version, limit).await
    }

    async fn count(&self, version: VersionId) -> Result<i64> {
        let count = sqlx::query_scalar!(
            "select count(*) as \"count!\" from platform.search_entries where course_id = $1 and version = $2",
            version.course_id.0,
            version.version
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(count)
    }

    async fn delete_version(&self, version: VersionId) -> Result<()> {
        delete(&mut *self.pool.acquire().await?, version).await
    }

    /// A version is replaced in one transaction.
    async fn beside(&self) -> Result<Option<Arc<dyn Search>>> {
        Ok(None)
    }

    async fn change_over(&self) -> Result<()> {
        Ok(())
    }
}
