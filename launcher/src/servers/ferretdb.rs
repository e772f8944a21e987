//! FerretDB, which speaks MongoDB's protocol over SQLite.

use std::path::Path;
use std::process::Command;

use tokio::net::TcpStream;

use crate::install::go::GoProgram;
use crate::wait::Check;

pub(super) const NAME: &str = "FerretDB";
pub(super) const PROGRAM: GoProgram = GoProgram {
    what: NAME,
    name: "ferretdb-1.24.2",
    files: &[
        ("main.go", include_str!("ferretdb/main.go")),
        ("go.mod", include_str!("ferretdb/go.mod")),
        ("go.sum", include_str!("ferretdb/go.sum")),
    ],
    package: ".",
    otherwise: "name a server in MONGODB_URL",
};

/// The command, and a word of its command line.
pub(super) fn command(program: &Path, home: &Path, port: u16) -> (Command, String) {
    let mut command = Command::new(program);
    let address = format!("127.0.0.1:{port}");
    command.arg(&address).arg(home).current_dir(home);
    (command, address)
}

/// It listens when it is ready.
pub(super) async fn check(port: u16) -> anyhow::Result<Check<()>> {
    Ok(match TcpStream::connect(("127.0.0.1", port)).await {
        Ok(_) => Check::Ready(()),
        Err(error) => Check::NotYet(error.to_string()),
    })
}
