//! RabbitMQ by Debian's packages, as one process: no service, no daemon of Erlang's names beside it, and no other node may join.

use std::path::Path;
use std::process::Command;

use super::asking;
use crate::account;
use crate::install::unpacked::Unpacked;
use crate::wait::Check;
use anyhow::Context;

pub(super) const NAME: &str = "RabbitMQ";
pub(super) const PROGRAM: Unpacked = Unpacked {
    what: NAME,
    name: "rabbitmq",
    packages: &[
        "erlang-asn1",
        "erlang-base",
        "erlang-crypto",
        "erlang-eldap",
        "erlang-ftp",
        "erlang-inets",
        "erlang-mnesia",
        "erlang-os-mon",
        "erlang-parsetools",
        "erlang-public-key",
        "erlang-runtime-tools",
        "erlang-snmp",
        "erlang-ssl",
        "erlang-syntax-tools",
        "erlang-tftp",
        "erlang-tools",
        "erlang-xmerl",
        "rabbitmq-server",
    ],
    program: "usr/lib/rabbitmq/bin/rabbitmq-server",
    names_its_place: Some(("usr/lib/erlang/bin/erl", "/usr/lib/erlang")),
    otherwise: "name a server in AMQP_URL",
};
const ACCOUNT: &str = "smartcourse";
const NODE: &str = "smartcourse@localhost";
/// One scheduler is enough for one machine, and none spins while it waits. The node listens to no other; the server wants to know
/// where it would, and believes any port.
const ERLANG: &str =
    "-sname smartcourse@localhost -dist_listen false -start_epmd false -erl_epmd_port 1 +S 1:1 +sbwt none";

/// The command, and a word of its command line.
pub(super) fn command(program: &Path, home: &Path, port: u16) -> anyhow::Result<(Command, String)> {
    let secret = account::kept_secret(home)?;
    let settings = home.join("rabbitmq.conf");
    let text = format!(
        "listeners.tcp.1 = 127.0.0.1:{port}\ndefault_user = {ACCOUNT}\ndefault_pass = {secret}\n\
         vm_memory_high_watermark.absolute = 512MB\ndisk_free_limit.absolute = 50MB\n\
         log.file = false\nlog.console = true\nlog.console.level = warning\n"
    );
    let plugins = home.join("plugins");
    for (path, text) in [(&settings, text.as_str()), (&plugins, "[].\n")] {
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    let library = program.ancestors().nth(3).context("the program has a place")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(library.join("erlang/bin")).chain(std::env::split_paths(&path));
    let mut command = Command::new(program);
    // Erlang takes it for a flag of ours. It is in the command line from the first moment on.
    command.arg("-smartcourse").arg(home);
    command
        .env("PATH", std::env::join_paths(path)?)
        .env("HOME", home)
        // The script becomes the server instead of keeping it as a child.
        .env("RUNNING_UNDER_SYSTEMD", "true")
        .env("RABBITMQ_NODENAME", NODE)
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", ERLANG)
        .env("RABBITMQ_MNESIA_BASE", home.join("data"))
        .env("RABBITMQ_LOG_BASE", home)
        .env("RABBITMQ_CONFIG_FILE", &settings)
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", &plugins);
    // Nothing of what the machine's own server is set to.
    for (variable, nowhere) in [
        ("RABBITMQ_CONF_ENV_FILE", "none.env"),
        ("RABBITMQ_CONFIG_FILES", "none.d"),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", "none.config"),
    ] {
        command.env(variable, home.join(nowhere));
    }
    command.current_dir(home);
    Ok((command, home.display().to_string()))
}

pub(super) fn variables(home: &Path, port: u16) -> anyhow::Result<Vec<(&'static str, String)>> {
    let secret = account::kept_secret(home)?;
    Ok(vec![(
        "AMQP_URL",
        format!("amqp://{ACCOUNT}:{secret}@127.0.0.1:{port}/%2f"),
    )])
}

/// It greets who speaks its protocol.
pub(super) async fn check(port: u16) -> anyhow::Result<Check<()>> {
    Ok(asking::answers(port, b"AMQP\0\0\x09\x01", |answer: &[u8; 1]| answer == &[1]).await)
}
