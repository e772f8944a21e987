//! The system calls a child may make.
//!
//! A list of what is allowed, not of what is forbidden: reading, computing and printing need few calls, and a kernel
//! gets new ones (`io_uring`) that a list of forbidden ones would not know. Everything else answers "not
//! implemented", as an older kernel would, so that the C library takes its older ways instead of failing.

use libc::{
    CLONE_THREAD, SYS_accept, SYS_accept4, SYS_acct, SYS_add_key, SYS_bind, SYS_bpf, SYS_brk, SYS_chroot,
    SYS_clock_gettime, SYS_clone, SYS_clone3, SYS_close, SYS_connect, SYS_exit, SYS_exit_group,
    SYS_finit_module, SYS_futex, SYS_getpid, SYS_getrandom, SYS_gettid, SYS_init_module, SYS_io_uring_setup,
    SYS_kexec_load, SYS_keyctl, SYS_kill, SYS_listen, SYS_madvise, SYS_mmap, SYS_mount, SYS_mprotect,
    SYS_mremap, SYS_munmap, SYS_perf_event_open, SYS_pidfd_getfd, SYS_pidfd_open, SYS_pivot_root,
    SYS_process_vm_readv, SYS_process_vm_writev, SYS_ptrace, SYS_read, SYS_reboot, SYS_request_key,
    SYS_restart_syscall, SYS_rseq, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
    SYS_sched_getaffinity, SYS_sched_yield, SYS_set_robust_list, SYS_sethostname, SYS_setns,
    SYS_settimeofday, SYS_sigaltstack, SYS_socket, SYS_socketpair, SYS_swapon, SYS_tgkill, SYS_tkill,
    SYS_umount2, SYS_unshare, SYS_userfaultfd, SYS_write, SYS_writev,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// What is allowed whatever the arguments. None of them opens, creates or reaches anything.
const ALLOWED: [libc::c_long; 26] = [
    // Open streams.
    SYS_read,
    SYS_write,
    SYS_writev,
    SYS_close,
    // Memory.
    SYS_brk,
    SYS_madvise,
    SYS_mmap,
    SYS_mprotect,
    SYS_mremap,
    SYS_munmap,
    // Threads.
    SYS_futex,
    SYS_gettid,
    SYS_getpid,
    SYS_rseq,
    SYS_sched_getaffinity,
    SYS_sched_yield,
    SYS_set_robust_list,
    // Signals: the standard library tells a stack overflow, and aborts.
    SYS_restart_syscall,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    // Time and chance.
    SYS_clock_gettime,
    SYS_getrandom,
    // The end.
    SYS_exit,
    SYS_exit_group,
];

/// Filters the system calls of this thread and those it will start.
/// Fails when the kernel has no seccomp, or seccompiler does not know this machine's architecture.
pub(super) fn filter() -> Result<(), seccompiler::Error> {
    let mut rules: std::collections::BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.into_iter().map(|call| (call, Vec::new())).collect();
    // A thread, but no process. The arguments of `clone3` cannot be seen; without it the C library uses this.
    let thread = CLONE_THREAD as u64;
    rules.insert(SYS_clone, vec![argument(SeccompCmpOp::MaskedEq(thread), thread)?]);
    // A signal to itself: that is how a process aborts.
    let own = u64::from(std::process::id());
    rules.insert(SYS_tgkill, vec![argument(SeccompCmpOp::Eq, own)?]);
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::ENOSYS as u32),
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)
}

/// What a program of others needs for no picture and no recording: other processes, the network, and what changes the
/// machine. Which calls it does need is its own affair, and another's with its next version.
const NOT_FOR_TOOLS: [libc::c_long; 36] = [
    // The network, and sockets of other processes.
    SYS_socket,
    SYS_socketpair,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_io_uring_setup,
    // Other processes. The arguments of `clone3` cannot be seen; without it the C library uses `clone`.
    SYS_clone3,
    SYS_kill,
    SYS_tkill,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_open,
    SYS_pidfd_getfd,
    SYS_setns,
    SYS_unshare,
    // The machine.
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_init_module,
    SYS_finit_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_sethostname,
    SYS_settimeofday,
    SYS_acct,
];

/// Keeps a program that is started next from processes, the network and the machine; the rest it may.
pub(super) fn filter_tool() -> Result<(), seccompiler::Error> {
    let mut rules: std::collections::BTreeMap<i64, Vec<SeccompRule>> =
        NOT_FOR_TOOLS.into_iter().map(|call| (call, Vec::new())).collect();
    #[cfg(target_arch = "x86_64")]
    rules.extend([(libc::SYS_fork, Vec::new()), (libc::SYS_vfork, Vec::new())]);
    // A process, but no thread.
    let thread = CLONE_THREAD as u64;
    rules.insert(SYS_clone, vec![argument(SeccompCmpOp::MaskedEq(thread), 0)?]);
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS as u32),
        std::env::consts::ARCH.try_into()?,
    )?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)
}

/// Tells a call by its first argument.
fn argument(operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::Error> {
    let condition = SeccompCondition::new(0, SeccompCmpArgLen::Qword, operator, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    /// What a thread with a filter can do: how a file, a socket and a process fail, if they do, and what a thread answers.
    /// The kernel keeps filters for each thread, so a test can have one.
    fn tried(
        filter: impl FnOnce() + Send + 'static,
    ) -> (Option<ErrorKind>, Option<ErrorKind>, Option<ErrorKind>, i32) {
        let tried = std::thread::spawn(|| {
            filter();
            let file = std::fs::read("/etc/passwd").map_err(|error| error.kind());
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").map_err(|error| error.kind());
            let process = std::process::Command::new("/bin/true")
                .status()
                .map_err(|error| error.kind());
            let thread = std::thread::spawn(|| 1).join().unwrap();
            (file.err(), socket.err(), process.err(), thread)
        });
        tried.join().unwrap()
    }

    const REFUSED: Option<ErrorKind> = Some(ErrorKind::Unsupported);

    #[test]
    fn the_filter_alone_refuses_files_sockets_and_processes_but_no_threads() {
        assert_eq!(tried(|| filter().unwrap()), (REFUSED, REFUSED, REFUSED, 1));
    }

    #[test]
    fn the_filter_of_tools_refuses_sockets_and_processes_but_no_files_and_threads() {
        assert_eq!(tried(|| filter_tool().unwrap()), (None, REFUSED, REFUSED, 1));
    }
}
