//! Redis by Debian's package of its tools: they are the server's program under another name, and bring no server that the system
//! starts by itself.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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
    let asked = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut answer = [0_u8; 7];
        stream.read_exact(&mut answer).await.map(|_| answer)
    };
    Ok(match asked.await {
        Ok(answer) if &answer == b"+PONG\r\n" => Check::Ready(()),
        Ok(answer) => Check::NotYet(String::from_utf8_lossy(&answer).into_owned()),
        Err(error) => Check::NotYet(error.to_string()),
    })
}
