//! MinIO, which speaks the protocol of Amazon S3 over a directory.

use std::path::Path;
use std::process::Command;

use super::asking;
use crate::account;
use crate::install::go::GoProgram;
use crate::wait::Check;

pub(super) const NAME: &str = "MinIO";
pub(super) const PROGRAM: GoProgram = GoProgram {
    what: NAME,
    name: "minio-20260212",
    files: &[
        ("go.mod", include_str!("minio/go.mod")),
        ("go.sum", include_str!("minio/go.sum")),
    ],
    package: "github.com/minio/minio",
    otherwise: "name a bucket in S3_BUCKET and its server in S3_ENDPOINT",
};
const ACCOUNT: &str = "smartcourse";

/// The command, and a word of its command line.
pub(super) fn command(program: &Path, home: &Path, port: u16) -> anyhow::Result<(Command, String)> {
    let mut command = Command::new(program);
    let address = format!("127.0.0.1:{port}");
    command
        .args(["server", "--quiet", "--address", &address])
        .arg(home.join("data"));
    let settings = [
        ("MINIO_ROOT_USER", ACCOUNT),
        ("MINIO_ROOT_PASSWORD", &account::kept_secret(home)?),
        ("MINIO_BROWSER", "off"),
        ("MINIO_UPDATE", "off"),
    ];
    command.envs(settings).current_dir(home);
    Ok((command, address))
}

pub(super) fn variables(home: &Path, port: u16) -> anyhow::Result<Vec<(&'static str, String)>> {
    let endpoint = format!("http://127.0.0.1:{port}");
    Ok(vec![
        ("S3_ENDPOINT", endpoint.clone()),
        // Whoever reaches the gateway of this machine from here reaches it as well.
        ("S3_PUBLIC_ENDPOINT", endpoint),
        ("S3_BUCKET", "smartcourse".to_owned()),
        ("S3_ACCESS_KEY_ID", ACCOUNT.to_owned()),
        ("S3_SECRET_ACCESS_KEY", account::kept_secret(home)?),
    ])
}

/// Its own word for being ready.
pub(super) async fn check(port: u16) -> anyhow::Result<Check<()>> {
    Ok(asking::serves(port, "/minio/health/ready").await)
}
