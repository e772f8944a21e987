//! What the Qdrant of the tests holds, and how it filters and compares: every point, one by one.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use qdrant_client::qdrant::{
    self as api, Condition, CreateCollection, Filter, PointId, PointStruct, UpdateStatus, Value,
    condition::ConditionOneOf, r#match::MatchValue, payload_index_params::IndexParams, value, vector,
    vectors, vectors_config,
};
use smartcourse_platform::ports::embeddings::cosine;
use tonic::{Response, Status};

/// What it holds.
pub struct Store {
    collections: Mutex<BTreeMap<String, Collection>>,
    /// Writes of points it does before it refuses them as a server that is stopping.
    pub writes_left: AtomicU64,
}

/// A collection of points.
pub struct Collection {
    /// What it was made by.
    pub made_as: CreateCollection,
    /// Fields that are indexed.
    pub indexes: HashMap<String, IndexParams>,
    /// Those it has, by id.
    pub points: BTreeMap<String, Point>,
}

/// A point.
#[derive(Clone)]
pub struct Point {
    pub(crate) fields: HashMap<String, Value>,
    pub(crate) vector: Vec<f32>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            collections: Mutex::default(),
            writes_left: AtomicU64::new(u64::MAX),
        }
    }
}

impl Store {
    /// What it holds by name.
    pub fn collections(&self) -> MutexGuard<'_, BTreeMap<String, Collection>> {
        self.collections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with a collection that is there.
    pub(crate) fn with<T>(
        &self,
        name: &str,
        act: impl FnOnce(&mut Collection) -> Result<T, Status>,
    ) -> Result<T, Status> {
        let mut collections = self.collections();
        let missing = || Status::not_found(format!("Not found: Collection `{name}` doesn't exist!"));
        act(collections.get_mut(name).ok_or_else(missing)?)
    }

    /// A write that is waited for.
    pub(crate) fn write(
        &self,
        name: &str,
        wait: Option<bool>,
        act: impl FnOnce(&mut Collection) -> Result<(), Status>,
    ) -> Result<Response<api::PointsOperationResponse>, Status> {
        if wait != Some(true) {
            return Err(Status::unimplemented("a write that is not waited for"));
        }
        let take = |left: u64| left.checked_sub(1);
        if self
            .writes_left
            .try_update(Ordering::SeqCst, Ordering::SeqCst, take)
            .is_err()
        {
            return Err(Status::unavailable("stopping"));
        }
        self.with(name, act)?;
        Ok(Response::new(api::PointsOperationResponse {
            result: Some(api::UpdateResult {
                operation_id: Some(1),
                status: UpdateStatus::Completed.into(),
            }),
            ..Default::default()
        }))
    }
}

impl Collection {
    pub(crate) fn dimensions(&self) -> Result<u64, Status> {
        let config = self.made_as.vectors_config.as_ref();
        match config.and_then(|config| config.config.as_ref()) {
            Some(vectors_config::Config::Params(params))
                if params.distance == i32::from(api::Distance::Cosine) =>
            {
                Ok(params.size)
            }
            _ => Err(Status::unimplemented(
                "vectors of several names or other distances",
            )),
        }
    }

    /// As it is kept and compared: of length one.
    pub(crate) fn vector(&self, mut vector: Vec<f32>) -> Result<Vec<f32>, Status> {
        let (wanted, got) = (self.dimensions()?, vector.len());
        if wanted != got as u64 {
            let detail = format!("Wrong input: Vector dimension error: expected dim: {wanted}, got {got}");
            return Err(Status::invalid_argument(detail));
        }
        let length = cosine(&vector, &vector).sqrt();
        if length > f32::EPSILON {
            vector.iter_mut().for_each(|value| *value /= length);
        }
        Ok(vector)
    }

    pub(crate) fn put(&mut self, point: PointStruct) -> Result<(), Status> {
        let given = point.vectors.and_then(|vectors| vectors.vectors_options);
        let vector = match given {
            Some(vectors::VectorsOptions::Vector(vector)) => vector.vector,
            _ => None,
        };
        let Some(vector::Vector::Dense(dense)) = vector else {
            return Err(Status::unimplemented("points with no or several vectors"));
        };
        let vector = self.vector(dense.data)?;
        let fields = point.payload;
        self.points.insert(id(point.id)?, Point { fields, vector });
        Ok(())
    }

    /// The points a filter lets through.
    pub(crate) fn filtered(&self, filter: Option<&Filter>) -> Result<Vec<(String, Point)>, Status> {
        let mut found = Vec::new();
        for (id, point) in &self.points {
            if filter.map_or(Ok(true), |filter| self.passes(filter, id, point))? {
                found.push((id.clone(), point.clone()));
            }
        }
        Ok(found)
    }

    fn passes(&self, filter: &Filter, id: &str, point: &Point) -> Result<bool, Status> {
        if filter.min_should.is_some() {
            return Err(Status::unimplemented("min_should"));
        }
        let holds = |condition: &Condition| self.holds(condition, id, point);
        for condition in &filter.must {
            if !holds(condition)? {
                return Ok(false);
            }
        }
        for condition in &filter.must_not {
            if holds(condition)? {
                return Ok(false);
            }
        }
        let should = filter.should.iter().map(holds).collect::<Result<Vec<_>, _>>()?;
        Ok(should.is_empty() || should.contains(&true))
    }

    fn holds(&self, condition: &Condition, id: &str, point: &Point) -> Result<bool, Status> {
        match &condition.condition_one_of {
            Some(ConditionOneOf::HasId(wanted)) => Ok(wanted.has_id.iter().any(|one| is(one, id))),
            Some(ConditionOneOf::Filter(filter)) => self.passes(filter, id, point),
            Some(ConditionOneOf::Field(field)) => {
                let value = point.fields.get(&field.key).and_then(|value| value.kind.as_ref());
                let wanted = field
                    .r#match
                    .as_ref()
                    .and_then(|wanted| wanted.match_value.as_ref());
                let index = self.indexes.get(&field.key);
                match (wanted, index, value) {
                    (
                        Some(MatchValue::Keyword(wanted)),
                        Some(IndexParams::KeywordIndexParams(_)),
                        Some(value::Kind::StringValue(value)),
                    ) => Ok(wanted == value),
                    (
                        Some(MatchValue::Integer(wanted)),
                        Some(IndexParams::IntegerIndexParams(_)),
                        Some(value::Kind::IntegerValue(value)),
                    ) => Ok(wanted == value),
                    _ => Err(Status::invalid_argument(format!(
                        "Bad request: Index required but not found for \"{}\"",
                        field.key
                    ))),
                }
            }
            other => Err(Status::unimplemented(format!("{other:?}"))),
        }
    }
}

fn id(id: Option<PointId>) -> Result<String, Status> {
    match id.and_then(|id| id.point_id_options) {
        Some(api::point_id::PointIdOptions::Uuid(id)) => Ok(id),
        other => Err(Status::unimplemented(format!("the id {other:?}"))),
    }
}

fn is(one: &PointId, id: &str) -> bool {
    matches!(&one.point_id_options, Some(api::point_id::PointIdOptions::Uuid(one)) if one == id)
}
