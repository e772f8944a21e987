//! What each store holds of a course version.

use std::sync::Arc;

use anyhow::Result;
use mongodb::{
    Client, Collection,
    bson::{Document, doc},
};
use smartcourse_engines::{documents, search::opensearch::OpenSearch, servers};
use smartcourse_platform::ports::{self, search::Search as _};
use smartcourse_proto::ids::VersionId;
use sqlx::Row as _;

use crate::World;

/// How many of everything a version has, in every store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces {
    /// Content documents of the version.
    pub documents: i64,
    /// Rows of files.
    pub assets: i64,
    /// Files on disk.
    pub files: i64,
    /// Chunk documents.
    pub chunk_documents: i64,
    /// Chunks in them.
    pub chunks: i64,
    /// Vectors.
    pub vectors: i64,
    /// Vectors with the same lesson and anchor as another.
    pub duplicate_vectors: i64,
    /// Search entries.
    pub entries: i64,
    /// Rows prepared by enrollment for exactly this version.
    pub enrollment: i64,
    /// Rows prepared by progress.
    pub progress: i64,
    /// `course.published` events.
    pub published_events: i64,
}

impl Traces {
    /// Counts everything of a version, wherever this world keeps it.
    ///
    /// # Errors
    /// When a store does not answer.
    pub async fn of(world: &World, course: i64, version: i32) -> Result<Self> {
        let prefix = format!("{course}/v{version}");
        let row = sqlx::query(
            "select
               (select count(*) from content.version_assets where course_id = $1 and version = $2) as assets,
               (select count(*) from platform.vectors where course_id = $1 and version = $2) as vectors,
               (select count(*) from (select lesson_id, anchor from platform.vectors where course_id = $1 and version = $2
                 group by 1, 2 having count(*) > 1) d) as duplicate_vectors,
               (select count(*) from platform.search_entries where course_id = $1 and version = $2) as entries,
               (select count(*) from enrollment.course_seats where course_id = $1 and prepared_version = $2) as enrollment,
               (select count(*) from progress.course_lessons where course_id = $1 and version = $2) as progress,
               (select count(*) from platform.events where type = 'course.published' and key = 'course-' || $1::bigint
                 and (payload->>'version')::int = $2) as published_events",
        )
        .bind(course)
        .bind(version)
        .fetch_one(&world.pool)
        .await?;
        let directory = world.files().join(format!("courses/{course}/v{version}"));
        // A file each, or the directory that stands for it.
        let on_disk = std::fs::read_dir(directory).map(Iterator::count).unwrap_or(0);
        let entries = match world.opensearch() {
            Some(settings) => {
                let index = OpenSearch::new(servers::opensearch::Server::open(&settings)?);
                index.count(VersionId::new(course, version)).await?
            }
            None => row.get("entries"),
        };
        let (documents, chunk_documents, chunks) = match world.mongo() {
            Some((url, database)) => in_mongo(url, database, &prefix).await?,
            None => in_postgres(world, &prefix).await?,
        };
        Ok(Self {
            documents,
            assets: row.get("assets"),
            files: i64::try_from(on_disk)?,
            chunk_documents,
            chunks,
            vectors: row.get("vectors"),
            duplicate_vectors: row.get("duplicate_vectors"),
            entries,
            enrollment: row.get("enrollment"),
            progress: row.get("progress"),
            published_events: row.get("published_events"),
        })
    }

    /// Whether nothing is left of the version.
    pub fn none(&self) -> bool {
        *self == Self::default()
    }
}

/// Contents, documents of chunks and chunks of a version.
type Documents = (i64, i64, i64);

async fn in_postgres(world: &World, prefix: &str) -> Result<Documents> {
    let documents = sqlx::query_as(
        "select (select count(*) from platform.documents where collection = 'course.content' and key = $1), count(*),
             coalesce(sum(jsonb_array_length(body->'chunks')), 0)::bigint
         from platform.documents where collection = 'content.chunks' and key like $1 || '/%'",
    );
    Ok(documents.bind(prefix).fetch_one(&world.pool).await?)
}

impl World {
    /// The documents, wherever this world keeps them.
    ///
    /// # Errors
    /// When the address of their server cannot be used.
    pub fn documents(&self) -> Result<Arc<dyn ports::documents::Documents>> {
        Ok(match self.mongo() {
            Some((url, database)) => {
                let server = servers::mongodb::Mongo::open(servers::mongodb::Settings {
                    url: url.into(),
                    database: database.to_owned(),
                })?;
                Arc::new(documents::mongodb::MongoDb::new(Arc::new(server)))
            }
            None => Arc::new(documents::postgres::Postgres::new(self.pool.clone())),
        })
    }
}

async fn in_mongo(url: &str, database: &str, prefix: &str) -> Result<Documents> {
    let database = Client::with_uri_str(url).await?.database(database);
    let contents: Collection<Document> = database.collection("course_contents");
    let contents = contents.count_documents(doc! { "_id": prefix }).await?;
    let chunks: Collection<Document> = database.collection("content_chunks");
    let mut found = chunks
        .find(doc! { "_id": { "$regex": format!("^{prefix}/") } })
        .await?;
    let (mut documents, mut chunks) = (0, 0);
    while found.advance().await? {
        documents += 1;
        let document = found.deserialize_current()?;
        chunks += document.get_document("body")?.get_array("chunks")?.len();
    }
    Ok((i64::try_from(contents)?, documents, i64::try_from(chunks)?))
}
