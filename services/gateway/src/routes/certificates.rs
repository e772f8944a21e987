//! Certificates: one's own, and any by its code, as data or as a page to print.

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use smartcourse_platform::Result;
use smartcourse_proto::progress::{Certificate, CertificatePage, CertificateRef, ListCertificatesRequest};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::page::PageQuery;
use crate::{
    auth::{Caller, SignedIn},
    edge::{Json, PathOf, Query, prefers},
    state::App,
};

pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get))
}

const PDF: &str = "application/pdf";

/// How a certificate is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// As data.
    Json,
    /// As a page.
    Pdf,
}

/// How to answer, for links that cannot set a header.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FormatQuery {
    /// Goes before the `Accept` header.
    #[param(inline)]
    format: Option<Format>,
}

/// List my certificates
#[utoipa::path(get, path = "/certificates", tag = "certificates", security(("bearer" = [])), params(PageQuery),
    responses((status = 200, body = CertificatePage)))]
async fn list(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Query(PageQuery { limit, cursor }): Query<PageQuery>,
) -> Result<Json<CertificatePage>> {
    let request = actor.request(ListCertificatesRequest { limit, cursor });
    Ok(Json(app.stubs.progress.list_certificates(request).await?))
}

/// Verify a certificate by its code; a page to print with `Accept: application/pdf` or `?format=pdf`
#[utoipa::path(get, path = "/certificates/{code}", tag = "certificates", security((), ("bearer" = [])),
    params(("code" = String, Path, description = "The code, in any case, with or without hyphens"), FormatQuery),
    responses((status = 200, description = "The certificate",
        content((Certificate = "application/json"), (String = "application/pdf")))))]
async fn get(
    State(app): State<App>,
    Caller(actor): Caller,
    PathOf(code): PathOf<String>,
    Query(query): Query<FormatQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let progress = &app.stubs.progress;
    let request = actor.request(CertificateRef { code });
    let vary = [(header::VARY, "accept")];
    if query.format.unwrap_or_else(|| accepted(&headers)) == Format::Json {
        let certificate = progress.get_certificate(request).await?;
        return Ok((vary, Json(certificate)).into_response());
    }
    let page = progress.get_certificate_pdf(request).await?;
    let file = [
        (header::CONTENT_TYPE, PDF),
        (
            header::CONTENT_DISPOSITION,
            "inline; filename=\"certificate.pdf\"",
        ),
    ];
    Ok((vary, file, page.pdf).into_response())
}

/// The page when it is named before, or instead of, JSON.
fn accepted(headers: &HeaderMap) -> Format {
    match prefers(headers, PDF, "application/json") {
        true => Format::Pdf,
        false => Format::Json,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_accept_header_decides() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(value));
            accepted(&headers)
        };
        for value in [
            "application/pdf",
            "application/pdf, */*",
            "application/pdf;q=1, application/json",
        ] {
            assert_eq!(with(value), Format::Pdf, "{value}");
        }
        for value in [
            "*/*",
            "application/json",
            "application/json, application/pdf;q=0.5",
            "text/html",
        ] {
            assert_eq!(with(value), Format::Json, "{value}");
        }
        assert_eq!(accepted(&HeaderMap::new()), Format::Json);
    }
}
