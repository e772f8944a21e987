//! Redis by Debian's package of its tools: they are the server's program under another name, and bring no server that the system
//! starts by itself.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::asking;
use crate::install::apt::Package;
use crate::wait::Check;

pub(super) const NAME: &str = "Redis";
pub(super) const PACKAGE: Package = Package {
    what: NAME,
    name: "redis-tools",
    program: "redis-check-rdb",
    otherwise: "name a server in REDIS_URL",
};

/// The command, and a word of its command line: it shows its address there.
pub(super) fn command(program: &Path, home: &Path, port: u16) -> (Command, String) {
    let mut command = Command::new(program);
    // It is what it is called.
    command.arg0("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
    command
        .args(["--save", "", "--appendonly", "yes", "--dir"])
        .arg(home);
    command.current_dir(home);
    (command, format!(":{port}"))
}

/// It answers with an error while it reads its file.
pub(super) async fn check(port: u16) -> anyhow::Result<Check<()>> {
    Ok(asking::answers(port, b"PING\r\n", |answer: &[u8; 7]| answer == b"+PONG\r\n").await)
}
