//! Registration.

use smartcourse_platform::{
    Error, Result,
    error::Problems,
    outbox,
    postgres::{self, OnConstraint as _},
};
use smartcourse_proto::{
    Wire as _,
    events::UserRegistered,
    key::Key,
    limits,
    user::{RegisterRequest, Role, User},
};

use crate::{
    State,
    address::{is_address, known_as},
    codes,
    store::{self, Account},
};

/// Creates an account; its event is written in the same transaction.
pub(crate) async fn register(state: &State, request: RegisterRequest) -> Result<User> {
    let role = check(&request)?;
    let taken = || Error::new(&codes::EMAIL_TAKEN, "an account with this e-mail address exists");
    // Of one that a version before 0.3 keeps as it was typed, the index does not tell.
    if store::by_email(&state.pool, &request.email).await?.is_some() {
        return Err(taken());
    }
    let hash = state.passwords.hash(request.password).await?;
    let mut tx = postgres::begin(&state.pool).await?;
    let account = sqlx::query_as!(
        Account,
        r#"insert into "user".users (email, password_hash, full_name, role) values ($1, $2, $3, $4)
           returning id, email, password_hash, full_name, role, generation, created_at"#,
        known_as(&request.email),
        hash,
        request.full_name.trim(),
        role.as_text()
    )
    .fetch_one(&mut *tx)
    .await
    .on_constraint("users_email", taken)?;
    let event = UserRegistered {
        user_id: account.id.0,
        role: account.role.as_text().to_owned(),
    };
    outbox::put_event(&mut tx, "user.registered", &Key::User.of(account.id.0), &event).await?;
    tx.commit().await?;
    Ok(account.into())
}

/// Everything that is wrong, at once; else the role.
fn check(request: &RegisterRequest) -> Result<Role> {
    let mut problems = Problems::default();
    problems.require(
        is_address(request.email.trim()),
        "email",
        format!(
            "must be an e-mail address of at most {} characters",
            limits::EMAIL
        ),
    );
    let length = request.password.chars().count();
    problems.require(
        limits::PASSWORD.contains(&length),
        "password",
        format!(
            "must have {} to {} characters",
            limits::PASSWORD.start(),
            limits::PASSWORD.end()
        ),
    );
    problems.name("full_name", &request.full_name, limits::PERSON);
    let role = request.role();
    problems.require(
        matches!(role, Role::Student | Role::Instructor),
        "role",
        "must be student or instructor",
    );
    problems.finish()?;
    Ok(role)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_come_at_once_and_nobody_registers_as_admin() {
        let request = RegisterRequest {
            role: Role::Admin.into(),
            ..RegisterRequest::default()
        };
        let error = check(&request).expect_err("everything is wrong");
        let fields: Vec<&str> = error.fields().iter().map(|field| field.field.as_str()).collect();
        assert_eq!(fields, ["email", "password", "full_name", "role"]);
    }
}
