//! The child's side.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{Answer, limits};
use crate::{Document, ExtractError, SourceKind, extract};

/// Stack of the extracting thread. Deeply nested but honest documents need more than the usual 2 MiB; what
/// nests without end overflows any stack.
const STACK_BYTES: usize = 64 << 20;

/// Runs one extraction and prints its answer: the body of the hidden subcommand that
/// [`Sandbox`](super::Sandbox) starts. `args` are the arguments after those in
/// [`Sandbox::args`](super::Sandbox::args), unchanged.
///
/// Call it first thing in `main`, before any runtime or thread exists: it limits the resources of the whole
/// process for good, and memory that is already reserved counts.
pub fn child_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let answer = match run(args) {
        Ok(document) => Answer::Ok(document),
        Err(error) => {
            let detail = if let ExtractError::Io(detail) = &error {
                detail.clone()
            } else {
                String::new()
            };
            Answer::Error {
                code: error.code().to_owned(),
                detail,
            }
        }
    };
    match print(&answer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(args: impl IntoIterator<Item = OsString>) -> Result<Document, ExtractError> {
    let args: Vec<OsString> = args.into_iter().collect();
    let [address_space, cpu_seconds, kind, path] = args.as_slice() else {
        return Err(ExtractError::Io(
            "the extraction process was given other arguments".to_owned(),
        ));
    };
    limits::confine(address_space, cpu_seconds)?;
    // A panic is an expected answer here; its backtrace would only cost memory.
    std::panic::set_hook(Box::new(|_| {}));
    let kind: SourceKind = kind
        .to_str()
        .and_then(|kind| kind.parse().ok())
        .ok_or_else(|| ExtractError::Io("unknown source kind".to_owned()))?;
    let path = PathBuf::from(path);
    std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || read_and_extract(kind, &path))?
        .join()
        .unwrap_or(Err(ExtractError::Crashed))
}

fn read_and_extract(kind: SourceKind, path: &Path) -> Result<Document, ExtractError> {
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::OutOfMemory => ExtractError::Limit,
        _ => ExtractError::from(error),
    })?;
    extract(kind, &bytes)
}

fn print(answer: &Answer) -> io::Result<()> {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    serde_json::to_writer(&mut stdout, answer)?;
    stdout.flush()
}
