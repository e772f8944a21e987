//! What a child cannot do, how many there are at once, and how they end.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::fs::File;
use std::io::{PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use smartcourse_text::{ExtractError, Hold, Limits, Sandbox, SourceKind};

const WORDS: usize = 150;

fn sandbox(args: &[&str]) -> Sandbox {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_text-child"));
    Sandbox::new(program, args.iter().map(Into::into).collect(), Limits::default())
}

/// A file whose end the test decides: a child that reads it waits.
fn endless() -> (File, PipeWriter) {
    let (reader, writer): (PipeReader, PipeWriter) = std::io::pipe().unwrap();
    (File::from(OwnedFd::from(reader)), writer)
}

/// How a child that was asked for passages of so many words is told from others.
fn mark(words: usize) -> String {
    format!("\0{words}\0")
}

/// Process ids of the children of this process whose arguments contain `mark`.
fn children(mark: &str) -> Vec<u32> {
    let own = std::process::id();
    let processes = std::fs::read_dir("/proc").unwrap();
    let ids = processes.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    ids.filter(|id| {
        let arguments = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        status(*id, "PPid") == Some(own.to_string()) && String::from_utf8_lossy(&arguments).contains(mark)
    })
    .collect()
}

/// A field of a process's status.
fn status(id: u32, field: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{field}:")))?;
    Some(line.trim().to_owned())
}

async fn until<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_child_gone_astray_reaches_nothing() {
    let sandbox = sandbox(&["--attempt"]);
    let confinement = sandbox.confinement().await.unwrap();
    let attempts = [
        "read", "write", "list", "udp", "tcp", "unix", "exec", "thread", "nothing", "panic",
    ];
    let mut outcomes = Vec::new();
    let each = |place: usize, outcome: Result<Vec<smartcourse_text::Chunk>, _>| {
        outcomes.push((attempts[place], outcome.map(|chunks| chunks[0].text.clone())));
    };
    sandbox
        .read_texts(SourceKind::PlainText, &attempts, WORDS, each)
        .await
        .unwrap();
    for (attempt, outcome) in outcomes {
        match attempt {
            "thread" | "nothing" => assert_eq!(outcome.as_deref(), Ok("done"), "{attempt}"),
            "panic" => assert_eq!(outcome, Err(ExtractError::Crashed)),
            _ if confinement.seccomp => assert_eq!(outcome.as_deref(), Ok("Unsupported"), "{attempt}"),
            "read" | "write" | "list" if confinement.landlock != Hold::None => {
                assert_eq!(outcome.as_deref(), Ok("PermissionDenied"), "{attempt}");
            }
            _ => println!("{attempt}: {outcome:?}, since on this machine {confinement}"),
        }
    }
}

#[tokio::test]
async fn the_report_says_what_the_kernel_says() {
    // With a file left open by what started it, as services may be given by their supervisors.
    let leaky = [
        "-c",
        "exec 9</etc/passwd; exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_text-child"),
    ];
    let sandbox = Sandbox::new("/bin/sh".into(), leaky.map(Into::into).into(), Limits::default());
    let report = sandbox.confinement().await.unwrap();
    println!("this machine: {report}");
    let (input, writer) = endless();
    let mark = mark(61);
    let reading = tokio::spawn(async move { sandbox.read_file(SourceKind::Markdown, input, 61).await });
    let fields = [
        "NoNewPrivs",
        "Seccomp",
        "Uid",
        "Gid",
        "Groups",
        "CapPrm",
        "CapEff",
    ];
    // The second thread is the one that reads, and is begun when everything holds.
    let id = until("the child reads", || {
        let id = *children(&mark).first()?;
        (status(id, "Threads")? == "2").then_some(id)
    })
    .await;
    let [privileges, filter, uid, gid, groups, permitted, effective] =
        fields.map(|field| status(id, field).unwrap());
    assert_eq!(report.no_new_privileges, privileges == "1");
    assert_eq!(report.seccomp, filter == "2");
    let uid: Vec<&str> = uid.split_whitespace().collect();
    assert_eq!(uid, vec![report.uid.to_string(); 4]);
    let own: Vec<String> = ["Uid", "Gid"]
        .map(|field| status(std::process::id(), field).unwrap())
        .into();
    if own[0].split_whitespace().nth(1) == Some("0") {
        assert_ne!(report.uid, 0);
        assert!(
            gid.split_whitespace().all(|gid| gid == report.uid.to_string()),
            "{gid}"
        );
        assert!(groups.is_empty(), "{groups}");
        let none = |capabilities: &str| capabilities.bytes().all(|digit| digit == b'0');
        assert!(none(&permitted) && none(&effective), "{permitted} {effective}");
    } else {
        println!("not started as root: the child stays this user");
        assert_eq!(uid.join("\t"), own[0]);
    }
    let open = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap();
    let mut open: Vec<_> = open.map(|open| open.unwrap().file_name()).collect();
    open.sort_unstable();
    assert_eq!(open, ["0", "1", "2"]);
    drop(writer);
    assert_eq!(reading.await.unwrap(), Err(ExtractError::Empty));
}

#[tokio::test]
async fn children_wait_for_their_turn_and_leave_it_when_they_are_given_up() {
    let sandbox = sandbox(&[]).with_children(2);
    let read = |input: File| {
        let sandbox = sandbox.clone();
        tokio::spawn(async move { sandbox.read_file(SourceKind::Markdown, input, 62).await })
    };
    let mark = mark(62);
    let mut readers = Vec::new();
    let mut writers = Vec::new();
    for _ in 0..3 {
        let (input, writer) = endless();
        readers.push(read(input));
        writers.push(writer);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    until("two children run", || (children(&mark).len() == 2).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(
        (children(&mark).len(), sandbox.available()),
        (2, 0),
        "the third waits"
    );

    // The first is given up: its child dies, and the third has its turn.
    let first = children(&mark);
    readers.remove(0).abort();
    let second = until("the third runs instead of the first", || {
        let now = children(&mark);
        (now.len() == 2 && now != first).then_some(now)
    })
    .await;
    assert_eq!(second.iter().filter(|id| first.contains(id)).count(), 1);

    drop(writers);
    for reader in readers {
        assert_eq!(reader.await.unwrap(), Err(ExtractError::Empty));
    }
    assert_eq!((children(&mark).len(), sandbox.available()), (0, 2));
}
