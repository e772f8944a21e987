//! Certificates: one's own, and any by its code, which is how others verify one.

use std::sync::Arc;

use smartcourse_platform::{Error, Result, grpc::Actor, page};
use smartcourse_proto::{
    json::timestamp::from_time,
    progress::{Certificate, CertificatePage, CertificatePdf, ListCertificatesRequest},
};
use sqlx::types::time::OffsetDateTime;

use crate::{State, certificate_code, codes, pdf};

struct Row {
    code: String,
    course_id: i64,
    course_title: String,
    full_name: String,
    issued_at: OffsetDateTime,
    version: i32,
}

impl From<Row> for Certificate {
    fn from(row: Row) -> Self {
        Self {
            code: row.code,
            course_id: row.course_id,
            course_title: row.course_title,
            full_name: row.full_name,
            issued_at: Some(from_time(row.issued_at)),
            version: row.version,
        }
    }
}

/// The caller's certificates, the latest first.
pub(crate) async fn list(
    state: &State,
    actor: Actor,
    request: ListCertificatesRequest,
) -> Result<CertificatePage> {
    let user = actor.user()?;
    let limit = page::limit(request.limit)?;
    let before: Option<String> = page::decode(&request.cursor)?;
    let mut rows = sqlx::query_as!(
        Row,
        "select code, course_id, course_title, full_name, issued_at, version from progress.certificates
         where user_id = $1 and ($2::text is null
               or (issued_at, code) < (select issued_at, code from progress.certificates where code = $2))
         order by issued_at desc, code desc limit $3",
        user.0,
        before,
        limit + 1
    )
    .fetch_all(&state.pool)
    .await?;
    let next_cursor = page::cut(&mut rows, limit, |row| row.code.clone());
    Ok(CertificatePage {
        items: rows.into_iter().map(Into::into).collect(),
        next_cursor,
    })
}

/// The certificate of a code, for anybody who has the code.
pub(crate) async fn get(state: &State, typed: &str) -> Result<Certificate> {
    let unknown = || Error::new(&codes::NOT_FOUND, "there is no certificate with this code");
    let code = certificate_code::read(typed).ok_or_else(unknown)?;
    let row = sqlx::query_as!(
        Row,
        "select code, course_id, course_title, full_name, issued_at, version from progress.certificates where code = $1",
        code
    )
    .fetch_optional(&state.pool)
    .await?;
    row.map(Into::into).ok_or_else(unknown)
}

/// The same as a page to print.
pub(crate) async fn pdf(state: &State, typed: &str) -> Result<CertificatePdf> {
    let certificate = get(state, typed).await?;
    let letters = Arc::clone(&state.letters);
    // A font of Chinese letters takes a moment to be cut to those of one name.
    let pdf = tokio::task::spawn_blocking(move || pdf::page(&letters, &certificate)).await;
    Ok(CertificatePdf {
        pdf: pdf.map_err(|error| Error::internal("a certificate was not written").because(error))??,
    })
}
