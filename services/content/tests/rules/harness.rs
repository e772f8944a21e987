//! The content service on a real PostgreSQL and the embedded engines, with the course service next door. Nothing parses: a
//! text is put where the parser would have put it.

use std::{
    collections::HashMap,
    future::ready,
    path::Path,
    sync::{Arc, Mutex},
};

use futures::{TryStreamExt as _, stream};
use serde_json::json;
use smartcourse_content::{Dependencies, config::CONFIG};
use smartcourse_platform::{
    Error,
    config::Config,
    error::codes,
    grpc::{Actor, Transport},
    ports::vectors::Vectors,
};
use smartcourse_proto::{
    common::VersionRef,
    content::*,
    course::{Content, Lesson, LessonContent, LessonType, Manifest, ManifestRequest, Module},
    ids::UserId,
    stubs::ContentStub,
    user::Role,
};
use smartcourse_tests::{
    Neighbours, StoppedClock,
    engines::{
        documents,
        embeddings::embedded::{Embedded, Settings},
        files::directory::Directory,
        search, vectors,
    },
    local,
};
use smartcourse_text::{Limits, Sandbox};
use sqlx::PgPool;
use tempfile::TempDir;
use tonic::{Status, service::Routes};

pub(crate) const COURSE: i64 = 7;
pub(crate) const TEACHER: Actor = Actor::User {
    id: UserId(1),
    role: Role::Instructor,
};
pub(crate) const COLLEAGUE: Actor = Actor::User {
    id: UserId(2),
    role: Role::Instructor,
};
/// Bytes of an upload at most.
pub(crate) const MAX: usize = 10_000;
/// Bytes of a part of one.
pub(crate) const PART: usize = 1000;

/// The service and what surrounds it.
pub(crate) struct Harness {
    pub(crate) pool: PgPool,
    pub(crate) config: Config,
    pub(crate) clock: Arc<StoppedClock>,
    pub(crate) deps: Dependencies,
    pub(crate) content: ContentStub<Transport>,
    /// The lessons of the draft, 0, and of versions.
    versions: Arc<Mutex<HashMap<i32, Vec<Lesson>>>>,
    _dir: TempDir,
}

impl Harness {
    pub(crate) async fn build() -> Self {
        Self::on(|pool| Arc::new(vectors::postgres::Postgres::new(pool))).await
    }

    /// With these vectors.
    pub(crate) async fn on(vectors: impl FnOnce(PgPool) -> Arc<dyn Vectors>) -> Self {
        let pool = smartcourse_tests::migrated(&smartcourse_content::migrator())
            .await
            .unwrap();
        let settings = [("MAX_UPLOAD_BYTES", MAX), ("UPLOAD_PART_BYTES", PART)];
        let settings =
            settings.map(|(name, bytes)| (format!("SMARTCOURSE_CONTENT__{name}"), bytes.to_string()));
        let config = Config::load(&[CONFIG], None, &settings).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::<StoppedClock>::default();
        let versions = Arc::<Mutex<HashMap<i32, Vec<Lesson>>>>::default();
        let deps = Dependencies {
            documents: Arc::new(documents::postgres::Postgres::new(pool.clone())),
            files: Arc::new(Directory::open(dir.path()).unwrap()),
            vectors: vectors(pool.clone()),
            search: Arc::new(search::postgres::Postgres::new(pool.clone())),
            models: Arc::new(models(dir.path())),
            transcriber: None,
            course: next_door(&versions).transport(&config),
            clock: clock.clone(),
            sandbox: Sandbox::new("/nowhere".into(), Vec::new(), Limits::default()),
        };
        let service = smartcourse_content::service(&config, pool.clone(), deps.clone()).unwrap();
        let content = ContentStub::new(local(&config, Routes::new(service).into_axum_router()));
        Self {
            pool,
            config,
            clock,
            deps,
            content,
            versions,
            _dir: dir,
        }
    }

    /// Saves a version of the course; 0 is the draft.
    pub(crate) fn save(&self, version: i32, lessons: &[Lesson]) {
        self.versions.lock().unwrap().insert(version, lessons.to_vec());
    }

    /// Uploads a file in parts of a hundred bytes.
    pub(crate) async fn upload(
        &self,
        actor: Actor,
        header: AssetHeader,
        data: &[u8],
    ) -> Result<Asset, Status> {
        let header = AssetPart {
            header: Some(header),
            data: Vec::new(),
        };
        let data = data.chunks(100).map(|data| AssetPart {
            header: None,
            data: data.to_vec(),
        });
        let parts: Vec<AssetPart> = [header].into_iter().chain(data).collect();
        self.content
            .upload_asset(actor.request(stream::iter(parts)))
            .await
    }

    /// The lessons that still have to be read.
    pub(crate) async fn plan(&self, version: i32) -> Result<Vec<String>, Status> {
        let plan = self.plan_page(version, 0).await?;
        Ok(plan.tasks.into_iter().map(|task| task.lesson_id).collect())
    }

    pub(crate) async fn plan_page(&self, version: i32, from: i32) -> Result<LessonPlan, Status> {
        let request = Actor::Service.request(page(version, from));
        self.content.plan_extraction(request).await
    }

    pub(crate) async fn extract(&self, version: i32, lesson: &str) -> Result<ExtractReply, Status> {
        let request = Actor::Service.request(lesson_of(version, lesson));
        self.content.extract_lesson(request).await
    }

    /// What the parser would have made of a lesson that has one paragraph.
    pub(crate) async fn extracted(&self, version: i32, lesson: &str, text: &str) {
        let chunks = json!({"chunks": [{"ordinal": 0, "heading": "", "text": text}]});
        let key = format!("{COURSE}/v{version}/{lesson}");
        let documents = &self.deps.documents;
        documents.put("content.chunks", &key, &chunks).await.unwrap();
        let done = "update content.lessons set state = 'extracted', chunk_count = 1
             where course_id = $1 and version = $2 and lesson_id = $3";
        let done = sqlx::query(done).bind(COURSE).bind(version).bind(lesson);
        assert_eq!(done.execute(&self.pool).await.unwrap().rows_affected(), 1);
    }

    /// The lessons that still have to be embedded.
    pub(crate) async fn plan_embedding(&self, version: i32) -> Result<Vec<String>, Status> {
        let request = Actor::Service.request(page(version, 0));
        let plan = self.content.plan_embedding(request).await?;
        Ok(plan.tasks.into_iter().map(|task| task.lesson_id).collect())
    }

    pub(crate) async fn embed(&self, version: i32, lesson: &str) -> Result<Vec<EmbedProgress>, Status> {
        let request = Actor::Service.request(lesson_of(version, lesson));
        self.content.embed_lesson(request).await?.try_collect().await
    }

    pub(crate) async fn ready(&self, version: i32) -> Result<Readiness, Status> {
        self.content
            .mark_ai_ready(Actor::Service.request(of(version)))
            .await
    }

    pub(crate) async fn index(&self, version: i32) -> Result<i32, Status> {
        let request = Actor::Service.request(of(version));
        Ok(self.content.index_course(request).await?.entries)
    }

    pub(crate) async fn copy_files(&self, version: i32) -> Result<i32, Status> {
        let request = Actor::Service.request(of(version));
        Ok(self.content.upload_assets(request).await?.count)
    }

    /// Everything a publish does for a version whose lessons say what they are called.
    pub(crate) async fn process(&self, version: i32) {
        self.copy_files(version).await.unwrap();
        for lesson in self.plan(version).await.unwrap() {
            self.extracted(version, &lesson, &format!("The lesson {lesson} undoes a step."))
                .await;
        }
        for lesson in self.plan_embedding(version).await.unwrap() {
            self.embed(version, &lesson).await.unwrap();
        }
        self.ready(version).await.unwrap();
        self.index(version).await.unwrap();
    }

    /// Undoes a version.
    pub(crate) async fn discard(&self, version: i32) {
        let request = || Actor::Service.request(of(version));
        self.content.discard_index(request()).await.unwrap();
        self.content.discard_vectors(request()).await.unwrap();
        self.content.discard_chunks(request()).await.unwrap();
        self.content.discard_files(request()).await.unwrap();
    }

    /// How many files, documents of chunks, vectors and search entries a version has.
    pub(crate) async fn parts(&self, version: i32) -> [i64; 4] {
        let count = async |query: &'static str| -> i64 {
            let counted = sqlx::query_scalar(query).bind(COURSE).bind(version);
            counted.fetch_one(&self.pool).await.unwrap()
        };
        [
            count("select count(*) from content.version_assets where course_id = $1 and version = $2").await,
            count("select count(*) from platform.documents where collection = 'content.chunks' and key like $1 || '/v' || $2 || '/%'").await,
            count("select count(*) from platform.vectors where course_id = $1 and version = $2").await,
            count("select count(*) from platform.search_entries where course_id = $1 and version = $2").await,
        ]
    }

    pub(crate) async fn sweep(&self) -> Result<u64, Status> {
        Ok(self.content.sweep(Actor::Service.request(())).await?.removed)
    }

    /// Files that were begun and have no row yet.
    pub(crate) async fn under_way(&self) -> i64 {
        let count = "select count(*) from content.uploads";
        sqlx::query_scalar(count).fetch_one(&self.pool).await.unwrap()
    }
}

pub(crate) fn of(version: i32) -> VersionRef {
    VersionRef {
        course_id: COURSE,
        version,
        ..VersionRef::default()
    }
}

fn page(version: i32, from: i32) -> PlanRequest {
    PlanRequest {
        course_id: COURSE,
        version,
        from,
        ..PlanRequest::default()
    }
}

fn lesson_of(version: i32, lesson: &str) -> LessonRef {
    LessonRef {
        course_id: COURSE,
        version,
        lesson_id: lesson.to_owned(),
        ..LessonRef::default()
    }
}

pub(crate) fn header(filename: &str) -> AssetHeader {
    AssetHeader {
        course_id: COURSE,
        filename: filename.to_owned(),
        ..AssetHeader::default()
    }
}

/// A lesson of a text.
pub(crate) fn text(id: &str, markdown: &str) -> Lesson {
    lesson(
        id,
        LessonType::Text,
        LessonContent {
            markdown: Some(markdown.to_owned()),
            ..LessonContent::default()
        },
    )
}

/// A lesson of a file.
pub(crate) fn document(id: &str, asset_id: &str) -> Lesson {
    lesson(
        id,
        LessonType::Document,
        LessonContent {
            asset_id: Some(asset_id.to_owned()),
            ..LessonContent::default()
        },
    )
}

/// A recording nobody wrote down.
pub(crate) fn video(id: &str) -> Lesson {
    lesson(id, LessonType::Video, LessonContent::default())
}

pub(crate) fn lesson(id: &str, kind: LessonType, content: LessonContent) -> Lesson {
    Lesson {
        id: id.to_owned(),
        title: format!("Lesson {id}"),
        r#type: kind.into(),
        content: Some(content),
        ..Lesson::default()
    }
}

fn next_door(versions: &Arc<Mutex<HashMap<i32, Vec<Lesson>>>>) -> Neighbours {
    let versions = Arc::clone(versions);
    Neighbours::default().answer(
        "smartcourse.course.CourseService/GetManifest",
        move |request: ManifestRequest| {
            let lessons = versions.lock().unwrap().get(&request.version).cloned();
            let found = match lessons {
                Some(lessons) => Some(lessons),
                None => (request.version == 0).then(Vec::new),
            };
            ready(found.map_or_else(
                || Err(Error::new(&codes::VERSION_DISCARDED, "no such version").into()),
                |lessons| {
                    let module = Module {
                        title: "One".to_owned(),
                        lessons,
                        ..Module::default()
                    };
                    Ok(Manifest {
                        content: Some(Content {
                            modules: vec![module],
                            ..Content::default()
                        }),
                        course_title: "Sagas".to_owned(),
                        instructor_id: 1,
                        ..Manifest::default()
                    })
                },
            ))
        },
    )
}

/// Hashed n-grams alone: there is nothing in the directory.
fn models(directory: &Path) -> Embedded {
    let settings = Settings {
        model_dir: directory.to_owned(),
        multilingual_model_dir: directory.to_owned(),
    };
    Embedded::open(&settings, None).unwrap()
}
