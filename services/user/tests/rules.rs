//! The rules of accounts: who registers, who signs in, how long sessions last and what ends them.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::{sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};
use smartcourse_platform::{
    config::Config,
    grpc::{Actor, Transport},
};
use smartcourse_proto::{
    ids::UserId,
    stubs::UserStub,
    user::{
        GetUserRequest, LoginRequest, RefreshRequest, RegisterRequest, Role, SetRoleRequest, TokenPair, User,
    },
};
use smartcourse_tests::{StoppedClock, events, local, refusal};
use smartcourse_user::{Dependencies, config::CONFIG};
use sqlx::PgPool;
use tonic::{Status, service::Routes};

const PASSWORD: &str = "correct horse";

/// The default life of a refresh token.
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
const SECOND: Duration = Duration::from_secs(1);

const ADMIN: Actor = Actor::User {
    id: UserId(1_000_000),
    role: Role::Admin,
};

struct Harness {
    pool: PgPool,
    clock: Arc<StoppedClock>,
    user: UserStub<Transport>,
}

async fn harness() -> Harness {
    let pool = smartcourse_tests::migrated(&smartcourse_user::migrator())
        .await
        .unwrap();
    let config = Config::load(&[CONFIG], None, &[]).unwrap();
    let clock = Arc::<StoppedClock>::default();
    let deps = Dependencies { clock: clock.clone() };
    let service = smartcourse_user::service(&config, pool.clone(), deps).unwrap();
    let user = UserStub::new(local(&config, Routes::new(service).into_axum_router()));
    Harness { pool, clock, user }
}

impl Harness {
    async fn register(&self, email: &str) -> Result<User, Status> {
        let request = RegisterRequest {
            email: email.to_owned(),
            password: PASSWORD.to_owned(),
            full_name: "Ann Lee".to_owned(),
            role: Role::Student.into(),
        };
        self.user.register(Actor::Anonymous.request(request)).await
    }

    async fn sign_in(&self, email: &str, password: &str) -> Result<TokenPair, Status> {
        let request = LoginRequest {
            email: email.to_owned(),
            password: password.to_owned(),
            address: "192.0.2.1".to_owned(),
        };
        self.user.login(Actor::Anonymous.request(request)).await
    }

    /// The refresh token of a new session.
    async fn session(&self, email: &str) -> String {
        self.sign_in(email, PASSWORD).await.unwrap().refresh_token
    }

    async fn rotate(&self, refresh_token: &str) -> Result<String, Status> {
        let request = Actor::Anonymous.request(token(refresh_token));
        Ok(self.user.refresh(request).await?.refresh_token)
    }

    async fn give(&self, actor: Actor, id: i64, role: Role) -> Result<User, Status> {
        let request = SetRoleRequest {
            id,
            role: role.into(),
        };
        self.user.set_role(actor.request(request)).await
    }

    /// What an access token says, to whoever has the published key.
    async fn claims(&self, access_token: &str) -> Value {
        let keys = self
            .user
            .get_jwks(Actor::Anonymous.request(()))
            .await
            .unwrap()
            .keys;
        let key = DecodingKey::from_ed_components(&keys[0].x).unwrap();
        let claims = decode(access_token, &key, &Validation::new(Algorithm::EdDSA));
        claims.unwrap().claims
    }

    #[track_caller]
    fn revoked(answer: Result<String, Status>) {
        assert_eq!(refusal(answer).code(), "refresh_revoked");
    }
}

fn token(refresh_token: &str) -> RefreshRequest {
    RefreshRequest {
        refresh_token: refresh_token.to_owned(),
    }
}

fn student(user: &User) -> Actor {
    Actor::User {
        id: UserId(user.id),
        role: Role::Student,
    }
}

#[tokio::test]
async fn an_address_has_one_account_however_it_is_written() {
    let harness = harness().await;
    let ann = harness.register(" Ann@example.com ").await.unwrap();
    assert_eq!(
        (ann.email.as_str(), ann.role()),
        ("Ann@example.com", Role::Student)
    );
    let again = refusal(harness.register("ann@EXAMPLE.com").await);
    assert_eq!(again.code(), "email_taken");
    harness.register("ju\u{308}rgen@bücher.example").await.unwrap();
    for spelling in ["j\u{fc}rgen@xn--bcher-kva.example", "JÜRGEN@Bücher.example"] {
        assert_eq!(refusal(harness.register(spelling).await).code(), "email_taken");
        harness.sign_in(spelling, PASSWORD).await.unwrap();
    }
    harness.register("bo@example.com").await.unwrap();
    let registered = events(&harness.pool, "user.registered").await.unwrap();
    assert_eq!(registered.len(), 3, "a refusal announces nobody");
    assert_eq!(registered[0], json!({"user_id": ann.id, "role": "student"}));
}

/// As versions before 0.3 kept addresses.
#[tokio::test]
async fn an_address_that_was_kept_as_it_was_typed_is_still_its_account() {
    let harness = harness().await;
    harness.register("emil@bücher.example").await.unwrap();
    let as_typed = r#"update "user".users set email = 'emil@bücher.example'"#;
    sqlx::query(as_typed).execute(&harness.pool).await.unwrap();
    harness.sign_in("Emil@bücher.example", PASSWORD).await.unwrap();
    assert_eq!(
        refusal(harness.register("emil@bücher.example").await).code(),
        "email_taken"
    );
}

#[tokio::test]
async fn a_registration_is_told_of_every_problem_at_once() {
    let harness = harness().await;
    let request = RegisterRequest {
        email: "nobody".to_owned(),
        password: "short".to_owned(),
        full_name: "\0".to_owned(),
        role: Role::Admin.into(),
    };
    let error = refusal(harness.user.register(Actor::Anonymous.request(request)).await);
    assert_eq!(error.code(), "validation_failed");
    let mut fields: Vec<&str> = error.fields().iter().map(|field| field.field.as_str()).collect();
    fields.dedup();
    assert_eq!(fields, ["email", "password", "full_name", "role"]);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_look_the_same() {
    let harness = harness().await;
    let ann = harness.register("ann@example.com").await.unwrap();
    let pair = harness.sign_in("ANN@example.com", PASSWORD).await.unwrap();
    assert_eq!((pair.token_type.as_str(), pair.expires_in), ("Bearer", 900));
    let claims = harness.claims(&pair.access_token).await;
    assert_eq!(
        (&claims["sub"], &claims["role"], &claims["gen"]),
        (&json!(ann.id.to_string()), &json!("student"), &json!(0))
    );
    let wrong = refusal(harness.sign_in("ann@example.com", "wrong horse").await);
    let unknown = refusal(harness.sign_in("bo@example.com", PASSWORD).await);
    let no_address = refusal(harness.sign_in("\0", PASSWORD).await);
    for error in [&wrong, &unknown, &no_address] {
        assert_eq!(
            (error.code(), error.detail()),
            ("bad_credentials", wrong.detail())
        );
    }
}

#[tokio::test]
async fn whoever_guesses_has_to_wait_even_with_the_right_password() {
    let harness = harness().await;
    harness.register("ann@example.com").await.unwrap();
    for _ in 0..10 {
        let wrong = refusal(harness.sign_in("ann@example.com", "wrong horse").await);
        assert_eq!(wrong.code(), "bad_credentials");
    }
    let right = refusal(harness.sign_in("ann@example.com", PASSWORD).await);
    assert_eq!(right.code(), "too_many_attempts");
}

#[tokio::test]
async fn a_user_sees_nobody_else() {
    let harness = harness().await;
    let (ann, bo) = (
        harness.register("ann@example.com").await.unwrap(),
        harness.register("bo@example.com").await.unwrap(),
    );
    let get = async |actor: Actor| {
        let request = GetUserRequest { id: ann.id };
        harness.user.get_user(actor.request(request)).await
    };
    for actor in [student(&ann), ADMIN, Actor::Service] {
        assert_eq!(get(actor).await.unwrap().email, "ann@example.com");
    }
    for actor in [student(&bo), Actor::Anonymous] {
        assert_eq!(refusal(get(actor).await).code(), "not_found");
    }
}

#[tokio::test]
async fn a_used_refresh_token_that_comes_again_ends_its_session() {
    let harness = harness().await;
    harness.register("ann@example.com").await.unwrap();
    let (first, elsewhere) = (
        harness.session("ann@example.com").await,
        harness.session("ann@example.com").await,
    );
    let second = harness.rotate(&first).await.unwrap();
    let third = harness.rotate(&second).await.unwrap();
    Harness::revoked(harness.rotate(&first).await);
    Harness::revoked(harness.rotate(&third).await);
    Harness::revoked(harness.rotate("never given out").await);
    harness.rotate(&elsewhere).await.unwrap();
}

#[tokio::test]
async fn one_of_two_uses_at_once_counts_and_the_session_ends() {
    let harness = harness().await;
    harness.register("ann@example.com").await.unwrap();
    let first = harness.session("ann@example.com").await;
    let (one, other) = tokio::join!(harness.rotate(&first), harness.rotate(&first));
    assert_ne!(one.is_ok(), other.is_ok());
    let next = one.or(other).unwrap();
    Harness::revoked(harness.rotate(&next).await);
}

#[tokio::test]
async fn signing_out_ends_one_session() {
    let harness = harness().await;
    harness.register("ann@example.com").await.unwrap();
    let (here, elsewhere) = (
        harness.session("ann@example.com").await,
        harness.session("ann@example.com").await,
    );
    for left in [here.as_str(), here.as_str(), "never given out"] {
        let request = Actor::Anonymous.request(token(left));
        harness.user.logout(request).await.unwrap();
    }
    Harness::revoked(harness.rotate(&here).await);
    harness.rotate(&elsewhere).await.unwrap();
}

#[tokio::test]
async fn a_session_lasts_a_month_from_its_last_use_and_is_swept_after_that() {
    let harness = harness().await;
    harness.register("ann@example.com").await.unwrap();
    harness.register("bo@example.com").await.unwrap();
    let sweep = async || {
        let swept = harness.user.sweep(Actor::Service.request(())).await;
        swept.unwrap().removed
    };
    let (used, idle) = (
        harness.session("ann@example.com").await,
        harness.session("bo@example.com").await,
    );
    harness.clock.advance(MONTH);
    let next = harness.rotate(&used).await.unwrap();
    harness.clock.advance(SECOND);
    Harness::revoked(harness.rotate(&idle).await);
    // The idle session, and the token the other one used up.
    assert_eq!((sweep().await, sweep().await), (2, 0));
    Harness::revoked(harness.rotate(&used).await);
    let used = harness.rotate(&next).await.unwrap();
    harness.clock.advance(MONTH + SECOND);
    Harness::revoked(harness.rotate(&used).await);
    // Signing in sweeps for oneself.
    harness.session("ann@example.com").await;
    assert_eq!(sweep().await, 0);
}

#[tokio::test]
async fn only_administrators_give_roles() {
    let harness = harness().await;
    let ann = harness.register("ann@example.com").await.unwrap();
    let own = refusal(harness.give(student(&ann), ann.id, Role::Admin).await);
    assert_eq!(own.code(), "forbidden");
    let nobody = refusal(harness.give(Actor::Anonymous, ann.id, Role::Admin).await);
    assert_eq!(nobody.code(), "unauthenticated");
    let none = refusal(harness.give(ADMIN, ann.id, Role::Unspecified).await);
    assert_eq!(none.code(), "validation_failed");
    let missing = refusal(harness.give(ADMIN, ann.id + 1, Role::Student).await);
    assert_eq!(missing.code(), "not_found");
    let ann = smartcourse_user::grant_admin(&harness.pool, " ANN@example.com")
        .await
        .unwrap();
    assert_eq!(ann.role(), Role::Admin);
    let error = smartcourse_user::grant_admin(&harness.pool, "bo@example.com").await;
    assert_eq!(error.unwrap_err().code(), "not_found");
}

#[tokio::test]
async fn a_role_change_ends_every_session_of_the_user() {
    let harness = harness().await;
    let ann = harness.register("ann@example.com").await.unwrap();
    harness.register("bo@example.com").await.unwrap();
    let ended = async || {
        let ended = harness.user.list_ended_sessions(Actor::Service.request(())).await;
        ended.unwrap().generations
    };
    let (ann_s, bo_s) = (
        harness.session("ann@example.com").await,
        harness.session("bo@example.com").await,
    );
    // The role it was already ends nothing.
    harness.give(ADMIN, ann.id, Role::Student).await.unwrap();
    assert!(ended().await.is_empty());
    let ann_s = harness.rotate(&ann_s).await.unwrap();

    harness.give(ADMIN, ann.id, Role::Instructor).await.unwrap();
    Harness::revoked(harness.rotate(&ann_s).await);
    harness.rotate(&bo_s).await.unwrap();
    assert_eq!(ended().await, [(ann.id, 1)].into());
    let changed = events(&harness.pool, "user.role_changed").await.unwrap();
    let change = json!({"user_id": ann.id, "from": "student", "to": "instructor"});
    assert_eq!(changed, [change]);
    let pair = harness.sign_in("ann@example.com", PASSWORD).await.unwrap();
    let claims = harness.claims(&pair.access_token).await;
    assert_eq!(
        (&claims["role"], &claims["gen"]),
        (&json!("instructor"), &json!(1))
    );
    // Access tokens of before have expired by then.
    harness.clock.advance(Duration::from_secs(1200));
    assert!(ended().await.is_empty());
}

#[tokio::test]
async fn the_calls_of_the_workflows_are_shut_to_users() {
    let harness = harness().await;
    let swept = refusal(harness.user.sweep(ADMIN.request(())).await);
    let listed = refusal(harness.user.list_ended_sessions(ADMIN.request(())).await);
    assert_eq!((swept.code(), listed.code()), ("forbidden", "forbidden"));
}
