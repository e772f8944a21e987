//! Signing in with a password.

use std::net::{IpAddr, Ipv4Addr};

use smartcourse_platform::{Error, Result, postgres};
use smartcourse_proto::user::{LoginRequest, TokenPair};

use crate::{
    State,
    address::known_as,
    codes,
    ops::refresh,
    store::{self, Account},
    token,
};

/// Checks the password and starts a session.
pub(crate) async fn sign_in(state: &State, request: LoginRequest) -> Result<TokenPair> {
    let key = state.keys.current(&state.pool).await?;
    let email = request.email.trim();
    // Whoever comes without an address is no client of the gateway: all of them share one.
    let address = request.address.parse();
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let known_as = known_as(email);
    let guess = state.throttle.guess(&known_as, address);
    guess.admit()?;
    // The database takes no NUL.
    let found = match email.contains('\0') {
        true => None,
        false => store::by_email(&state.pool, email).await?,
    };
    let hash = found.as_ref().map(|account| account.password_hash.clone());
    let passwords = &state.passwords;
    let fits = passwords.verify(request.password, hash, || guess.admit()).await?;
    let Some(account) = found.filter(|_| fits) else {
        guess.was_wrong();
        return Err(Error::new(
            &codes::BAD_CREDENTIALS,
            "e-mail address and password do not match",
        ));
    };
    guess.was_right();
    let mut tx = postgres::begin(&state.pool).await?;
    // Under a lock, so that a role change either comes first and is seen here, or ends this session too.
    let account = sqlx::query_as!(
        Account,
        r#"select id, email, password_hash, full_name, role, generation, created_at from "user".users
           where id = $1 for share"#,
        account.id.0
    )
    .fetch_one(&mut *tx)
    .await?;
    let token = refresh::start_family(state, &mut tx, account.id).await?;
    tx.commit().await?;
    token::pair(state, key, &account, token)
}
