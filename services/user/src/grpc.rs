//! The RPCs of [`UserService`].

use std::sync::Arc;

use smartcourse_platform::{
    Error, Result,
    config::Config,
    error::codes,
    grpc::{Actor, from_workflow},
};
use smartcourse_proto::{
    common::Swept,
    ids::UserId,
    user::{
        EndedSessions, GetUserRequest, JwkSet, LoginRequest, RefreshRequest, RegisterRequest, SetRoleRequest,
        TokenPair, User, user_service_server::UserService,
    },
};
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use crate::{
    keys::{Key, Keys},
    password::Passwords,
    refresh, register, role, sessions, sign_in,
    store::{self, Account},
    throttle::Throttle,
    token,
};

/// The service.
pub struct Api {
    pool: PgPool,
    passwords: Passwords,
    throttle: Throttle,
    keys: Arc<Keys>,
    access_seconds: i64,
    refresh_seconds: i64,
}

impl Api {
    pub(crate) async fn new(config: &Config, pool: PgPool) -> Result<Self> {
        Ok(Self {
            pool,
            passwords: Passwords::new(&config.user).await?,
            throttle: Throttle::new(&config.user),
            keys: Arc::default(),
            access_seconds: config.user.access_token_seconds,
            refresh_seconds: config.user.refresh_token_seconds,
        })
    }

    /// What the client gets. Nothing is waited for between the commit that counts a refresh token and this.
    fn pair(&self, key: &Key, account: &Account, refresh_token: String) -> Result<TokenPair> {
        Ok(TokenPair {
            access_token: token::access_token(key, account, self.access_seconds)?,
            refresh_token,
            token_type: "Bearer".to_owned(),
            expires_in: self.access_seconds,
        })
    }
}

#[tonic::async_trait]
impl UserService for Api {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<User>, Status> {
        let user = register::register(&self.pool, &self.passwords, request.into_inner()).await?;
        Ok(Response::new(user))
    }

    async fn login(&self, request: Request<LoginRequest>) -> Result<Response<TokenPair>, Status> {
        let key = self.keys.current(&self.pool).await?;
        let (account, refresh_token) = sign_in::sign_in(
            &self.pool,
            &self.passwords,
            &self.throttle,
            request.into_inner(),
            self.refresh_seconds,
        )
        .await?;
        Ok(Response::new(self.pair(key, &account, refresh_token)?))
    }

    async fn refresh(&self, request: Request<RefreshRequest>) -> Result<Response<TokenPair>, Status> {
        let token = request.into_inner().refresh_token;
        let key = self.keys.current(&self.pool).await?;
        let (account, next) = refresh::rotate(&self.pool, &token, self.refresh_seconds).await?;
        Ok(Response::new(self.pair(key, &account, next)?))
    }

    async fn logout(&self, request: Request<RefreshRequest>) -> Result<Response<()>, Status> {
        refresh::end(&self.pool, &request.into_inner().refresh_token).await?;
        Ok(Response::new(()))
    }

    async fn get_user(&self, request: Request<GetUserRequest>) -> Result<Response<User>, Status> {
        let actor = Actor::of(&request);
        let id = request.into_inner().id;
        if !actor.is_self(UserId(id)) {
            return Err(store::no_such_user().into());
        }
        Ok(Response::new(store::by_id(&self.pool, id).await?.into()))
    }

    async fn set_role(&self, request: Request<SetRoleRequest>) -> Result<Response<User>, Status> {
        let actor = Actor::of(&request);
        actor.require_admin(|| Error::new(&codes::FORBIDDEN, "only administrators give roles"))?;
        let request = request.into_inner();
        Ok(Response::new(
            role::set(&self.pool, request.id, request.role()).await?,
        ))
    }

    async fn list_ended_sessions(&self, request: Request<()>) -> Result<Response<EndedSessions>, Status> {
        from_workflow(request)?;
        let ended = sessions::ended(&self.pool, self.access_seconds).await?;
        Ok(Response::new(ended))
    }

    async fn sweep(&self, request: Request<()>) -> Result<Response<Swept>, Status> {
        Actor::of(&request).require_service()?;
        let removed = refresh::sweep(&self.pool).await?;
        Ok(Response::new(Swept { removed }))
    }

    async fn get_jwks(&self, _: Request<()>) -> Result<Response<JwkSet>, Status> {
        let key = self.keys.current(&self.pool).await?;
        Ok(Response::new(JwkSet {
            keys: vec![key.public.clone()],
        }))
    }
}
