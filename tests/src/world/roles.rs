//! The roles of a world: processes that are started, stopped and killed as a test wants.

use std::{collections::BTreeMap, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result};
use smartcourse_launcher::{Plan, Process, Signal, Tie, free_port};
use smartcourse_platform::{config::Grpc, grpc::ServiceName};

use crate::{PATIENCE, wait_for, world::World};

/// Characters of a log that are shown when a test fails.
const TAIL: usize = 4_000;

/// A running or dead role.
pub(crate) struct Role {
    process: Process,
    /// Where it answers for its metrics.
    metrics: String,
    args: Vec<String>,
    more: Vec<(String, String)>,
}

/// What a process of a role is called: `serve`, `serve-2` and so on.
pub fn process_name(role: &'static str, number: usize) -> &'static str {
    match number {
        1 => role,
        // A test has a handful, and needs their names as long as it runs.
        _ => format!("{role}-{number}").leak(),
    }
}

/// What names a model: whoever runs the tests may have the key of one, which nobody is to be asked by.
const ASIDE: [&str; 4] = [
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
];

impl World {
    pub(crate) fn command(&self, args: &[&str], more: &[(&str, &str)]) -> Command {
        let mut command = Command::new(&self.executable);
        for variable in ASIDE {
            command
                .env_remove(variable)
                .env_remove(format!("{variable}_FILE"));
        }
        command
            .args(args)
            .envs(&self.variables)
            .envs(more.iter().copied());
        command
    }

    /// Runs a command of the executable to its end; answers whether it succeeded and what it printed.
    ///
    /// # Errors
    /// When the process cannot be made.
    pub fn run(&self, args: &[&str]) -> Result<(bool, String)> {
        self.run_with(args, &[])
    }

    /// The same, with further variables.
    ///
    /// # Errors
    /// When the process cannot be made.
    pub fn run_with(&self, args: &[&str], more: &[(&str, &str)]) -> Result<(bool, String)> {
        let output = self.command(args, more).output()?;
        let told = [output.stdout, output.stderr].concat();
        Ok((
            output.status.success(),
            String::from_utf8_lossy(&told).into_owned(),
        ))
    }

    /// Has roles and commands from now on run by another executable; those that run go on.
    pub fn run_by(&mut self, executable: &Path) {
        executable.clone_into(&mut self.executable);
    }

    /// Starts a role.
    ///
    /// # Errors
    /// When the process cannot be made.
    pub fn spawn(&mut self, name: &'static str, args: &[&str], more: &[(&str, &str)]) -> Result<()> {
        let metrics = format!("127.0.0.1:{}", free_port()?);
        let mut command = self.command(args, more);
        const METRICS: &str = "SMARTCOURSE_TELEMETRY__METRICS_LISTEN";
        if !self.variables.contains_key(METRICS) {
            command.env(METRICS, &metrics);
        }
        // As a supervisor's child it ends when this test process does, however that happens.
        command.env("SMARTCOURSE_SUPERVISED", self.data_dir()?.role_lock(name));
        let plan = Plan {
            name,
            log: self.data_dir()?.log(name),
            tie: Tie::Stdin,
            stop: &[(Signal::TERM, PATIENCE)],
            drop: Duration::ZERO,
            restart: None,
        };
        let role = Role {
            process: Process::start(command, plan)?,
            metrics,
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            more: owned(more),
        };
        self.roles.insert(name, role);
        Ok(())
    }

    /// Where each role answers for its metrics, as `host:port`, by its name.
    pub fn metrics(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.roles
            .iter()
            .map(|(name, role)| (*name, role.metrics.as_str()))
    }

    /// What a role answers at a path of the port it has for its metrics.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ask_role(&self, name: &'static str, path: &str) -> Result<(u16, String)> {
        let answer = self
            .http
            .get(format!("http://{}{path}", self.role(name)?.metrics))
            .send()
            .await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Kills a role with SIGKILL, if it still runs, and starts it again with further variables.
    ///
    /// # Errors
    /// When the process cannot be made.
    pub async fn restart(&mut self, name: &'static str, more: &[(&str, &str)]) -> Result<()> {
        self.kill(name);
        let args = self.role(name)?.args.clone();
        self.spawn(name, &args.iter().map(String::as_str).collect::<Vec<_>>(), more)
    }

    /// Adds processes until there are as many of each role, in a world whose services are in one process; the others call all of
    /// them. Answers where the gateways are; the processes are called `serve`, `serve-2` and so on.
    ///
    /// # Errors
    /// When a process cannot be made, or they are not ready in time.
    pub async fn scale(&mut self, count: usize) -> Result<Vec<String>> {
        let mut gateways = vec![self.base.clone()];
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        for number in 2..=count {
            let gateway = format!("127.0.0.1:{}", free_port()?);
            let mut own = vec![("SMARTCOURSE_GATEWAY__LISTEN".to_owned(), gateway.clone())];
            for service in ServiceName::ALL {
                let variable = format!("SMARTCOURSE_{}", Grpc::variable(service));
                let address = format!("127.0.0.1:{}", free_port()?);
                let addresses = all
                    .entry(variable.clone())
                    .or_insert_with(|| self.variables[&variable].clone());
                addresses.push_str(&format!(",{address}"));
                own.push((variable, address));
            }
            self.spawn(process_name("serve", number), &["serve"], &borrowed(&own))?;
            gateways.push(format!("http://{gateway}"));
        }
        let all: Vec<_> = all.into_iter().collect();
        for role in ["relay", "worker", "tasks"] {
            self.stop(role).await?;
            for number in 1..=count {
                self.spawn(process_name(role, number), &[role], &borrowed(&all))?;
            }
        }
        for gateway in &gateways {
            self.is_ready(gateway).await?;
        }
        Ok(gateways)
    }

    /// Stops a role with SIGTERM, starts it again as it was, and waits until it and what it calls are ready.
    ///
    /// # Errors
    /// When it does not end, or is not ready in time.
    pub async fn roll(&mut self, name: &'static str) -> Result<()> {
        self.stop(name).await?;
        self.start_again(name)?;
        let more = &self.role(name)?.more;
        let gateway = more
            .iter()
            .find(|(variable, _)| variable == "SMARTCOURSE_GATEWAY__LISTEN");
        let gateway = gateway.map_or_else(|| self.base.clone(), |(_, address)| format!("http://{address}"));
        self.is_ready(&gateway).await
    }

    /// Starts a role that was stopped, as it was.
    ///
    /// # Errors
    /// When the process cannot be made.
    pub fn start_again(&mut self, name: &'static str) -> Result<()> {
        let Role { args, more, .. } = self.role(name)?;
        let (args, more) = (args.clone(), more.clone());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.spawn(name, &args, &borrowed(&more))
    }

    /// Kills a role with SIGKILL.
    pub fn kill(&self, name: &str) {
        if let Ok(role) = self.role(name) {
            role.process.kill();
        }
    }

    /// Sends a role a signal, such as one that freezes it.
    ///
    /// # Errors
    /// When there is no such role.
    pub fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        self.role(name)?.process.signal(signal);
        Ok(())
    }

    /// Stops a role with SIGTERM and waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&self, name: &str) -> Result<()> {
        self.role(name)?.process.stop().await
    }

    /// Whether a role still runs.
    pub fn is_running(&self, name: &str) -> bool {
        self.role(name)
            .is_ok_and(|role| role.process.exit_status().is_none())
    }

    /// The process of a role.
    ///
    /// # Errors
    /// When there is no such role.
    pub fn pid(&self, name: &str) -> Result<u32> {
        Ok(self.role(name)?.process.pid())
    }

    fn role(&self, name: &str) -> Result<&Role> {
        self.roles.get(name).with_context(|| format!("no role {name}"))
    }

    /// A role's log, of all its processes.
    pub fn whole_log(&self, name: &str) -> String {
        let log = self.data_dir().map(|dir| dir.log(name));
        log.map_or_else(
            |_| String::new(),
            |log| std::fs::read_to_string(log).unwrap_or_default(),
        )
    }

    /// The end of it.
    pub fn log(&self, name: &str) -> String {
        let text = self.whole_log(name);
        let start = text.char_indices().rev().nth(TAIL).map_or(0, |(index, _)| index);
        text[start..].to_owned()
    }

    /// Waits until the gateway and everything behind it answers.
    ///
    /// # Errors
    /// When that takes too long; the message has the logs.
    pub async fn ready(&self) -> Result<()> {
        self.is_ready(&self.base).await
    }

    async fn is_ready(&self, gateway: &str) -> Result<()> {
        let url = format!("{gateway}/readyz");
        let http = self.http.clone();
        let ready = wait_for("the services", async || match http.get(&url).send().await {
            Ok(response) if response.status().is_success() => Ok(Ok(())),
            Ok(response) => Ok(Err(response.text().await.unwrap_or_default())),
            Err(error) => Ok(Err(error.to_string())),
        })
        .await;
        ready.with_context(|| {
            let logs = self
                .roles
                .keys()
                .map(|name| format!("--- {name}\n{}", self.log(name)));
            logs.collect::<Vec<_>>().join("\n")
        })
    }
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}
