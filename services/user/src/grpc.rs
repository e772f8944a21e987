//! `smartcourse.user.UserService`: decode, operate, encode.

use std::sync::Arc;

use smartcourse_platform::grpc::{Actor, Reply, from_service, reply};
use smartcourse_proto::{
    common::Swept,
    user::{user_service_server::UserService, *},
};
use tonic::Request;

use crate::{State, ops, store};

/// The gRPC face of the service.
pub struct Api(pub(crate) Arc<State>);

#[tonic::async_trait]
impl UserService for Api {
    async fn register(&self, request: Request<RegisterRequest>) -> Reply<User> {
        reply(ops::register::register(&self.0, request.into_inner()).await)
    }
    async fn login(&self, request: Request<LoginRequest>) -> Reply<TokenPair> {
        reply(ops::sign_in::sign_in(&self.0, request.into_inner()).await)
    }
    async fn refresh(&self, request: Request<RefreshRequest>) -> Reply<TokenPair> {
        reply(ops::refresh::rotate(&self.0, &request.into_inner().refresh_token).await)
    }
    async fn logout(&self, request: Request<RefreshRequest>) -> Reply<()> {
        reply(ops::refresh::end(&self.0, &request.into_inner().refresh_token).await)
    }
    async fn get_user(&self, request: Request<GetUserRequest>) -> Reply<User> {
        reply(store::get(&self.0.pool, Actor::of(&request), request.into_inner().id.into()).await)
    }
    async fn set_role(&self, request: Request<SetRoleRequest>) -> Reply<User> {
        reply(ops::role::set(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn get_jwks(&self, _: Request<()>) -> Reply<JwkSet> {
        reply(self.0.keys.published(&self.0.pool).await)
    }

    async fn list_ended_sessions(&self, request: Request<()>) -> Reply<EndedSessions> {
        from_service(request)?;
        reply(ops::sessions::ended(&self.0).await)
    }
    async fn sweep(&self, request: Request<()>) -> Reply<Swept> {
        from_service(request)?;
        reply(ops::refresh::sweep(&self.0).await)
    }
}
