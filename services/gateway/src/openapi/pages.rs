//! `/openapi.json` and the pages that show it and the error codes: all of it is in the executable, and nothing is loaded from
//! anywhere else.
//!
//! `docs/swagger-ui/` has what the pages are made with: the files of npm's `swagger-ui-dist`, packed, and their SHA-256.

use axum::{
    Router,
    http::header,
    response::{Html, IntoResponse},
    routing::get,
};
use html_escape::encode_text;
use serde_json::Value;
use smartcourse_platform::error::Code;

use crate::state::App;

const DOCS: &str = include_str!("../docs/index.html");
const ERRORS: &str = include_str!("../docs/errors.html");

/// What the pages may do: talk to us, and run and look as our own files say.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// How long a browser keeps a file of the pages.
const KEPT: &str = "max-age=3600";

/// A file of the pages.
struct File {
    path: &'static str,
    content_type: &'static str,
    /// Whether its bytes are packed; they are sent as they are, since every browser unpacks them.
    gzip: bool,
    bytes: &'static [u8],
}

static FILES: [File; 4] = [
    File {
        path: "/docs/swagger-ui-bundle.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: true,
        bytes: include_bytes!("../docs/swagger-ui/swagger-ui-bundle.js.gz"),
    },
    File {
        path: "/docs/swagger-ui.css",
        content_type: "text/css; charset=utf-8",
        gzip: true,
        bytes: include_bytes!("../docs/swagger-ui/swagger-ui.css.gz"),
    },
    File {
        path: "/docs/page.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: false,
        bytes: include_bytes!("../docs/page.js"),
    },
    File {
        path: "/docs/page.css",
        content_type: "text/css; charset=utf-8",
        gzip: false,
        bytes: include_bytes!("../docs/page.css"),
    },
];

/// What `/docs/errors` tells of: every code of every service.
#[derive(Debug, Clone)]
pub struct Errors {
    /// What an answer can have as its `code`.
    pub codes: Vec<&'static Code>,
    /// What marks a lesson in the status of a publish, and what it means.
    pub warnings: &'static [(&'static str, &'static str)],
}

/// The document, as JSON, and the pages.
pub(crate) fn pages(document: &Value, errors: &Errors) -> Router<App> {
    let document = document.to_string();
    let errors = ERRORS.replace("<!-- codes -->", &error_rows(errors));
    let pages = Router::new()
        .route(
            "/openapi.json",
            get(async move || ([(header::CONTENT_TYPE, "application/json")], document).into_response()),
        )
        .route("/docs", get(async || page(DOCS.to_owned())))
        .route("/docs/errors", get(async move || page(errors)));
    FILES.iter().fold(pages, |pages, file| {
        pages.route(file.path, get(async || file.answer()))
    })
}

fn page(html: String) -> impl IntoResponse {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(html))
}

impl File {
    fn answer(&self) -> impl IntoResponse + use<> {
        let headers = [
            (header::CONTENT_TYPE, self.content_type),
            (header::CACHE_CONTROL, KEPT),
        ];
        let packed = self.gzip.then_some([(header::CONTENT_ENCODING, "gzip")]);
        (headers, packed, self.bytes)
    }
}

/// A row per code, with the code as anchor: the `type` of a problem leads there.
fn error_rows(errors: &Errors) -> String {
    let mut rows = String::from("<h2>Codes</h2><dl>");
    for code in &errors.codes {
        let status = smartcourse_platform::Error::new(code, "").http_status().as_u16();
        let term = code.code;
        rows += &format!(
            "<dt id=\"{term}\"><code>{term}</code> <span>{status}</span></dt><dd>{}<br><b>{}</b></dd>",
            encode_text(code.cause),
            encode_text(code.remedy)
        );
    }
    rows += "</dl><h2>Warnings</h2><p>They mark a lesson in the status of a publish.</p><dl>";
    for (term, text) in errors.warnings {
        rows += &format!(
            "<dt id=\"{term}\"><code>{term}</code></dt><dd>{}</dd>",
            encode_text(text)
        );
    }
    rows + "</dl>"
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use data_encoding::HEXLOWER;
    use flate2::read::GzDecoder;
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn every_code_has_an_anchor() {
        let errors = Errors {
            codes: crate::codes::ALL.to_vec(),
            warnings: &[],
        };
        let rows = error_rows(&errors);
        for code in errors.codes {
            assert!(rows.contains(&format!("id=\"{}\"", code.code)));
        }
    }

    #[test]
    fn swagger_ui_is_as_it_was_released() {
        let known = include_str!("../docs/swagger-ui/sha256sums");
        let packed: Vec<&File> = FILES.iter().filter(|file| file.gzip).collect();
        assert_eq!(packed.len(), known.lines().count());
        for file in packed {
            let mut bytes = Vec::new();
            GzDecoder::new(file.bytes)
                .read_to_end(&mut bytes)
                .expect("is unpacked");
            let (_, name) = file.path.rsplit_once('/').expect("a path");
            let line = format!("{}  {name}", HEXLOWER.encode(&Sha256::digest(&bytes)));
            assert!(known.lines().any(|known| known == line), "{line}");
        }
    }
}
