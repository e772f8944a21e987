//! The content service: files, their text, its embeddings, vectors and search.
//!
//! Owns schema `content`, the documents of collection `content.chunks`, the files, vectors and index entries. Serves
//! `smartcourse.content.ContentService`.
//!
//! Everything of a version is written under a share lock on its row in `content.versions`. A discard takes the row
//! alone and leaves a tombstone: earlier writes are seen and removed, later ones are refused.

mod chunk;
pub mod codes;
pub mod config;
mod consumers;
mod course;
mod documents;
mod grpc;
mod language;
mod lesson;
mod lesson_source;
mod model_place;
mod models;
mod ops;
mod parser;
mod part_upload;
mod receiving;
mod store;
mod tasks;
mod version_lock;
mod webvtt;

use std::{sync::Arc, time::Duration};

use moka::future::Cache;
use smartcourse_platform::{
    Result,
    clock::Clock,
    config::Config,
    grpc::Transport,
    ports::{
        documents::Documents, embeddings::Models, files::Files, search::Search, transcription::Transcriber,
        vectors::Vectors,
    },
    postgres,
};
use smartcourse_proto::{
    content::content_service_server::ContentServiceServer, ids::VersionId, stubs::CourseStub,
};
use smartcourse_text::Sandbox;
use sqlx::{PgPool, migrate::Migrator};
use tokio::sync::Semaphore;

pub use consumers::{Deletions, Retention};
pub use documents::CHUNKS as DOCUMENTS;
pub use grpc::Api;
pub use model_place::ModelPlace;
pub use ops::rebuild::{Difference, Index, Rebuild, Rebuilt};
pub use tasks::FileRemoval;

/// Files that are made of their parts at once.
const COMPLETIONS: usize = 2;
/// Contents of versions that are kept at hand: the lessons of one version are extracted one call each.
const CONTENTS: u64 = 16;
/// Vectors of pieces of chunks that are kept at hand, 1.5 KB each.
const PIECES: u64 = 20_000;

/// The migrations of schema `content`.
pub fn migrator() -> Migrator {
    postgres::in_schema("content", sqlx::migrate!("./migrations"))
}

/// What the service stands on.
///
/// The engines should not share the service's pool: they write while one of its transactions is open.
#[derive(Clone)]
pub struct Dependencies {
    /// Chunks, one document per lesson.
    pub documents: Arc<dyn Documents>,
    /// Uploads and the files of versions.
    pub files: Arc<dyn Files>,
    /// Vectors of versions.
    pub vectors: Arc<dyn Vectors>,
    /// Search entries of versions.
    pub search: Arc<dyn Search>,
    /// The embedding models.
    pub models: Arc<dyn Models>,
    /// What transcribes recordings, where one is named.
    pub transcriber: Option<Arc<dyn Transcriber>>,
    /// The course service.
    pub course: Transport,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where texts and files of authors are parsed.
    pub sandbox: Sandbox,
}

/// What the operations work with.
pub(crate) struct State {
    pub(crate) pool: PgPool,
    pub(crate) deps: Dependencies,
    pub(crate) course: CourseStub<Transport>,
    pub(crate) max_upload_bytes: i64,
    pub(crate) upload_part_bytes: i64,
    /// How long an upload in parts may take.
    pub(crate) keep_open_uploads: Duration,
    /// Files that are made of their parts at once: each holds a lock, and so a connection.
    pub(crate) completions: Arc<Semaphore>,
    pub(crate) chunk_words: usize,
    /// How long an upload is kept that nothing names.
    pub(crate) keep_unused_uploads: Duration,
    /// How long an embedding is kept that no version uses.
    pub(crate) keep_embeddings: Duration,
    pub(crate) saved: Cache<VersionId, Arc<course::Saved>>,
    /// By the model and the hash of the text.
    pub(crate) pieces: Cache<(String, String), Arc<Vec<f32>>>,
}

impl State {
    fn new(config: &Config, pool: PgPool, deps: Dependencies) -> Result<Self> {
        let settings: config::Content = config.section()?;
        Ok(Self {
            pool,
            course: CourseStub::new(deps.course.clone()),
            deps,
            max_upload_bytes: settings.max_upload_bytes,
            upload_part_bytes: settings.upload_part_bytes,
            keep_open_uploads: Duration::from_secs(3600 * u64::from(settings.keep_open_uploads_hours)),
            completions: Arc::new(Semaphore::new(COMPLETIONS)),
            chunk_words: settings.chunk_words,
            keep_unused_uploads: settings.keep_unused_uploads_days.into(),
            keep_embeddings: settings.keep_embeddings_days.into(),
            saved: Cache::builder()
                .max_capacity(CONTENTS)
                .time_to_live(Duration::from_secs(600))
                .build(),
            pieces: Cache::builder().max_capacity(PIECES).build(),
        })
    }
}

/// The gRPC service over a database, the engines and the course service.
///
/// # Errors
/// When the settings of content were not declared.
pub fn service(config: &Config, pool: PgPool, deps: Dependencies) -> Result<ContentServiceServer<Api>> {
    let state = State::new(config, pool, deps)?;
    Ok(ContentServiceServer::limited(Api(Arc::new(state))))
}
