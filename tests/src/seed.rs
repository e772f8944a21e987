//! Many students at once: rows instead of registrations, and tokens signed with the installation's own key.

use anyhow::{Context as _, Result};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use crate::{Session, World};

/// Life of a seeded student's token in seconds.
const LIFE: u64 = 3600;

impl World {
    /// Students that never registered: their rows are written and their tokens signed here.
    ///
    /// # Errors
    /// When the database refuses, or nobody has signed in yet, so that there is no key.
    pub async fn students(&self, count: i32) -> Result<Vec<Session>> {
        let (kid, pkcs8): (String, Vec<u8>) = sqlx::query_as(r#"select kid, pkcs8 from "user".signing_keys"#)
            .fetch_optional(&self.pool)
            .await?
            .context("nobody has signed in yet: there is no key")?;
        let key = EncodingKey::from_ed_der(&pkcs8);
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(kid);
        let run = uuid::Uuid::new_v4().simple().to_string();
        let ids: Vec<(i64, String)> = sqlx::query_as(
            r#"insert into "user".users (email, password_hash, full_name, role)
               select 's' || n || '-' || $2 || '@example.org', 'none', 'Student ' || n, 'student'
               from generate_series(1, $1) n returning id, email"#,
        )
        .bind(count)
        .bind(run)
        .fetch_all(&self.pool)
        .await?;
        let now = jsonwebtoken::get_current_timestamp();
        ids.into_iter()
            .map(|(id, email)| {
                let claims = json!({"iss": "smartcourse", "sub": id.to_string(), "role": "student", "gen": 0,
                    "iat": now, "exp": now + LIFE});
                let mut session = self.anonymous();
                session.id = id;
                session.email = email;
                session.token = jsonwebtoken::encode(&header, &claims, &key)?;
                Ok(session)
            })
            .collect()
    }
}
