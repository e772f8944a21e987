//! Encrypted connections: certificates are read from files, and read again when those change.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use rustls::{
    AlertDescription, CertificateError, ClientConfig, InvalidMessage, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use smartcourse_telemetry::catalogue::CERTIFICATE_NOT_AFTER;
use time::OffsetDateTime;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use x509_parser::{extensions::GeneralName, prelude::X509Certificate};

use crate::error::{Error, Result};

/// How long the files are taken to be as they were.
const FRESH: Duration = Duration::from_secs(1);
/// How long a peer may take to say who it is.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The PEM files of one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Of whom: what the metric of the certificate's age is labelled with, and the section of the settings.
    pub name: &'static str,
    /// The certificate that is shown, with those between it and the authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Whose certificates are believed. Who accepts connections then asks for one; without, nobody is asked.
    pub authority: Option<PathBuf>,
}

/// What connections are made with: the certificates of the files as they are now. Connections that are there stay as they are.
pub struct Certificates {
    files: Files,
    protocol: &'static [u8],
    state: Mutex<State>,
}

struct State {
    looked: Instant,
    stamp: Vec<Stamp>,
    configs: Configs,
}

#[derive(Clone)]
struct Configs {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

/// What tells that a file is another than it was.
type Stamp = Option<(SystemTime, u64)>;

impl Certificates {
    /// Reads the files, for connections that speak this protocol (as ALPN names it).
    ///
    /// # Errors
    /// When one cannot be read, or the key is that of another certificate; the message names the setting.
    pub fn open(files: Files, protocol: &'static [u8]) -> Result<Self> {
        let stamp = files.stamp();
        let configs = files.read(protocol)?;
        let state = State {
            looked: Instant::now(),
            stamp,
            configs,
        };
        Ok(Self {
            files,
            protocol,
            state: Mutex::new(state),
        })
    }

    /// Accepts a connection; answers it and the names in the certificate of the other side, none where nobody is asked.
    ///
    /// # Errors
    /// When the other side does not speak TLS, shows nothing that is believed, or takes too long.
    pub async fn accept(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> io::Result<(server::TlsStream<TcpStream>, Vec<String>)> {
        let accepting = TlsAcceptor::from(self.configs().server).accept(stream);
        let accepted = timeout(HANDSHAKE, accepting)
            .await
            .map_err(io::Error::from)
            .flatten();
        let stream = accepted.inspect_err(|error| match self.files.authority {
            // One of ours, most likely, which is not told why: by TLS 1.3 it takes itself to be connected by then.
            Some(_) => tracing::warn!(%error, "{peer} {}", meaning(error)),
            None => tracing::debug!(%error, %peer, "no connection by TLS"),
        })?;
        let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let names = shown.first().map(names).unwrap_or_default();
        Ok((stream, names))
    }

    /// Connects to `host:port`, whose certificate must have that host as a name.
    ///
    /// # Errors
    /// When nobody is there, or is not whom we believe; the message names the address, and what is wrong with the certificate.
    pub async fn connect(&self, host: &str, port: u16) -> io::Result<client::TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        let connecting = TlsConnector::from(self.configs().client).connect(name, stream);
        timeout(HANDSHAKE, connecting).await?.map_err(|error| {
            let told = format!("{host}:{port} {}", meaning(&error));
            tracing::warn!(error = %error, "{told}");
            io::Error::other(told)
        })
    }

    fn configs(&self) -> Configs {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() < FRESH {
            return state.configs.clone();
        }
        state.looked = Instant::now();
        let stamp = self.files.stamp();
        if stamp != state.stamp {
            // The one may be written and the other not yet: the next look finds both.
            match self.files.read(self.protocol) {
                Ok(configs) => {
                    tracing::info!(certificate = self.files.name, "the certificate is another");
                    state.configs = configs;
                }
                Err(error) => tracing::error!(error = %error.chain(), "the certificate stays as it was"),
            }
            state.stamp = stamp;
        }
        state.configs.clone()
    }
}

impl Files {
    fn stamp(&self) -> Vec<Stamp> {
        let files = [&self.certificate, &self.key].into_iter().chain(&self.authority);
        let stamp = |path: &PathBuf| fs::metadata(path).and_then(|file| Ok((file.modified()?, file.len())));
        files.map(|path| stamp(path).ok()).collect()
    }

    fn read(&self, protocol: &[u8]) -> Result<Configs> {
        let broken = |what: &str, path: &Path, error: &dyn std::fmt::Display| {
            let setting = format!("{}.tls_{what}", self.name);
            Error::internal(format!("{setting}: {} cannot be used: {error}", path.display()))
        };
        let chain =
            certificates(&self.certificate).map_err(|e| broken("certificate", &self.certificate, &e))?;
        let key =
            || PrivateKeyDer::from_pem_file(&self.key).map_err(|error| broken("key", &self.key, &error));
        let not_the_key = |error: rustls::Error| broken("key", &self.key, &error);
        let mut believed = RootCertStore::empty();
        if let Some(path) = &self.authority {
            for authority in certificates(path).map_err(|error| broken("authority", path, &error))? {
                believed
                    .add(authority)
                    .map_err(|error| broken("authority", path, &error))?;
            }
        }
        let server = ServerConfig::builder();
        let server = match &self.authority {
            Some(path) => {
                let callers = WebPkiClientVerifier::builder(Arc::new(believed.clone())).build();
                server.with_client_cert_verifier(callers.map_err(|error| broken("authority", path, &error))?)
            }
            None => server.with_no_client_auth(),
        };
        let mut server = server
            .with_single_cert(chain.clone(), key()?)
            .map_err(not_the_key)?;
        server.alpn_protocols = vec![protocol.to_vec()];
        let not_after = not_after(&chain[0]).map_err(|e| broken("certificate", &self.certificate, &e))?;
        CERTIFICATE_NOT_AFTER.set(not_after as f64, [self.name]);
        if not_after < OffsetDateTime::now_utc().unix_timestamp() {
            tracing::error!(path = %self.certificate.display(), "the certificate has expired: nobody will believe it");
        }
        let client = ClientConfig::builder().with_root_certificates(believed);
        let mut client = client.with_client_auth_cert(chain, key()?).map_err(not_the_key)?;
        client.alpn_protocols = vec![protocol.to_vec()];
        Ok(Configs {
            server: Arc::new(server),
            client: Arc::new(client),
        })
    }
}

/// The certificates of a PEM file: one at least.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?;
    match found.is_empty() {
        true => Err(rustls::pki_types::pem::Error::NoItemsFound),
        false => Ok(found),
    }
}

/// When a certificate ends, in seconds since 1970.
fn not_after(certificate: &CertificateDer<'_>) -> Result<i64, x509_parser::error::X509Error> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(|error| match error {
        x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => error,
        x509_parser::nom::Err::Incomplete(_) => x509_parser::error::X509Error::InvalidCertificate,
    })?;
    Ok(parsed.validity().not_after.timestamp())
}

/// The names of hosts in a certificate.
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let parsed = x509_parser::parse_x509_certificate(certificate);
    let parsed: Option<X509Certificate<'_>> = parsed.ok().map(|(_, parsed)| parsed);
    let names = parsed
        .as_ref()
        .and_then(|parsed| parsed.subject_alternative_name().ok()?);
    let names = names.iter().flat_map(|names| &names.value.general_names);
    let names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    names.collect()
}

/// What went wrong, of the other side.
fn meaning(error: &io::Error) -> String {
    use rustls::Error as Tls;
    let tls = error.get_ref().and_then(|within| within.downcast_ref::<Tls>());
    match tls {
        Some(Tls::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => "shows a certificate that has expired".to_owned(),
        Some(Tls::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "shows a certificate with another name than it is called by".to_owned(),
        Some(Tls::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            "shows a certificate that none of tls_authority signed".to_owned()
        }
        Some(Tls::NoCertificatesPresented) => "shows no certificate".to_owned(),
        Some(Tls::InvalidCertificate(other)) => format!("shows a certificate that is refused: {other}"),
        Some(Tls::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::MessageTooLarge)) => {
            "does not speak TLS".to_owned()
        }
        Some(Tls::AlertReceived(AlertDescription::CertificateExpired)) => {
            "refuses our certificate, since it has expired".to_owned()
        }
        Some(Tls::AlertReceived(alert)) => format!("refuses our certificate: {alert:?}"),
        _ => format!("cannot be reached by TLS: {error}"),
    }
}
