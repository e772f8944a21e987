//! `smartcourse stack`: real servers on this machine, kept by one process of their own, for `up --stack` and for whoever reads
//! the file of their addresses.

use std::{
    io::{Read as _, Seek as _, SeekFrom},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command as Process, ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};
use futures::future::{join_all, select_all, try_join_all};
use smartcourse_launcher::{
    Check, Claim, DataDir, Holder, Progress, Server, ServerKind, default_data_dir, wait_until,
};
use smartcourse_platform::lifecycle::Lifecycle;

use crate::private;

/// Where the addresses are: environment variables, one a line.
const FILE: &str = "stack.env";
/// What the process that keeps the servers claims, and what whoever starts it does meanwhile.
const LOCK: &str = "stack.lock";
const STARTER: &str = "stack-up.lock";
/// How long the servers may take to be ready, and to end.
const STARTING: Duration = Duration::from_secs(180);
const ENDING: Duration = Duration::from_secs(60);

/// What is done with the servers.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum Command {
    /// Install what is missing, start all of them and write their addresses to `stack.env` of the data directory.
    Up {
        #[command(flatten)]
        args: Args,
        /// Then run SmartCourse as a file of this directory has it, until Ctrl-C.
        #[arg(long, value_enum)]
        like: Option<Like>,
    },
    /// Stop them.
    Down(Args),
    /// Say where they are.
    Status(Args),
    /// Keep them until a signal comes; run by `up`.
    #[command(hide = true)]
    Keep(Args),
}

impl Command {
    /// What SmartCourse is then run like, and on what.
    pub(crate) fn like(&self) -> Option<(Like, &Args)> {
        match self {
            Self::Up { args, like } => like.map(|like| (like, args)),
            _ => None,
        }
    }
}

/// What SmartCourse is run like.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Like {
    /// `docker-compose.yml`, each container a process.
    Compose,
}

/// Arguments of each.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Where everything is kept.
    #[arg(long, env = "SMARTCOURSE_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

impl Args {
    /// The data directory, made if it is not there.
    pub(crate) fn open(&self) -> Result<DataDir> {
        open(self.data_dir.as_deref())
    }
}

/// The data directory, made if it is not there: the given one, else that of this user.
pub(crate) fn open(given: Option<&Path>) -> Result<DataDir> {
    let root = given.map_or_else(default_data_dir, Path::to_owned);
    DataDir::open(&root).with_context(|| format!("cannot use the data directory {}", root.display()))
}

/// Does it.
pub(crate) async fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Up { args, .. } => up(&args.open()?).await,
        Command::Down(args) => down(&args.open()?).await,
        Command::Status(args) => status(&args.open()?),
        Command::Keep(args) => keep(&args.open()?).await.map(|()| ExitCode::SUCCESS),
    }
}

/// The variables that name the servers of this data directory; fails when they do not run.
pub(crate) fn variables(data_dir: &DataDir) -> Result<Vec<(String, String)>> {
    if Claim::take(&data_dir.root().join(LOCK))?.is_ok() {
        anyhow::bail!("the servers do not run: start them with `smartcourse stack up`");
    }
    let path = data_dir.root().join(FILE);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("the servers are not ready: there is no {}", path.display()))?;
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Ok(pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

async fn up(data_dir: &DataDir) -> Result<ExitCode> {
    let starter = Claim::take(&data_dir.root().join(STARTER))?;
    let _starter = starter
        .map_err(|Holder(pid)| anyhow::anyhow!("process {} is starting them", pid.unwrap_or_default()))?;
    if let Err(Holder(pid)) = Claim::take(&data_dir.root().join(LOCK))? {
        crate::print(&format!(
            "they run already, kept by process {}\n",
            pid.unwrap_or_default()
        ))?;
        return status(data_dir);
    }
    let progress = Progress::auto();
    // Here, where a person sees it; the keeper finds everything installed.
    for kind in ServerKind::ALL {
        kind.ensure(data_dir, &progress).await?;
    }
    let step = progress.step("starting the servers");
    let file = data_dir.root().join(FILE);
    remove(&file)?;
    let log_path = data_dir.log("stack");
    let mut log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .open(&log_path)
        .with_context(|| format!("opening {}", log_path.display()))?;
    let begin = log.seek(SeekFrom::End(0))?;
    let mut keeper = Process::new(std::env::current_exe().context("the path of this executable is unknown")?);
    keeper.args(["stack", "keep", "--data-dir"]).arg(data_dir.root());
    keeper
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?);
    // Not of this terminal's group: it stays when this command has ended.
    let mut keeper = keeper.process_group(0).spawn().context("starting their keeper")?;
    let ready = wait_until("the servers", STARTING, || {
        let ended = keeper.try_wait();
        let file = &file;
        async move {
            anyhow::ensure!(ended?.is_none(), "their keeper ended");
            Ok(match file.exists() {
                true => Check::Ready(()),
                false => Check::NotYet("some are not ready".to_owned()),
            })
        }
    });
    if let Err(error) = ready.await {
        if keeper.try_wait()?.is_none() {
            down(data_dir).await?;
        }
        let mut told = Vec::new();
        std::fs::File::open(&log_path).and_then(|mut log| {
            log.seek(SeekFrom::Start(begin))?;
            log.read_to_end(&mut told)
        })?;
        let told = String::from_utf8_lossy(&told);
        return Err(error.context(format!("{told}see {}", log_path.display())));
    }
    step.done();
    status(data_dir)
}

/// Keeps the servers; when one ends on its own, all do.
async fn keep(data_dir: &DataDir) -> Result<()> {
    let life = Lifecycle::with_signals().context("signals cannot be handled")?;
    let lock = Claim::take(&data_dir.root().join(LOCK))?;
    let _lock =
        lock.map_err(|Holder(pid)| anyhow::anyhow!("process {} keeps them", pid.unwrap_or_default()))?;
    let start = async |kind: ServerKind| {
        let program = kind.ensure(data_dir, &Progress::plain()).await?;
        kind.start(&program, data_dir, None).await
    };
    let servers: Vec<Server> = tokio::select! {
        started = try_join_all(ServerKind::ALL.map(start)) => started?,
        () = life.stopping() => return Ok(()),
    };
    let lines = servers.iter().flat_map(|server| &server.variables);
    let text: String = lines.map(|(name, value)| format!("{name}={value}\n")).collect();
    let file = data_dir.root().join(FILE);
    private::write(&file, text.as_bytes())?;
    let ends = servers.iter().map(|server| Box::pin(server.exited()));
    let ended = tokio::select! {
        () = life.stopping() => Ok(()),
        (status, which, _) = select_all(ends) => {
            let name = servers[which].process.name();
            Err(anyhow::anyhow!("{name} ended ({status}); see {}", data_dir.log(name).display()))
        }
    };
    remove(&file)?;
    let stopped = join_all(servers.iter().map(Server::stop)).await;
    ended.and(stopped.into_iter().collect())
}

async fn down(data_dir: &DataDir) -> Result<ExitCode> {
    let lock = data_dir.root().join(LOCK);
    let Err(Holder(pid)) = Claim::take(&lock)? else {
        return crate::print("they do not run\n");
    };
    let pid = pid.context("their keeper has not said its process id yet")?;
    // It holds the claim at this moment, so the id is no other's.
    if let Some(pid) = rustix::process::Pid::from_raw(pid.cast_signed()) {
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).context("stopping their keeper")?;
    }
    Claim::end_holder(&lock, "stack", ENDING).await?;
    crate::print("stopped\n")
}

fn status(data_dir: &DataDir) -> Result<ExitCode> {
    let mut lines = format!("# {}\n", data_dir.root().join(FILE).display());
    for (name, value) in variables(data_dir)? {
        lines += &format!("{name}={}\n", private::shown(&name, &value));
    }
    crate::print(&lines)
}

fn remove(file: &Path) -> Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", file.display()))
        }
        _ => Ok(()),
    }
}
