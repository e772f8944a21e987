//! The limited child process by itself, for this crate's tests. The product's executable calls
//! [`smartcourse_text::child_main`] from a hidden subcommand instead.

use std::process::{Command, ExitCode};

use smartcourse_text::{Document, ExtractError, SourceKind};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|first| first == "--attempt").is_some() {
        return smartcourse_text::run_child(args, attempt);
    }
    smartcourse_text::child_main(args)
}

/// Does what the text says instead of reading it, as a parser might that a file has taken over.
fn attempt(_: SourceKind, text: &[u8]) -> Result<Document, ExtractError> {
    let outcome = match String::from_utf8_lossy(text).as_ref() {
        "read" => std::fs::read("/etc/passwd").map(drop),
        "write" => std::fs::write("/tmp/smartcourse-text-child", "x"),
        "list" => std::fs::read_dir("/").map(drop),
        "udp" => std::net::UdpSocket::bind("127.0.0.1:0").map(drop),
        "tcp" => std::net::TcpStream::connect("127.0.0.1:1").map(drop),
        "unix" => std::os::unix::net::UnixStream::pair().map(drop),
        "exec" => Command::new("/bin/true").status().map(drop),
        "panic" => panic!("as asked"),
        "abort" => std::process::abort(),
        "allocate" => {
            std::hint::black_box(vec![1_u8; 2 << 30]);
            Ok(())
        }
        "thread" => std::thread::Builder::new().spawn(|| {}).map(drop),
        _ => Ok(()),
    };
    let text = outcome.map_or_else(|error| format!("{:?}", error.kind()), |()| "done".to_owned());
    Ok(Document {
        text,
        anchors: Vec::new(),
    })
}
