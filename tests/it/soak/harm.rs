//! What befalls roles, servers and the ways between them.

use std::{collections::BTreeMap, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use rand::{Rng as _, seq::IndexedRandom as _};
use smartcourse_launcher::Signal;
use smartcourse_tests::{Fault, Link, World};

/// So little comes through and so little waits that most of a burst is dropped.
pub(super) const LOSSY: &str = "tc qdisc replace dev lo root tbf rate 2mbit burst 4kb limit 8kb";
/// Everything comes through.
pub(super) const SOUND: &str = "tc qdisc del dev lo root";

pub(super) const ROLES: [&str; 6] = ["serve", "course", "content", "relay", "worker", "tasks"];

/// One harm after the other, each mended before the next.
pub(super) struct Harm<'a> {
    world: &'a mut World,
    /// In the way of every role to a server or a service: variable, and what stands in the way.
    links: Vec<(&'static str, String, Link)>,
    /// Whether packets can be lost.
    apart: bool,
    done: BTreeMap<String, u32>,
}

impl<'a> Harm<'a> {
    /// Puts something between the roles, and starts them anew with it.
    pub(super) async fn new(world: &'a mut World, apart: bool) -> Result<Self> {
        let settings: BTreeMap<String, String> = world.settings().into_iter().collect();
        let mut links = Vec::new();
        for variable in [
            "TEMPORAL_ADDRESS",
            "SMARTCOURSE_GRPC__COURSE",
            "SMARTCOURSE_GRPC__CONTENT",
        ] {
            let link = Link::start(&settings[variable]).await?;
            links.push((variable, link.address.to_string(), link));
        }
        let (link, url) = Link::before(&settings["DATABASE_URL"]).await?;
        links.push(("DATABASE_URL", url, link));
        let mut harm = Self {
            world,
            links,
            apart,
            done: BTreeMap::new(),
        };
        for role in ROLES {
            harm.start(role).await?;
        }
        harm.world.ready().await?;
        Ok(harm)
    }

    /// Starts a role behind the links; a service listens where the link in front of it leads.
    async fn start(&mut self, role: &'static str) -> Result<()> {
        let own = format!("SMARTCOURSE_GRPC__{}", role.to_uppercase());
        let found: Vec<(&str, &str)> = self
            .links
            .iter()
            .filter(|(variable, ..)| *variable != own)
            .map(|(variable, address, _)| (*variable, address.as_str()))
            .collect();
        self.world.restart(role, &found).await
    }

    /// Does one harm, and mends it after a while. No role may end that was not killed.
    pub(super) async fn one(&mut self) -> Result<()> {
        if let Some(ended) = ROLES.iter().find(|role| !self.world.is_running(role)) {
            bail!("{ended} has ended by itself");
        }
        let role = *ROLES.choose(&mut rand::rng()).context("there are roles")?;
        let kind = rand::rng().random_range(if self.apart { 0..7 } else { 0..6 });
        let what = match kind {
            0 | 1 => {
                self.world.kill(role);
                pause(0..3000).await;
                self.start(role).await?;
                format!("`{role}` killed")
            }
            2 => {
                self.world.signal(role, Signal::STOP)?;
                pause(500..20_000).await;
                self.world.signal(role, Signal::CONT)?;
                format!("`{role}` frozen for up to 20 s")
            }
            3 => {
                self.world.signal_temporal(Signal::STOP);
                pause(500..15_000).await;
                self.world.signal_temporal(Signal::CONT);
                "Temporal frozen for up to 15 s".to_owned()
            }
            4 => {
                let number = rand::rng().random_range(0..self.links.len());
                let (variable, _, link) = &self.links[number];
                link.fail(Fault::Silence);
                pause(500..20_000).await;
                link.mend();
                format!("the way to `{variable}` cut for up to 20 s")
            }
            5 => {
                sqlx::query(
                    "select pg_terminate_backend(pid) from pg_stat_activity
                     where datname = current_database() and pid <> pg_backend_pid() and random() < 0.5",
                )
                .execute(&self.world.pool)
                .await?;
                "half of the database's sessions ended".to_owned()
            }
            _ => {
                shell(LOSSY)?;
                pause(1000..8000).await;
                shell(SOUND)?;
                "most packets lost for up to 8 s".to_owned()
            }
        };
        *self.done.entry(what).or_default() += 1;
        pause(500..4000).await;
        Ok(())
    }

    /// Ends all harm: the roles start without anything between them. Answers what was done, and how often.
    pub(super) async fn mend(self) -> Result<BTreeMap<String, u32>> {
        for role in ROLES {
            self.world.restart(role, &[]).await?;
        }
        self.world.ready().await?;
        Ok(self.done)
    }
}

async fn pause(millis: std::ops::Range<u64>) {
    let pause = rand::rng().random_range(millis);
    tokio::time::sleep(Duration::from_millis(pause)).await;
}

fn shell(command: &str) -> Result<()> {
    let status = Command::new("sh").args(["-c", command]).status()?;
    ensure!(status.success(), "{command} failed");
    Ok(())
}
