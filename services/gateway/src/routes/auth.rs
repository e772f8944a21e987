//! Accounts, sessions and roles.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use smartcourse_platform::{Error, Result, grpc::Actor};
use smartcourse_proto::user::{
    GetUserRequest, JwkSet, LoginRequest, RefreshRequest, RegisterRequest, SetRoleRequest, TokenPair, User,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    auth::{Caller, SignedIn},
    codes,
    edge::{Body, Id, Json, Peer},
    state::App,
};

pub(crate) fn open() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(register))
        .routes(routes!(login))
        .routes(routes!(refresh))
        .routes(routes!(logout))
}

pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(me))
        .routes(routes!(jwks))
        .routes(routes!(set_role))
}

/// Tokens must not stay in anybody's cache.
const NO_STORE: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// Create an account
#[utoipa::path(post, path = "/auth/register", tag = "accounts", request_body = RegisterRequest,
    responses((status = 201, body = User)))]
async fn register(State(app): State<App>, mut body: Body) -> Result<(StatusCode, Json<User>)> {
    let request: RegisterRequest = body.json().await?;
    let user = app.stubs.user.register(Actor::Anonymous.request(request)).await?;
    Ok((StatusCode::CREATED, Json(user)))
}

/// Sign in with e-mail address and password
#[utoipa::path(post, path = "/auth/login", tag = "accounts", request_body = LoginRequest,
    responses((status = 200, body = TokenPair)))]
async fn login(State(app): State<App>, Peer(address): Peer, mut body: Body) -> Result<impl IntoResponse> {
    let mut request: LoginRequest = body.json().await?;
    request.address = address.to_string();
    let pair = app.stubs.user.login(Actor::Anonymous.request(request)).await?;
    Ok((NO_STORE, Json(pair)))
}

/// Exchange a refresh token for a new pair; a used one ends its whole family
#[utoipa::path(post, path = "/auth/refresh", tag = "accounts", request_body = RefreshRequest,
    responses((status = 200, body = TokenPair)))]
async fn refresh(State(app): State<App>, mut body: Body) -> Result<impl IntoResponse> {
    let request: RefreshRequest = body.json().await?;
    let pair = app.stubs.user.refresh(Actor::Anonymous.request(request)).await?;
    Ok((NO_STORE, Json(pair)))
}

/// End the session of a refresh token
#[utoipa::path(post, path = "/auth/logout", tag = "accounts", request_body = RefreshRequest,
    responses((status = 204)))]
async fn logout(State(app): State<App>, mut body: Body) -> Result<StatusCode> {
    let request: RefreshRequest = body.json().await?;
    app.stubs.user.logout(Actor::Anonymous.request(request)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who is signed in
#[utoipa::path(get, path = "/auth/me", tag = "accounts", security(("bearer" = [])),
    responses((status = 200, body = User)))]
async fn me(State(app): State<App>, SignedIn(actor): SignedIn) -> Result<Json<User>> {
    let id = actor.user()?.0;
    let request = actor.request(GetUserRequest { id });
    Ok(Json(app.stubs.user.get_user(request).await?))
}

/// The public keys of access tokens
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "accounts", responses((status = 200, body = JwkSet)))]
async fn jwks(State(app): State<App>, Caller(actor): Caller) -> Result<Json<JwkSet>> {
    Ok(Json(app.stubs.user.get_jwks(actor.request(())).await?))
}

/// Give a user a role; all sessions of the user end
#[utoipa::path(put, path = "/users/{id}/role", tag = "accounts", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The user")), request_body = SetRoleRequest,
    responses((status = 200, body = User)))]
async fn set_role(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    mut body: Body,
) -> Result<Json<User>> {
    actor.require_admin(|| Error::new(&codes::FORBIDDEN, "only administrators give roles"))?;
    let mut request: SetRoleRequest = body.json().await?;
    request.id = id.0;
    let answer = app.stubs.user.set_role(actor.request(request)).await;
    // Without an answer, too: it may have been done.
    app.verifier.sessions_have_ended().await;
    Ok(Json(answer?))
}
