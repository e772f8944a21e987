//! What the child may use, and how it is told.

use std::ffi::{OsStr, OsString};
use std::io;
use std::str::FromStr;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};

/// What one extraction may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of address space; reserved memory counts, not only touched memory.
    pub address_space_bytes: u64,
    /// Seconds of processor time, over all threads.
    pub cpu_seconds: u64,
    /// Time from start to end, however busy the machine is.
    pub wall: Duration,
    /// Bytes of the answer, which is the passages with their headings as JSON.
    pub output_bytes: u64,
}

impl Default for Limits {
    /// 1 GiB, 10 s, 20 s and 12 MiB: several times what a manual of a thousand pages needs. The last is also what the
    /// smallest document store takes as one document.
    fn default() -> Self {
        Self {
            address_space_bytes: 1 << 30,
            cpu_seconds: 10,
            wall: Duration::from_secs(20),
            output_bytes: 12 << 20,
        }
    }
}

impl Limits {
    /// The limits the child sets on itself, as arguments: its environment is empty.
    pub(super) fn to_args(&self) -> [OsString; 2] {
        [
            self.address_space_bytes.to_string().into(),
            self.cpu_seconds.to_string().into(),
        ]
    }
}

/// A number among the arguments.
pub(super) fn number<T: FromStr>(argument: &OsStr) -> io::Result<T> {
    argument
        .to_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "an argument is not a number"))
}

/// Sets the limits given by [`Limits::to_args`] on this process. There is no way back: hard limits are set too.
/// Fails for an argument that is no number, and by the kernel's refusal.
pub(super) fn confine(address_space: &OsStr, cpu_seconds: &OsStr) -> io::Result<()> {
    let (space, cpu) = (number(address_space)?, number::<u64>(cpu_seconds)?);
    // The second between soft and hard limit lets the kernel say SIGXCPU first. A parser has no business
    // writing files; the answer goes through a pipe, which this does not limit.
    let limits = [
        (Resource::Core, 0, 0),
        (Resource::Fsize, 0, 0),
        (Resource::Nofile, 64, 64),
        (Resource::Cpu, cpu, cpu.saturating_add(1)),
        (Resource::As, space, space),
    ];
    for (resource, soft, hard) in limits {
        setrlimit(
            resource,
            Rlimit {
                current: Some(soft),
                maximum: Some(hard),
            },
        )?;
    }
    Ok(())
}
