//! The one way to a Temporal server: plain, by TLS, with a client certificate or an API key; and what its refusals mean.

use std::{error::Error as StdError, future::Future, io, time::Duration};

use rustls::{
    CertificateError,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use secrecy::ExposeSecret as _;
use smartcourse_platform::{
    Error, Result, config,
    error::{Code as Word, codes},
};
use temporalio_client::{
    Client, ClientKeepAliveOptions, ClientOptions, ClientTlsOptions, Connection, ConnectionOptions,
    TlsOptions, errors::ClientConnectError,
};
use temporalio_common::data_converters::{DataConverter, DefaultFailureConverter, PayloadConverter};
use tonic::{Code, Status};

use super::codec::Codec;

/// Longest wait for a connection or a single answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// A server that vanished is noticed after these together. Temporal ends connections that are asked more often than each 10 s
/// (`frontend.keepAliveMinTime`).
fn keep_alive() -> ClientKeepAliveOptions {
    ClientKeepAliveOptions::builder()
        .interval(Duration::from_secs(10))
        .timeout(Duration::from_secs(5))
        .build()
}

/// This process, in the way of Temporal's SDKs.
fn identity() -> String {
    let host = rustix::system::uname();
    format!("{}@{}", std::process::id(), host.nodename().to_string_lossy())
}

/// The answer, if it comes in time.
pub(super) async fn in_time<T>(answer: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(PATIENCE, answer)
        .await
        .map_err(|_| Error::new(&codes::UNAVAILABLE, "Temporal does not answer within 3 s"))
}

/// Connects. Fails with `workflows_refused` when the server does not let us in or a file cannot be used, naming the setting,
/// else with `unavailable`.
pub(super) async fn connect(config: &config::Temporal, codec: Codec) -> Result<Client> {
    let scheme = if config.is_encrypted() { "https" } else { "http" };
    let target = url::Url::parse(&format!("{scheme}://{}", config.address))
        .map_err(|error| Error::internal("temporal.address is not an address").because(error))?;
    let tls = match config.is_encrypted() {
        true => Some(tls(config).await?),
        false => None,
    };
    let key = config.api_key.expose_secret();
    let options = ConnectionOptions::new(target)
        .identity(identity())
        .connect_timeout(PATIENCE)
        .keep_alive(Some(keep_alive()))
        .maybe_tls_options(tls)
        .maybe_api_key((!key.is_empty()).then(|| key.to_owned()))
        .build();
    let connection = in_time(Connection::connect(options))
        .await?
        .map_err(|error| match error {
            // It does not count as the cause of its error.
            ClientConnectError::SystemInfoCallError(status) => unanswered(status, config.is_encrypted()),
            error => failed(error),
        })?;
    let converter = DataConverter::new(
        PayloadConverter::default(),
        DefaultFailureConverter::default(),
        codec,
    );
    let options = ClientOptions::new(config.namespace.clone())
        .data_converter(converter)
        .build();
    Client::new(connection, options)
        .map_err(|error| Error::internal("the Temporal client refused its options").because(error))
}

/// The files are read anew at each try, so one that comes later is found.
async fn tls(config: &config::Temporal) -> Result<TlsOptions> {
    let given = |setting: &str| (!setting.is_empty()).then(|| setting.to_owned());
    let certificate = |pem: &[u8]| {
        CertificateDer::pem_slice_iter(pem)
            .next()
            .is_some_and(|one| one.is_ok())
    };
    let authority = match given(&config.tls_server_ca_cert_path) {
        Some(path) => Some(file("temporal.tls_server_ca_cert_path", &path, certificate).await?),
        None => None,
    };
    let client = match given(&config.tls_client_cert_path) {
        Some(path) => {
            let shown = file("temporal.tls_client_cert_path", &path, certificate).await?;
            let is_key = |pem: &[u8]| PrivateKeyDer::from_pem_slice(pem).is_ok();
            let key = file(
                "temporal.tls_client_key_path",
                &config.tls_client_key_path,
                is_key,
            )
            .await?;
            let client = ClientTlsOptions::builder();
            Some(client.client_cert(shown).client_private_key(key).build())
        }
        None => None,
    };
    Ok(TlsOptions::builder()
        .maybe_server_root_ca_cert(authority)
        .maybe_client_tls_options(client)
        .maybe_domain(given(&config.tls_server_name))
        .build())
}

/// The file a setting names, when it holds what it should.
async fn file(setting: &str, path: &str, holds: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>> {
    let refused = |what: &str| Error::new(&codes::WORKFLOWS_REFUSED, format!("{setting}: {path} {what}"));
    let pem = tokio::fs::read(path)
        .await
        .map_err(|error| refused("cannot be read").because(error))?;
    match holds(&pem) {
        true => Ok(pem),
        false => Err(refused("is not what it should be in PEM form")),
    }
}

/// A failure as whoever has to mend it wants to read it: refusals name the setting, everything else is `unavailable`.
pub(super) fn failed(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    let cause = cause.into();
    let mut next: Option<&(dyn StdError + 'static)> = Some(cause.as_ref());
    let mut known = None;
    while let (Some(error), None) = (next, known) {
        known = meaning(error);
        next = error.source();
    }
    let (word, detail) = known.unwrap_or((&codes::UNAVAILABLE, "Temporal does not answer"));
    Error::new(word, detail).because(cause)
}

/// A connection that was made and ended before the first answer. By TLS 1.3 a server looks at the certificate after this side is
/// done with the handshake, and what it says then may be lost with the connection.
fn unanswered(status: Status, encrypted: bool) -> Error {
    let ended = matches!(status.code(), Code::Cancelled | Code::Unknown | Code::Internal)
        && StdError::source(&status).is_some();
    let error = failed(status);
    match encrypted && ended && error.is(&codes::UNAVAILABLE) {
        true => Error::new(&codes::WORKFLOWS_REFUSED, CERTIFICATE_REFUSED).because(error),
        false => error,
    }
}

/// What one error of a chain means, if that is known.
fn meaning(error: &(dyn StdError + 'static)) -> Option<(&'static Word, &'static str)> {
    let refused = |detail| Some((&codes::WORKFLOWS_REFUSED, detail));
    if let Some(status) = error.downcast_ref::<Status>() {
        let names_namespace = || status.message().to_lowercase().contains("namespace");
        return match status.code() {
            Code::Unauthenticated => refused("Temporal does not take temporal.api_key"),
            Code::PermissionDenied => refused(
                "Temporal does not allow this: check temporal.api_key, temporal.tls_client_cert_path and temporal.namespace",
            ),
            Code::NotFound if names_namespace() => refused("Temporal does not know temporal.namespace"),
            _ => None,
        };
    }
    // An error of input and output has no other as its source, but within.
    let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let tls = within.and_then(|within| within.downcast_ref());
    if let Some(tls) = tls.or_else(|| error.downcast_ref::<rustls::Error>()) {
        return refused(meaning_of_tls(tls));
    }
    // What HTTP/2 hands on of a connection that ended has lost its type. A server says so only after the handshake.
    let ended = error.to_string();
    if ended.contains("received fatal alert") {
        return refused(CERTIFICATE_REFUSED);
    }
    None
}

const CERTIFICATE_REFUSED: &str = "Temporal does not accept who connects: it asks for a certificate, or does not take that of \
     temporal.tls_client_cert_path";

fn meaning_of_tls(error: &rustls::Error) -> &'static str {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            "Temporal's certificate is for another name than temporal.address has: set temporal.tls_server_name"
        }
        Tls::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "Temporal's certificate has expired: renew it at the server of temporal.address"
        }
        Tls::InvalidCertificate(_) => {
            "Temporal's certificate is not signed by whom we trust: check temporal.tls_server_ca_cert_path"
        }
        Tls::InconsistentKeys(_) => {
            "temporal.tls_client_key_path is not the key of temporal.tls_client_cert_path"
        }
        Tls::AlertReceived(rustls::AlertDescription::UnrecognisedName) => {
            "Temporal does not know the name it is called by: check temporal.tls_server_name"
        }
        Tls::AlertReceived(_) => CERTIFICATE_REFUSED,
        Tls::InvalidMessage(_) => "the server of temporal.address does not speak TLS: check temporal.tls",
        _ => "no encrypted connection to Temporal can be made: check the settings temporal.tls_…",
    }
}
