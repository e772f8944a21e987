//! `smartcourse health`: asks the process beside it, in the same container, how it is; for images without a shell.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, ensure};
use smartcourse_platform::config::Config;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Characters of its answer that are shown.
const SHOWN: usize = 500;

/// Arguments of `health`.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "HealthArgs")]
pub(crate) struct Args {
    /// Ask whether it lives instead of whether it is ready.
    #[arg(long)]
    live: bool,
    /// The role that is asked, where each has its default address.
    #[arg(long, default_value = "serve")]
    role: String,
}

/// Asks at `telemetry.metrics_listen`; fails with what is answered unless that is a success.
pub(crate) async fn run(args: &Args, config: &Config) -> Result<ExitCode> {
    let listen = config.telemetry.metrics_address(&args.role);
    let listen = listen.context("telemetry.metrics_listen is empty, so there is nobody to ask")?;
    let path = if args.live { "/livez" } else { "/readyz" };
    let url = format!("http://{}{path}", nearby(&listen));
    let http = reqwest::Client::builder()
        .timeout(PATIENCE)
        // It is not asked by way of anybody else.
        .no_proxy()
        .build()?;
    let answer = http.get(&url).send().await.context("it does not answer")?;
    let status = answer.status();
    let text = answer.text().await.context("its answer broke off")?;
    let shown: String = text.chars().take(SHOWN).collect();
    ensure!(status.is_success(), "{url} answers {status}: {shown}");
    Ok(ExitCode::SUCCESS)
}

/// Where a process of this machine is found that listens there.
fn nearby(listen: &str) -> String {
    match listen.parse::<SocketAddr>() {
        Ok(mut address) if address.ip().is_unspecified() => {
            address.set_ip(match address.is_ipv4() {
                true => std::net::Ipv4Addr::LOCALHOST.into(),
                false => std::net::Ipv6Addr::LOCALHOST.into(),
            });
            address.to_string()
        }
        _ => listen.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_asked_here() {
        assert_eq!(nearby("0.0.0.0:9464"), "127.0.0.1:9464");
        assert_eq!(nearby("[::]:9464"), "[::1]:9464");
        assert_eq!(nearby("10.0.0.7:9464"), "10.0.0.7:9464");
        assert_eq!(nearby("localhost:9464"), "localhost:9464");
    }
}
