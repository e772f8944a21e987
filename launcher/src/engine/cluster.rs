//! PostgreSQL's data on disk: where it lies, who owns it, how it comes to be.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::account::{self, Account};
use crate::{DataDir, PostgresBinaries, process};

/// The superuser and the database in the cluster.
pub(super) const USER: &str = "smartcourse";
pub(super) const DATABASE: &str = "smartcourse";
/// Where clusters go whose data directory lies below one that the service user cannot pass.
const DETACHED: &str = "/var/lib/smartcourse/clusters";

/// The files of one PostgreSQL server: `data` (the cluster), `password`, `port`.
#[derive(Debug)]
pub(super) struct Cluster {
    home: PathBuf,
    account: Option<Account>,
}

impl Cluster {
    /// Finds or makes the place of the cluster of `dir`.
    pub(super) fn open(dir: &DataDir) -> anyhow::Result<Self> {
        let account = Account::for_postgres()?;
        let linked = dir.root().join("postgres");
        let home = match &account {
            None => {
                account::private_dir(&linked).with_context(|| format!("creating {}", linked.display()))?;
                linked
            }
            Some(account) => {
                let home = place_for(account, dir, &linked)?;
                let owned = account.own_private_dir(&home);
                owned.with_context(|| format!("giving {} to user {}", home.display(), account.name()))?;
                home
            }
        };
        Ok(Self { home, account })
    }

    /// The directory `postgres -D` wants.
    pub(super) fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The note of the port used last.
    pub(super) fn port_note(&self) -> PathBuf {
        self.home.join("port")
    }

    /// The password of [`USER`], which only root and the cluster's owner can read.
    pub(super) fn password(&self) -> anyhow::Result<String> {
        let path = self.home.join("password");
        let text = std::fs::read_to_string(&path).with_context(|| {
            let (path, home) = (path.display(), self.home.display());
            format!("reading {path}; without it the database in {home} cannot be used")
        })?;
        Ok(text.trim().to_owned())
    }

    /// A program of PostgreSQL's, to be run as the right user.
    pub(super) fn command(&self, bins: &PostgresBinaries, program: &str) -> Command {
        let mut command = Command::new(bins.program(program));
        if let Some(account) = &self.account {
            account.apply(&mut command);
        }
        // The settings of a developer's own PostgreSQL must not leak into this one.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        command.current_dir(&self.home);
        command
    }

    /// Creates the cluster with its user and database unless it exists, which takes about two seconds.
    pub(super) async fn ensure_initialised(&self, bins: &PostgresBinaries) -> anyhow::Result<()> {
        if self.data().join("PG_VERSION").exists() {
            return self.ensure_same_version(bins);
        }
        let fresh = self.home.join("data.new");
        if fresh.exists() {
            std::fs::remove_dir_all(&fresh).with_context(|| format!("removing {}", fresh.display()))?;
        }
        self.write_password()?;
        // C.UTF-8 sorts by code point like C, and knows the letters of all scripts; some systems lack it.
        if let Err(first) = self.initdb(bins, &fresh, "C.UTF-8").await {
            drop(std::fs::remove_dir_all(&fresh));
            let again = self.initdb(bins, &fresh, "C").await;
            again.map_err(|second| second.context(first))?;
        }
        self.create_database(bins, &fresh).await?;
        // Until here an interruption leaves no cluster; from here on there is a complete one.
        std::fs::rename(&fresh, self.data()).context("moving the new database cluster into place")
    }

    fn ensure_same_version(&self, bins: &PostgresBinaries) -> anyhow::Result<()> {
        let noted = std::fs::read_to_string(self.data().join("PG_VERSION")).context("reading PG_VERSION")?;
        anyhow::ensure!(
            noted.trim() == bins.major.to_string(),
            "the database in {} was made by PostgreSQL {} but {} is PostgreSQL {}; name the directory of the other \
             version's programs in SMARTCOURSE_POSTGRES_BIN, or dump and restore the data",
            self.home.display(),
            noted.trim(),
            bins.bin_dir.display(),
            bins.major
        );
        Ok(())
    }

    fn write_password(&self) -> anyhow::Result<()> {
        let doing = "writing the database password";
        let mut file = tempfile::NamedTempFile::new_in(&self.home).context(doing)?;
        writeln!(file, "{}", account::secret()?)?;
        if let Some(account) = &self.account {
            account.own(file.path())?;
        }
        // Temporary files are created with mode 0600.
        file.persist(self.home.join("password")).context(doing)?;
        Ok(())
    }

    async fn initdb(&self, bins: &PostgresBinaries, fresh: &Path, locale: &str) -> anyhow::Result<()> {
        let mut initdb = self.command(bins, "initdb");
        initdb.args(["-U", USER, "-E", "UTF8", "-A", "scram-sha-256"]);
        initdb.arg(format!("--locale={locale}")).arg("-D").arg(fresh);
        initdb.arg("--pwfile").arg(self.home.join("password"));
        let output = process::run(initdb, "").await.context("running initdb")?;
        let (status, stderr) = (output.status, String::from_utf8_lossy(&output.stderr));
        let (place, stderr) = (fresh.display(), stderr.trim());
        anyhow::ensure!(status.success(), "initdb in {place} failed ({status}): {stderr}");
        Ok(())
    }

    /// Creates the database in single-user mode: no client program is needed, which some installations lack.
    async fn create_database(&self, bins: &PostgresBinaries, fresh: &Path) -> anyhow::Result<()> {
        let mut postgres = self.command(bins, "postgres");
        postgres.args(["--single", "-D"]).arg(fresh).arg("postgres");
        let statement = format!("CREATE DATABASE {DATABASE}\n");
        let output = process::run(postgres, &statement).await;
        let output = output.context("running postgres --single")?;
        let (status, stderr) = (output.status, String::from_utf8_lossy(&output.stderr));
        let stderr = stderr.trim();
        // Single-user mode ends well even when the statement did not.
        let failed = !status.success() || stderr.contains("ERROR") || stderr.contains("FATAL");
        anyhow::ensure!(!failed, "creating the database failed ({status}): {stderr}");
        Ok(())
    }
}

/// Where the cluster of `dir` can lie so that `account` gets there: inside, else apart with a link left inside.
fn place_for(account: &Account, dir: &DataDir, linked: &Path) -> anyhow::Result<PathBuf> {
    if linked.is_symlink() {
        return std::fs::read_link(linked).with_context(|| format!("reading the link {}", linked.display()));
    }
    account::open_for_passage(dir.root()).with_context(|| format!("opening {}", dir.root().display()))?;
    if account.can_reach(dir.root()) {
        return Ok(linked.to_owned());
    }
    anyhow::ensure!(
        !linked.exists(),
        "user {}, as whom PostgreSQL has to run, cannot get to {}; make the directories above it passable \
         (chmod o+x) or move the data directory",
        account.name(),
        linked.display()
    );
    std::fs::create_dir_all(DETACHED).with_context(|| format!("creating {DETACHED}"))?;
    for above in [Path::new(DETACHED), Path::new("/var/lib/smartcourse")] {
        account::open_for_passage(above).with_context(|| format!("opening {}", above.display()))?;
    }
    // A name never used before: a data directory that was deleted and made anew must not find its old database.
    let home = tempfile::Builder::new().prefix("cluster-").tempdir_in(DETACHED);
    let home = home
        .with_context(|| format!("creating a directory in {DETACHED}"))?
        .keep();
    let noted = std::fs::write(home.join("belongs-to"), dir.root().display().to_string());
    noted.with_context(|| format!("writing in {}", home.display()))?;
    std::os::unix::fs::symlink(&home, linked).with_context(|| format!("linking {}", linked.display()))?;
    Ok(home)
}
