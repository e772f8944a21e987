//! A Qdrant of the tests: what the adapter asks of one, in memory, compared point by point, over gRPC on the loopback interface. It
//! is as strict as a server may be set up: no filter over a field without an index, no write that is not waited for.

mod store;

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::Arc,
};

use anyhow::{Result, ensure};
use qdrant_client::qdrant::{
    self as api, CreateCollection,
    collections_server::{Collections, CollectionsServer},
    payload_index_params::IndexParams,
    points_selector::PointsSelectorOneOf,
    points_server::{Points, PointsServer},
    qdrant_server::{Qdrant, QdrantServer},
    query, vector_input,
    with_payload_selector::SelectorOptions,
};
use smartcourse_platform::ports::embeddings::cosine;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tonic::{
    Request, Response, Status, async_trait,
    service::interceptor::InterceptedService,
    transport::{Server, server::TcpIncoming},
};

use store::{Collection, Point, Store};

/// A server that is there until it is stopped.
pub struct TestQdrant {
    /// What it holds.
    pub store: Arc<Store>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<()>>,
}

impl TestQdrant {
    /// A server that holds nothing, and asks for this key; for none if it is empty.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(key: &'static str) -> Result<Self> {
        Self::start_again(SocketAddr::from(([127, 0, 0, 1], 0)), key, Arc::default()).await
    }

    /// One that is where another was, with what it holds.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start_again(address: SocketAddr, key: &'static str, store: Arc<Store>) -> Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let check = move |request: Request<()>| match request.metadata().get("api-key") {
            Some(given) if given.as_bytes() == key.as_bytes() => Ok(request),
            None if key.is_empty() => Ok(request),
            _ => Err(Status::unauthenticated("Must provide an API key")),
        };
        let router = Server::builder()
            .add_service(InterceptedService::new(
                QdrantServer::from_arc(store.clone()),
                check,
            ))
            .add_service(InterceptedService::new(
                CollectionsServer::from_arc(store.clone()),
                check,
            ))
            .add_service(InterceptedService::new(
                PointsServer::from_arc(store.clone()),
                check,
            ));
        let served = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            let serving = router.serve_with_incoming_shutdown(TcpIncoming::from(listener), stopped);
            Ok(serving.await?)
        });
        Ok(Self {
            store,
            address,
            stop,
            served,
        })
    }

    /// What names it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops it; answers where it was and what it held.
    ///
    /// # Errors
    /// When it did not serve to the end.
    pub async fn stop(self) -> Result<(SocketAddr, Arc<Store>)> {
        ensure!(self.stop.send(()).is_ok(), "it has ended by itself");
        self.served.await??;
        Ok((self.address, self.store))
    }
}

/// What a server does; what else it could be asked is refused.
macro_rules! service {
    ($service:ident { $($done:tt)* } refuses { $($name:ident($request:ident) -> $response:ident;)* }) => {
        #[async_trait]
        impl $service for Store {
            $($done)*
            $(async fn $name(&self, _: Request<api::$request>) -> Result<Response<api::$response>, Status> {
                Err(Status::unimplemented(stringify!($name)))
            })*
        }
    };
}

service!(Qdrant {
    async fn health_check(
        &self,
        _: Request<api::HealthCheckRequest>,
    ) -> Result<Response<api::HealthCheckReply>, Status> {
        let version = "0.0.0-test".to_owned();
        Ok(Response::new(api::HealthCheckReply { version, ..Default::default() }))
    }
} refuses {});

service!(Collections {
    async fn get(
        &self,
        request: Request<api::GetCollectionInfoRequest>,
    ) -> Result<Response<api::GetCollectionInfoResponse>, Status> {
        let info = self.with(&request.get_ref().collection_name, |collection| {
            let params = api::CollectionParams {
                vectors_config: collection.made_as.vectors_config.clone(),
                ..Default::default()
            };
            let index = |(field, params): (&String, &IndexParams)| {
                let params = Some((*params).clone().into());
                (field.clone(), api::PayloadSchemaInfo { params, ..Default::default() })
            };
            Ok(api::CollectionInfo {
                config: Some(api::CollectionConfig { params: Some(params), ..Default::default() }),
                payload_schema: collection.indexes.iter().map(index).collect(),
                points_count: Some(collection.points.len() as u64),
                ..Default::default()
            })
        })?;
        Ok(Response::new(api::GetCollectionInfoResponse { result: Some(info), time: 0.0 }))
    }

    async fn list(
        &self,
        _: Request<api::ListCollectionsRequest>,
    ) -> Result<Response<api::ListCollectionsResponse>, Status> {
        let names = self.collections().keys().cloned().collect::<Vec<_>>();
        let collections = names.into_iter().map(|name| api::CollectionDescription { name }).collect();
        Ok(Response::new(api::ListCollectionsResponse { collections, time: 0.0 }))
    }

    async fn create(
        &self,
        request: Request<CreateCollection>,
    ) -> Result<Response<api::CollectionOperationResponse>, Status> {
        let (made_as, mut collections) = (request.into_inner(), self.collections());
        let name = made_as.collection_name.clone();
        if collections.contains_key(&name) {
            let detail = format!("Wrong input: Collection `{name}` already exists!");
            return Err(Status::invalid_argument(detail));
        }
        let made = Collection { made_as, indexes: HashMap::new(), points: BTreeMap::new() };
        made.dimensions()?;
        collections.insert(name, made);
        Ok(Response::new(api::CollectionOperationResponse { result: true, time: 0.0 }))
    }
} refuses {
    update(UpdateCollection) -> CollectionOperationResponse;
    delete(DeleteCollection) -> CollectionOperationResponse;
    update_aliases(ChangeAliases) -> CollectionOperationResponse;
    list_collection_aliases(ListCollectionAliasesRequest) -> ListAliasesResponse;
    list_aliases(ListAliasesRequest) -> ListAliasesResponse;
    collection_cluster_info(CollectionClusterInfoRequest) -> CollectionClusterInfoResponse;
    collection_exists(CollectionExistsRequest) -> CollectionExistsResponse;
    update_collection_cluster_setup(UpdateCollectionClusterSetupRequest) -> UpdateCollectionClusterSetupResponse;
    create_shard_key(CreateShardKeyRequest) -> CreateShardKeyResponse;
    delete_shard_key(DeleteShardKeyRequest) -> DeleteShardKeyResponse;
    list_shard_keys(ListShardKeysRequest) -> ListShardKeysResponse;
});

service!(Points {
    async fn upsert(
        &self,
        request: Request<api::UpsertPoints>,
    ) -> Result<Response<api::PointsOperationResponse>, Status> {
        let request = request.into_inner();
        self.write(&request.collection_name, request.wait, |collection| {
            request.points.into_iter().try_for_each(|point| collection.put(point))
        })
    }

    async fn delete(
        &self,
        request: Request<api::DeletePoints>,
    ) -> Result<Response<api::PointsOperationResponse>, Status> {
        let request = request.into_inner();
        let Some(PointsSelectorOneOf::Filter(filter)) = request.points.and_then(|one| one.points_selector_one_of) else {
            return Err(Status::unimplemented("a deletion without a filter"));
        };
        self.write(&request.collection_name, request.wait, |collection| {
            for (id, _) in collection.filtered(Some(&filter))? {
                collection.points.remove(&id);
            }
            Ok(())
        })
    }

    async fn create_field_index(
        &self,
        request: Request<api::CreateFieldIndexCollection>,
    ) -> Result<Response<api::PointsOperationResponse>, Status> {
        let request = request.into_inner();
        let params = request.field_index_params.and_then(|params| params.index_params);
        let params = params.ok_or_else(|| Status::unimplemented("an index without parameters"))?;
        self.write(&request.collection_name, request.wait, |collection| {
            collection.indexes.insert(request.field_name, params);
            Ok(())
        })
    }

    async fn count(&self, request: Request<api::CountPoints>) -> Result<Response<api::CountResponse>, Status> {
        let request = request.into_inner();
        if request.exact != Some(true) {
            return Err(Status::unimplemented("a count that is not exact"));
        }
        let count = self.with(&request.collection_name, |collection| {
            Ok(collection.filtered(request.filter.as_ref())?.len() as u64)
        })?;
        let result = Some(api::CountResult { count });
        Ok(Response::new(api::CountResponse { result, ..Default::default() }))
    }

    async fn query(&self, request: Request<api::QueryPoints>) -> Result<Response<api::QueryResponse>, Status> {
        let request = request.into_inner();
        let query = match request.query.and_then(|query| query.variant) {
            Some(query::Variant::Nearest(api::VectorInput { variant: Some(vector_input::Variant::Dense(dense)) })) => dense.data,
            other => return Err(Status::unimplemented(format!("{other:?}"))),
        };
        let selected = match request.with_payload.and_then(|selector| selector.selector_options) {
            Some(SelectorOptions::Include(include)) => include.fields,
            other => return Err(Status::unimplemented(format!("{other:?}"))),
        };
        let result = self.with(&request.collection_name, |collection| {
            let query = collection.vector(query)?;
            let scored = |(id, mut point): (String, Point)| {
                point.fields.retain(|field, _| selected.contains(field));
                let (payload, score) = (point.fields, cosine(&query, &point.vector));
                api::ScoredPoint { id: Some(id.into()), payload, score, ..Default::default() }
            };
            let mut scored: Vec<_> = collection.filtered(request.filter.as_ref())?.into_iter().map(scored).collect();
            scored.sort_by(|a, b| b.score.total_cmp(&a.score));
            scored.truncate(request.limit.unwrap_or(10) as usize);
            Ok(scored)
        })?;
        Ok(Response::new(api::QueryResponse { result, ..Default::default() }))
    }
} refuses {
    get(GetPoints) -> GetResponse;
    update_vectors(UpdatePointVectors) -> PointsOperationResponse;
    delete_vectors(DeletePointVectors) -> PointsOperationResponse;
    set_payload(SetPayloadPoints) -> PointsOperationResponse;
    overwrite_payload(SetPayloadPoints) -> PointsOperationResponse;
    delete_payload(DeletePayloadPoints) -> PointsOperationResponse;
    clear_payload(ClearPayloadPoints) -> PointsOperationResponse;
    delete_field_index(DeleteFieldIndexCollection) -> PointsOperationResponse;
    create_vector_name(CreateVectorNameRequest) -> PointsOperationResponse;
    delete_vector_name(DeleteVectorNameRequest) -> PointsOperationResponse;
    search(SearchPoints) -> SearchResponse;
    search_batch(SearchBatchPoints) -> SearchBatchResponse;
    search_groups(SearchPointGroups) -> SearchGroupsResponse;
    scroll(ScrollPoints) -> ScrollResponse;
    recommend(RecommendPoints) -> RecommendResponse;
    recommend_batch(RecommendBatchPoints) -> RecommendBatchResponse;
    recommend_groups(RecommendPointGroups) -> RecommendGroupsResponse;
    discover(DiscoverPoints) -> DiscoverResponse;
    discover_batch(DiscoverBatchPoints) -> DiscoverBatchResponse;
    update_batch(UpdateBatchPoints) -> UpdateBatchResponse;
    query_batch(QueryBatchPoints) -> QueryBatchResponse;
    query_groups(QueryPointGroups) -> QueryGroupsResponse;
    facet(FacetCounts) -> FacetResponse;
    search_matrix_pairs(SearchMatrixPoints) -> SearchMatrixPairsResponse;
    search_matrix_offsets(SearchMatrixPoints) -> SearchMatrixOffsetsResponse;
});
