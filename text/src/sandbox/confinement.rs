//! What the child gives up before it reads a byte, beside the resources.
//!
//! Everything here goes as far as the kernel has it: an older one must not make a course unpublishable. What holds is
//! in the [`Confinement`], which the service logs at its start and `smartcourse doctor` shows.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far a wall holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// All that this version knows of.
    Full,
    /// What an older kernel has of it.
    Part,
    /// Not at all.
    None,
}

/// What confines a child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Number of the user it runs as.
    pub uid: u32,
    /// Programs it might start would have no more rights than it has.
    pub no_new_privileges: bool,
    /// Landlock: no file system, no TCP, no signals and no sockets of other processes.
    pub landlock: Hold,
    /// Seccomp: only the system calls that computing needs.
    pub seccomp: bool,
}

impl Confinement {
    /// What does not hold, in words; empty when everything does.
    pub fn missing(&self) -> Vec<&'static str> {
        let parts = [
            (self.uid == 0, "it runs as root"),
            (!self.no_new_privileges, "it may gain privileges"),
            (
                self.landlock == Hold::Part,
                "the kernel has only a part of Landlock",
            ),
            (self.landlock == Hold::None, "the kernel has no Landlock"),
            (!self.seccomp, "system calls are not filtered"),
        ];
        parts
            .into_iter()
            .filter_map(|(missing, words)| missing.then_some(words))
            .collect()
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user {}", self.uid)?;
        let parts = [
            (self.no_new_privileges, "no new privileges"),
            (self.landlock == Hold::Full, "Landlock"),
            (self.seccomp, "seccomp"),
        ];
        for (_, words) in parts.into_iter().filter(|(holds, _)| *holds) {
            write!(f, ", {words}")?;
        }
        let missing = self.missing();
        if missing.is_empty() {
            Ok(())
        } else {
            write!(f, "; but {}", missing.join(", "))
        }
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::{OF_TOOLS, confine, confine_tool};

/// Other systems have nothing of it.
#[cfg(not(target_os = "linux"))]
pub(super) fn confine() -> Confinement {
    Confinement {
        uid: rustix::process::geteuid().as_raw(),
        no_new_privileges: false,
        landlock: Hold::None,
        seccomp: false,
    }
}

/// Other systems have nothing of it.
#[cfg(not(target_os = "linux"))]
pub(super) fn confine_tool() {}

/// Any place is as good as another.
#[cfg(not(target_os = "linux"))]
pub(super) const OF_TOOLS: [&str; 1] = ["/"];

#[cfg(target_os = "linux")]
mod linux {
    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
        RulesetError, RulesetStatus, Scope, path_beneath_rules,
    };
    use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

    use super::{Confinement, Hold};
    use crate::sandbox::syscalls;

    /// User and group of a child whose parent is root. Between the numbers of users that systems give out and
    /// `nobody`, which is shared with others: no account, no file and no other process has it. Below 65,536, so
    /// that a container with a map of users of its own has it too.
    const USER: u32 = 65_530;

    /// The newest Landlock this version makes use of.
    const LANDLOCK: ABI = ABI::V6;

    /// Gives up everything but the open standard streams, for good. Call it while there is one thread: the kernel
    /// keeps these for each thread, and later ones inherit them.
    pub(in crate::sandbox) fn confine() -> Confinement {
        close_inherited();
        if Uid::effective().is_root() {
            // A root that may not change its user has lost root's rights already. The report says so.
            let _ = leave_root();
        }
        let no_new_privileges = nix::sys::prctl::set_no_new_privs().is_ok();
        let landlock = leave_files().unwrap_or(Hold::None);
        Confinement {
            uid: Uid::effective().as_raw(),
            no_new_privileges,
            landlock,
            seccomp: syscalls::filter().is_ok(),
        }
    }

    /// Where programs, their libraries and their data are, and the input.
    pub(in crate::sandbox) const OF_TOOLS: [&str; 8] = [
        "/usr",
        "/bin",
        "/lib",
        "/lib64",
        "/opt",
        "/nix/store",
        "/etc/ld.so.cache",
        "/proc/self/fd/0",
    ];

    /// [`confine`] for a program of others that is started next: it can read and start what is installed on this
    /// machine, and read its input again from the beginning; it can write nothing, reach nobody and start no process
    /// beside itself. Each part holds by itself where another one does not.
    pub(in crate::sandbox) fn confine_tool() {
        close_inherited();
        if Uid::effective().is_root() {
            // The file has no name, so nobody else can open it.
            let _ = nix::sys::stat::fchmod(std::io::stdin(), nix::sys::stat::Mode::from_bits_truncate(0o444));
            let _ = leave_root();
        }
        let _ = nix::sys::prctl::set_no_new_privs();
        let _ = leave_files_but(&OF_TOOLS);
        let _ = syscalls::filter_tool();
    }

    /// Closes what the parent's parents left open: whatever the parent opened itself closed with the start of the
    /// child's program.
    fn close_inherited() {
        let Ok(open) = std::fs::read_dir("/proc/self/fd") else {
            return;
        };
        let open: Vec<i32> = open
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|descriptor| *descriptor > 2)
            .collect();
        for descriptor in open {
            // The one the list was read from is closed already.
            let _ = nix::unistd::close(descriptor);
        }
    }

    fn leave_root() -> nix::Result<()> {
        let (user, group) = (Uid::from_raw(USER), Gid::from_raw(USER));
        // Namespaces of users may forbid it, and the user can change all the same.
        let _ = setgroups(&[]);
        setresgid(group, group, group)?;
        setresuid(user, user, user)
    }

    /// Handles every right without granting any: what is open stays usable, nothing else can be reached.
    pub(super) fn leave_files() -> Result<Hold, RulesetError> {
        leave_files_but(&[])
    }

    /// The same, but what is at these places may be read and started.
    pub(super) fn leave_files_but(places: &[&str]) -> Result<Hold, RulesetError> {
        // An input that is a pipe is in no file system: it stays usable as it is open, and a rule for it would be refused, and
        // with it all the others.
        let in_a_file_system =
            |place: &&&str| std::fs::metadata(place).is_ok_and(|found| found.is_file() || found.is_dir());
        let places = places.iter().filter(in_a_file_system);
        let status = Ruleset::default()
            .handle_access(AccessFs::from_all(LANDLOCK))?
            .handle_access(AccessNet::from_all(LANDLOCK))?
            .scope(Scope::from_all(LANDLOCK))?
            .create()?
            .add_rules(path_beneath_rules(places, AccessFs::from_read(LANDLOCK)))?
            .restrict_self()?;
        Ok(match status.ruleset {
            RulesetStatus::FullyEnforced => Hold::Full,
            RulesetStatus::PartiallyEnforced => Hold::Part,
            RulesetStatus::NotEnforced => Hold::None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_what_is_missing() {
        let all = Confinement {
            uid: 1000,
            no_new_privileges: true,
            landlock: Hold::Full,
            seccomp: true,
        };
        assert_eq!(all.to_string(), "user 1000, no new privileges, Landlock, seccomp");
        let some = Confinement {
            uid: 0,
            landlock: Hold::None,
            ..all
        };
        assert_eq!(
            some.to_string(),
            "user 0, no new privileges, seccomp; but it runs as root, the kernel has no Landlock"
        );
    }

    /// Landlock by itself; the kernel keeps it for each thread, so a test can have it.
    #[cfg(target_os = "linux")]
    #[test]
    fn landlock_alone_keeps_files_and_connections_out() {
        let tried = std::thread::spawn(|| {
            let hold = linux::leave_files().unwrap();
            let refused = std::fs::read("/etc/passwd").map_err(|error| error.kind());
            (hold, refused)
        });
        let (hold, refused) = tried.join().unwrap();
        match hold {
            Hold::None => println!("this kernel has no Landlock"),
            _ => assert_eq!(refused, Err(std::io::ErrorKind::PermissionDenied)),
        }
    }

    /// What a program of others is left with.
    #[cfg(target_os = "linux")]
    #[test]
    fn tools_can_read_what_they_are_made_of_and_nothing_else() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let place = file.path().to_owned();
        let tried = std::thread::spawn(move || {
            let hold = linux::leave_files_but(&OF_TOOLS).unwrap();
            let write = std::fs::OpenOptions::new().append(true).open(place);
            let read = std::fs::read("/etc/passwd");
            (
                hold,
                std::fs::read("/usr/bin/env").is_ok(),
                read.map_err(|error| error.kind()).err(),
                write.map_err(|error| error.kind()).err(),
            )
        });
        let refused = Some(std::io::ErrorKind::PermissionDenied);
        match tried.join().unwrap() {
            (Hold::None, ..) => println!("this kernel has no Landlock"),
            (_, installed, other, write) => assert_eq!((installed, other, write), (true, refused, refused)),
        }
    }
}
