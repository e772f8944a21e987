//! A door before a Temporal server, such as a cluster or Temporal Cloud has: it speaks TLS, asks for a certificate, and lets in who
//! has the key.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, OnceLock},
};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{Uri, header},
    response::Response,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::WebPkiClientVerifier,
    },
};
use tonic::Status;

use crate::Authority;

/// The name in its certificate, which is not that of its address.
const NAME: &str = "temporal.test";

/// The door; it closes when it is dropped.
pub struct Door {
    /// Its `host:port`.
    pub address: String,
    key: &'static str,
    files: TempDir,
    keeper: Keeper,
    serving: AbortHandle,
}

#[derive(Clone)]
struct Keeper {
    server: Arc<OnceLock<String>>,
    client: Client<HttpConnector, Body>,
    bearer: String,
}

impl Door {
    /// Opens one for who has this API key and a certificate of its authority. Its files are `authority.pem`; `guest.pem` and
    /// `guest.key`; the same of an `expired` guest; those of a `stranger` from elsewhere, and `elsewhere.pem`.
    ///
    /// # Errors
    /// When it cannot listen or write.
    pub async fn open(key: &'static str) -> Result<Self> {
        let files = TempDir::with_prefix("smartcourse-test-door-")?;
        let ours = Authority::new(files.path(), "authority")?;
        ours.certify("door", &[NAME])?;
        ours.certify("guest", &[NAME])?;
        ours.certify_expired("expired", &[NAME])?;
        Authority::new(files.path(), "elsewhere")?.certify("stranger", &[NAME])?;
        let acceptor = TlsAcceptor::from(Arc::new(server(files.path())?));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let keeper = Keeper {
            server: Arc::default(),
            client: Client::builder(TokioExecutor::new())
                .http2_only(true)
                .build_http(),
            bearer: format!("Bearer {key}"),
        };
        let ours = keeper.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(ours.clone().let_in(acceptor.clone(), stream));
            }
        });
        Ok(Self {
            address,
            key,
            files,
            keeper,
            serving: serving.abort_handle(),
        })
    }

    /// What is behind it, as `host:port`; said once.
    pub fn leads_to(&self, server: &str) {
        self.keeper.server.get_or_init(|| server.to_owned());
    }

    /// The path of one of its files.
    pub fn file(&self, name: &str) -> String {
        self.files.path().join(name).display().to_string()
    }

    /// The variables of somebody who is let in.
    pub fn guest(&self) -> BTreeMap<String, String> {
        let variables = [
            ("TEMPORAL_ADDRESS", self.address.clone()),
            ("TEMPORAL_API_KEY", self.key.to_owned()),
            ("TEMPORAL_TLS_CLIENT_CERT_PATH", self.file("guest.pem")),
            ("TEMPORAL_TLS_CLIENT_KEY_PATH", self.file("guest.key")),
            ("TEMPORAL_TLS_SERVER_CA_CERT_PATH", self.file("authority.pem")),
            ("TEMPORAL_TLS_SERVER_NAME", NAME.to_owned()),
        ];
        variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Keeper {
    /// What is wrong with a connection is the guest's to tell, so errors end it and are nobody's here.
    async fn let_in(self, acceptor: TlsAcceptor, stream: TcpStream) {
        let stream = match acceptor.accept(stream).into_fallible().await {
            Ok(stream) => stream,
            Err((_, mut refused)) => {
                // Closed with bytes unread, a connection is reset, and the guest may not hear why.
                drop(tokio::io::copy(&mut refused, &mut tokio::io::sink()).await);
                return;
            }
        };
        let router = Router::new().fallback(async move |request: Request| self.pass(request).await);
        let http = auto::Builder::new(TokioExecutor::new()).http2_only();
        let service = TowerToHyperService::new(router);
        drop(http.serve_connection(TokioIo::new(stream), service).await);
    }

    async fn pass(&self, mut request: Request) -> Response {
        let shown = request.headers().get(header::AUTHORIZATION);
        if shown.is_none_or(|shown| shown != &self.bearer) {
            return Status::unauthenticated("this is not the key").into_http();
        }
        let path = request.uri().path().to_owned();
        let server = self.server.get().map_or("", String::as_str);
        let Ok(uri) = Uri::builder()
            .scheme("http")
            .authority(server)
            .path_and_query(path)
            .build()
        else {
            return Status::unavailable("nothing is behind the door").into_http();
        };
        *request.uri_mut() = uri;
        match self.client.request(request).await {
            Ok(response) => response.map(Body::new),
            Err(error) => Status::unavailable(error.to_string()).into_http(),
        }
    }
}

/// Who asks guests for certificates of its own authority.
fn server(files: &Path) -> Result<ServerConfig> {
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_file(files.join("authority.pem"))?)?;
    let guests = WebPkiClientVerifier::builder(Arc::new(trusted)).build()?;
    let shown = CertificateDer::from_pem_file(files.join("door.pem"))?;
    let key = PrivateKeyDer::from_pem_file(files.join("door.key"))?;
    let mut config = ServerConfig::builder()
        .with_client_cert_verifier(guests)
        .with_single_cert(vec![shown], key)
        .context("the certificate of the door")?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
