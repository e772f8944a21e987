//! What a process looks at while it runs: its database, the servers that were named.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use smartcourse_engines::{Engines, files::directory};
use smartcourse_gateway::Servers;
use smartcourse_platform::{config::Config, grpc::Health, lifecycle::Lifecycle, postgres};
use smartcourse_telemetry::catalogue::{
    DISK_AVAILABLE, DISK_SIZE, SERVER_CONNECTIONS, SERVER_CONNECTIONS_MAX, SERVER_UP, STANDING_STILL,
};
use tokio::sync::watch;

/// How often the database is asked whether it is there.
const DATABASE_CHECK: Duration = Duration::from_secs(2);
/// How often the servers are asked.
const SERVER_CHECK: Duration = Duration::from_secs(5);
/// How often it is looked how much the disk still takes.
const DISK_CHECK: Duration = Duration::from_secs(5);

/// Without its database a process is not ready, and health checks of services say so, while it is away or refuses to write.
/// Its sessions are looked at past a pooler, by one that is called like the role.
pub(crate) fn database(config: &Config, role: &str, health: Option<Health>, life: &Lifecycle) -> Result<()> {
    let pool = postgres::pool(&config.postgres.few(), "health")?;
    let sessions = postgres::pool(&config.postgres.direct().few(), role)?;
    let watch = life.clone();
    life.spawn("health", async move {
        let pulse = watch.pulse("database");
        while watch.sleep(DATABASE_CHECK).await {
            let ready = postgres::in_time(DATABASE_CHECK, postgres::is_ready(&pool)).await;
            if let Some(health) = &health {
                health.set(ready.is_ok()).await;
            }
            if let Err(error) = ready {
                tracing::error!(error = %error.chain(), "not ready");
                continue;
            }
            pulse.beat();
            let look = async {
                let still = postgres::standing_still(&sessions).await?;
                Ok((still, postgres::server_connections(&sessions).await?))
            };
            match postgres::in_time(DATABASE_CHECK, look).await {
                Ok((still, (taken, max))) => {
                    SERVER_CONNECTIONS.set(taken as f64, []);
                    SERVER_CONNECTIONS_MAX.set(max as f64, []);
                    for transaction in &still {
                        tracing::error!(transaction, "a transaction stands still and holds its locks");
                    }
                    STANDING_STILL.set(still.len() as f64, []);
                    if let Some(health) = &health {
                        health.set_transactions(still.is_empty()).await;
                    }
                }
                Err(error) => tracing::error!(error = %error.chain(), "sessions cannot be looked at"),
            }
        }
        Ok::<(), anyhow::Error>(())
    });
    Ok(())
}

/// The servers that were named, as they are found from time to time; the log says which went and which came back.
pub(crate) fn servers(engines: Arc<Engines>, life: &Lifecycle) -> watch::Receiver<Servers> {
    let (sender, receiver) = watch::channel(Servers::new());
    let watch = life.clone();
    life.spawn("servers", async move {
        let mut noted = false;
        loop {
            if !noted {
                noted = match engines.note_places().await {
                    Ok(()) => true,
                    Err(error) => {
                        tracing::warn!(error = %error.chain(), "where documents and files are is noted soon");
                        false
                    }
                };
            }
            let mut servers = Servers::new();
            for found in engines.look().await {
                let (server, variable, address) = (found.server, found.variable, found.address);
                let was = sender.borrow().get(server).copied();
                match &found.outcome {
                    Err(error) if was != Some(false) => {
                        let error = error.chain();
                        tracing::error!(
                            server,
                            variable,
                            address,
                            error,
                            "a server that was named does not answer"
                        );
                    }
                    Ok(state) if was != Some(true) => tracing::info!(server, address, state, "found"),
                    _ => {}
                }
                let up = found.outcome.is_ok();
                SERVER_UP.set(f64::from(u8::from(up)), [server]);
                servers.insert(server, up);
            }
            sender.send_replace(servers);
            if !watch.sleep(SERVER_CHECK).await {
                return Ok::<(), anyhow::Error>(());
            }
        }
    });
    receiver
}

/// How much the disk of the files still takes. Where a server keeps them there is no directory, and nothing is said.
pub(crate) fn disk(config: &Config, life: &Lifecycle) -> Result<()> {
    let settings: directory::Settings = config.section()?;
    let watch = life.clone();
    life.spawn("disk", async move {
        loop {
            if let Ok(disk) = rustix::fs::statvfs(&settings.files_dir) {
                let bytes = |blocks: u64| blocks as f64 * disk.f_frsize as f64;
                DISK_AVAILABLE.set(bytes(disk.f_bavail), ["files"]);
                DISK_SIZE.set(bytes(disk.f_blocks), ["files"]);
            }
            if !watch.sleep(DISK_CHECK).await {
                return Ok::<(), anyhow::Error>(());
            }
        }
    });
    Ok(())
}
