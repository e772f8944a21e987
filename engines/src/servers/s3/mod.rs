//! Amazon S3, or a server that speaks its protocol.

#[cfg(feature = "real")]
mod bucket;
#[cfg(feature = "real")]
mod http;

#[cfg(feature = "real")]
pub use bucket::Bucket;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use smartcourse_platform::config::{Declared, Problems, Reader, Section};

/// What is declared here.
pub(crate) const CONFIG: Declared = Declared {
    variables: &[
        ("S3_BUCKET", "s3.bucket"),
        ("S3_ENDPOINT", "s3.endpoint"),
        ("S3_PUBLIC_ENDPOINT", "s3.public_endpoint"),
        ("S3_REGION", "s3.region"),
        ("S3_ACCESS_KEY_ID", "s3.access_key_id"),
        ("S3_SECRET_ACCESS_KEY", "s3.secret_access_key"),
    ],
    ..Declared::of(
        r#"[s3]
# The bucket of files, with nothing else in it; S3_BUCKET wins. "": files are kept in content.files_dir.
bucket = ""
# Address of the server, such as https://minio.example.org:9000; "" is Amazon's. S3_ENDPOINT wins.
endpoint = ""
# Address at which browsers reach the server, such as https://files.example.org: files are then sent and read there, by signed
# URLs. "": by way of the gateway. S3_PUBLIC_ENDPOINT wins.
public_endpoint = ""
# S3_REGION wins.
region = "us-east-1"
# S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY win.
access_key_id = ""
secret_access_key = ""
"#,
        &[Reader::of::<Settings>()],
    )
};

/// `[s3]`
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// The bucket of files, or empty.
    pub bucket: String,
    /// Address of the server, or empty for Amazon's.
    pub endpoint: String,
    /// Address at which browsers reach it, or empty where they do not.
    pub public_endpoint: String,
    /// Its region.
    pub region: String,
    /// Who we are to it.
    pub access_key_id: String,
    /// And the proof.
    pub secret_access_key: SecretString,
}

impl Section for Settings {
    const NAME: &'static str = "s3";

    fn check(&self, problems: &mut Problems) {
        for (name, endpoint) in [
            ("endpoint", &self.endpoint),
            ("public_endpoint", &self.public_endpoint),
        ] {
            problems.require(
                endpoint.is_empty() || endpoint.starts_with("http://") || endpoint.starts_with("https://"),
                format!("s3.{name}: must start with http:// or https://"),
            );
        }
        let secret = self.secret_access_key.expose_secret();
        let told = ![secret, &self.access_key_id, &self.region]
            .iter()
            .any(|each| each.is_empty());
        super::require_adapters(problems, "s3.bucket", !self.bucket.is_empty());
        problems.require(
            self.bucket.is_empty() || told,
            "s3.bucket: needs s3.access_key_id, s3.secret_access_key and s3.region",
        );
    }
}
