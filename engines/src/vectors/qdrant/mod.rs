//! Vectors in Qdrant: one collection for each model, a point for each unit. Points are compared one by one within their version,
//! exactly, unless quantization was asked for.

mod points;

use async_trait::async_trait;
use points::{ANCHOR, COURSE, LESSON, VERSION, id, is, near, of, point};
use qdrant_client::qdrant::{
    CollectionInfo, Condition, CountPoints, CreateCollection, CreateCollectionBuilder,
    CreateFieldIndexCollection, DeletePoints, Distance, FieldType, Filter, GetCollectionInfoRequest,
    HnswConfigDiffBuilder, IntegerIndexParamsBuilder, KeywordIndexParamsBuilder, ListCollectionsRequest,
    PayloadIndexParams, PointId, PointsOperationResponse, QuantizationSearchParams, Query, QueryPoints,
    ScalarQuantizationBuilder, ScoredPoint, SearchParams, UpdateStatus, UpsertPoints, VectorInput,
    VectorParamsBuilder, payload_index_params::IndexParams, vectors_config::Config,
};
use smartcourse_platform::{
    Error, Result,
    error::codes,
    ports::vectors::{Near, Vector, Vectors},
};
use smartcourse_proto::ids::VersionId;

use crate::servers::qdrant::{Server, answer};

/// Begins the names of our collections; the rest is the model.
const PREFIX: &str = "smartcourse_vectors_";
/// Bytes of one call that writes, about: a server takes 32 MiB.
const BATCH: usize = 1024 * 1024;
/// Bytes of a point beside its vector, about.
const BESIDE: usize = 512;
/// How many times as many as are wanted are compared exactly when the first comparison is not.
const OVERSAMPLING: f64 = 4.0;

/// Collections of a server.
pub struct Qdrant(Server);

impl Qdrant {
    /// Over a server.
    pub fn new(server: Server) -> Self {
        Self(server)
    }

    /// What the server is, and what it has of ours or lacks.
    pub async fn look(&self) -> Result<String> {
        let mut found = vec![self.0.version().await?];
        for name in self.ours().await? {
            let Some(info) = self.info(&name).await? else {
                continue;
            };
            let is_missing = |field: &&str| !info.payload_schema.contains_key(*field);
            found.push(match [COURSE, VERSION, LESSON].into_iter().find(is_missing) {
                None => format!("some {} vectors in {name}", info.points_count.unwrap_or_default()),
                Some(field) => format!("{name} lacks the index of {field}: run `smartcourse migrate`"),
            });
        }
        if found.len() == 1 {
            found.push("no collection is there yet: run `smartcourse migrate`".to_owned());
        }
        Ok(found.join("; "))
    }

    /// The names of our collections, one for each model.
    async fn ours(&self) -> Result<Vec<String>> {
        let all = answer(self.0.collections().list(ListCollectionsRequest {})).await?;
        let names = all
            .into_iter()
            .flat_map(|all| all.collections)
            .map(|one| one.name);
        Ok(names.filter(|name| name.starts_with(PREFIX)).collect())
    }

    /// A collection as it is; `None` when it is not there.
    async fn info(&self, name: &str) -> Result<Option<CollectionInfo>> {
        let request = GetCollectionInfoRequest {
            collection_name: name.to_owned(),
        };
        let found = answer(self.0.collections().get(request)).await?;
        Ok(found.and_then(|found| found.result))
    }

    /// Makes a collection, unless it is there.
    async fn make(&self, name: &str, dimensions: usize) -> Result<CollectionInfo> {
        if let Some(info) = self.info(name).await? {
            return Ok(info);
        }
        let request = self.description(name, dimensions);
        let made = answer(self.0.collections().create(request)).await;
        // Somebody else may have made it meanwhile.
        match self.info(name).await? {
            Some(info) => Ok(info),
            None => Err(made.err().unwrap_or_else(|| no_collection(name))),
        }
    }

    fn description(&self, name: &str, dimensions: usize) -> CreateCollection {
        let settings = self.0.settings();
        let vectors = VectorParamsBuilder::new(dimensions as u64, Distance::Cosine).on_disk(settings.on_disk);
        // Nobody searches beyond a course, so no graph goes beyond one.
        let graph = HnswConfigDiffBuilder::default()
            .m(0)
            .payload_m(16)
            .on_disk(settings.on_disk);
        let description = CreateCollectionBuilder::new(name)
            .vectors_config(vectors)
            .hnsw_config(graph)
            .on_disk_payload(settings.on_disk);
        if settings.scalar_quantization {
            let quantized = ScalarQuantizationBuilder::default().always_ram(true);
            return description.quantization_config(quantized).build();
        }
        description.build()
    }

    /// Writes a lesson's vectors, then removes its others; `None` when there is no collection.
    async fn write(
        &self,
        name: &str,
        version: VersionId,
        lesson_id: &str,
        vectors: &[Vector],
    ) -> Result<Option<()>> {
        let ids: Vec<PointId> = vectors
            .iter()
            .map(|vector| id(version, lesson_id, &vector.anchor))
            .collect();
        let bytes = |vector: &Vector| vector.embedding.len() * 4 + BESIDE;
        let at_once = (BATCH / vectors.first().map_or(BESIDE, bytes)).max(1);
        for (vectors, ids) in vectors.chunks(at_once).zip(ids.chunks(at_once)) {
            let points = vectors.iter().zip(ids);
            let request = UpsertPoints {
                collection_name: name.to_owned(),
                wait: Some(true),
                points: points
                    .map(|(vector, id)| point(version, lesson_id, vector, id.clone()))
                    .collect(),
                ..UpsertPoints::default()
            };
            if written(answer(self.0.points().upsert(request)).await?)?.is_none() {
                return Ok(None);
            }
        }
        let mut others = of(version);
        others.must.push(is(LESSON, lesson_id));
        if !ids.is_empty() {
            others.must_not.push(Condition::has_id(ids));
        }
        self.delete(name, others).await
    }

    /// Removes points; `None` when there is no collection.
    async fn delete(&self, name: &str, points: Filter) -> Result<Option<()>> {
        let request = DeletePoints {
            collection_name: name.to_owned(),
            wait: Some(true),
            points: Some(points.into()),
            ..DeletePoints::default()
        };
        written(answer(self.0.points().delete(request)).await?)
    }

    /// The best points of a version, as many as there are up to a limit.
    async fn query(
        &self,
        name: &str,
        version: VersionId,
        query: &[f32],
        limit: usize,
    ) -> Result<Vec<ScoredPoint>> {
        let quantized = self.0.settings().scalar_quantization;
        let request = QueryPoints {
            collection_name: name.to_owned(),
            query: Some(Query::new_nearest(VectorInput::new_dense(query))),
            filter: Some(of(version)),
            params: Some(SearchParams {
                exact: Some(!quantized),
                quantization: quantized.then_some(QuantizationSearchParams {
                    ignore: Some(false),
                    rescore: Some(true),
                    oversampling: Some(OVERSAMPLING),
                }),
                ..SearchParams::default()
            }),
            limit: Some(limit as u64),
            with_payload: Some(vec![LESSON, ANCHOR].into()),
            ..QueryPoints::default()
        };
        let found = answer(self.0.points().query(request)).await?;
        Ok(found.ok_or_else(|| no_collection(name))?.result)
    }
}

#[async_trait]
impl Vectors for Qdrant {
    fn place(&self) -> String {
        format!("Qdrant at {}", self.0.address())
    }

    async fn prepare(&self, model: &str, dimensions: usize) -> Result<()> {
        let name = collection(model);
        let info = self.make(&name, dimensions).await?;
        is_for(&info, &name, dimensions)?;
        for (field, kind, params) in indexes(self.0.settings().on_disk) {
            if info.payload_schema.contains_key(field) {
                continue;
            }
            let request = CreateFieldIndexCollection {
                collection_name: name.clone(),
                wait: Some(true),
                field_name: field.to_owned(),
                field_type: Some(kind.into()),
                field_index_params: Some(PayloadIndexParams {
                    index_params: Some(params),
                }),
                ..CreateFieldIndexCollection::default()
            };
            let made = answer(self.0.points().create_field_index(request)).await?;
            written(made)?.ok_or_else(|| no_collection(&name))?;
        }
        Ok(())
    }

    async fn put_lesson(
        &self,
        model: &str,
        version: VersionId,
        lesson_id: &str,
        vectors: &[Vector],
    ) -> Result<()> {
        let name = collection(model);
        let written = self.write(&name, version, lesson_id, vectors).await?;
        // A server that came back empty; of nothing there is nothing to write.
        if written.is_none()
            && let Some(first) = vectors.first()
        {
            self.prepare(model, first.embedding.len()).await?;
            let written = self.write(&name, version, lesson_id, vectors).await?;
            return written.ok_or_else(|| no_collection(&name));
        }
        Ok(())
    }

    async fn nearest(
        &self,
        model: &str,
        version: VersionId,
        query: &[f32],
        limit: usize,
    ) -> Result<Vec<Near>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let name = collection(model);
        let mut wanted = limit.saturating_add(1);
        // The server takes any of equals: where it cut between them, more are asked for until all of them are here.
        let found = loop {
            let found = self.query(&name, version, query, wanted).await?;
            let is_cut = found.len() == wanted
                && found.get(limit - 1).map(|point| point.score) == found.last().map(|point| point.score);
            if !is_cut {
                break found;
            }
            wanted = wanted.saturating_mul(4);
        };
        let mut near: Vec<Near> = found.into_iter().map(near).collect::<Result<_>>()?;
        near.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.unit.cmp(&b.unit)));
        near.truncate(limit);
        Ok(near)
    }

    async fn count(&self, model: &str, version: VersionId) -> Result<i64> {
        let name = collection(model);
        let request = CountPoints {
            collection_name: name.clone(),
            filter: Some(of(version)),
            exact: Some(true),
            ..CountPoints::default()
        };
        let counted = answer(self.0.points().count(request)).await?;
        let counted = counted.ok_or_else(|| no_collection(&name))?.result;
        let count = counted.ok_or_else(|| Error::internal("the vector store counted nothing"))?;
        Ok(count.count as i64)
    }

    async fn delete_version(&self, version: VersionId) -> Result<()> {
        for name in self.ours().await? {
            // One that is gone by now has none of its vectors.
            self.delete(&name, of(version)).await?;
        }
        Ok(())
    }
}

/// The collection of a model: its name in characters every server takes.
fn collection(model: &str) -> String {
    let mut name = PREFIX.to_owned();
    for c in model.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' => name.push(c),
            other => name.push_str(&format!("_{:x}_", u32::from(other))),
        }
    }
    name
}

/// What is filtered by. The course is the tenant: what belongs to one is kept together.
fn indexes(on_disk: bool) -> [(&'static str, FieldType, IndexParams); 3] {
    let keyword = KeywordIndexParamsBuilder::default().on_disk(on_disk);
    let version = IntegerIndexParamsBuilder::new(true, false).on_disk(on_disk);
    let course = keyword.clone().is_tenant(true);
    [
        (COURSE, FieldType::Keyword, course.into()),
        (VERSION, FieldType::Integer, version.into()),
        (LESSON, FieldType::Keyword, keyword.into()),
    ]
}

/// Fails when a collection is one of other vectors.
fn is_for(info: &CollectionInfo, name: &str, dimensions: usize) -> Result<()> {
    let params = info.config.as_ref().and_then(|config| config.params.as_ref());
    let vectors = params.and_then(|params| params.vectors_config.as_ref()?.config.as_ref());
    match vectors {
        Some(Config::Params(params))
            if params.size == dimensions as u64 && params.distance == i32::from(Distance::Cosine) =>
        {
            Ok(())
        }
        _ => Err(Error::internal(format!(
            "the collection {name} has no vectors of {dimensions} numbers compared by their cosine: it was not made by us, or \
             for another model; remove it"
        ))),
    }
}

/// Whether a write was done, and not only taken; `None` when there is no collection.
fn written(answer: Option<PointsOperationResponse>) -> Result<Option<()>> {
    let Some(answer) = answer else {
        return Ok(None);
    };
    match answer.result.map(|result| result.status()) {
        Some(UpdateStatus::Completed) => Ok(Some(())),
        other => {
            let detail = format!("the vector store did not do this in time: {other:?}");
            Err(Error::new(&codes::UNAVAILABLE, detail))
        }
    }
}

fn no_collection(name: &str) -> Error {
    let detail = format!(
        "the vector store has no collection {name}: run `smartcourse migrate`, and publish again what it has lost"
    );
    Error::new(&codes::UNAVAILABLE, detail)
}
