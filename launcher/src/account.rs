//! The user PostgreSQL runs as, since it refuses to run as root.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;
use data_encoding::HEXLOWER;
use nix::unistd::User;

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A user of this machine without privileges.
#[derive(Clone, Debug)]
pub(crate) struct Account(User);

impl Account {
    /// The account PostgreSQL has to run as: `None` when we are not root and it simply runs as us.
    pub(crate) fn for_postgres() -> anyhow::Result<Option<Self>> {
        if !is_root() {
            return Ok(None);
        }
        let found = ["postgres", "nobody"]
            .into_iter()
            .filter_map(|name| User::from_name(name).ok().flatten())
            .find(|user| !user.uid.is_root());
        found.map(|user| Some(Self(user))).context(
            "PostgreSQL refuses to run as root and this machine has neither a user `postgres` nor a user `nobody`; \
             create one (useradd --system postgres) or run SmartCourse as an ordinary user",
        )
    }

    /// The name, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// Makes `command` run as this account. The standard library drops root's supplementary groups with it.
    pub(crate) fn apply(&self, command: &mut Command) {
        command.uid(self.0.uid.as_raw()).gid(self.0.gid.as_raw());
    }

    /// Whether this account may pass through, or execute, `path`. Asked of the kernel rather than worked out from
    /// mode bits, which say nothing about access lists and security modules.
    pub(crate) fn can_reach(&self, path: &Path) -> bool {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "test -x \"$1\"", "sh"])
            .arg(path)
            .current_dir("/");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.apply(&mut command);
        command.status().is_ok_and(|status| status.success())
    }

    /// Creates `path` if needed and gives it to this account, closed to everybody else.
    pub(crate) fn own_private_dir(&self, path: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(path)?;
        self.own(path)?;
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o700))
    }

    /// Gives a file or directory to this account.
    pub(crate) fn own(&self, path: &Path) -> std::io::Result<()> {
        std::os::unix::fs::chown(path, Some(self.0.uid.as_raw()), Some(self.0.gid.as_raw()))
    }
}

/// Creates `dir` if needed and closes it to all others, provided that it is ours.
pub(crate) fn private_dir(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let meta = std::fs::metadata(dir)?;
    if meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o077 != 0 {
        std::fs::set_permissions(dir, PermissionsExt::from_mode(0o700))?;
    }
    Ok(())
}

/// Lets other users pass through a directory (not list it), provided that it is ours.
pub(crate) fn open_for_passage(dir: &Path) -> std::io::Result<()> {
    let meta = std::fs::metadata(dir)?;
    if meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o011 != 0o011 {
        std::fs::set_permissions(dir, PermissionsExt::from_mode(meta.mode() | 0o011))?;
    }
    Ok(())
}

/// A password nobody can guess: 48 hexadecimal digits.
pub(crate) fn secret() -> anyhow::Result<String> {
    let mut random = [0_u8; 24];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut random))
        .context("reading /dev/urandom for a password")?;
    Ok(HEXLOWER.encode(&random))
}

/// The secret of whoever has this directory, which only they can read, made once.
pub(crate) fn kept_secret(home: &Path) -> anyhow::Result<String> {
    let path = home.join("secret");
    if let Ok(secret) = std::fs::read_to_string(&path) {
        return Ok(secret);
    }
    let secret = secret()?;
    std::fs::write(&path, &secret).with_context(|| format!("writing {}", path.display()))?;
    Ok(secret)
}
