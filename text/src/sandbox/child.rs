//! The child's side.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use super::{Answer, confinement, limits};
use crate::{Document, ExtractError, SourceKind, chunk::chunk_within_limits, extract};

/// Stack of the extracting thread. Deeply nested but honest documents need more than the usual 2 MiB; what
/// nests without end overflows any stack.
const STACK_BYTES: usize = 64 << 20;

/// The name of the task that only says what confines the child; others are named like the kind of the texts.
pub(super) const REPORT: &str = "confinement";

/// How a text is read: [`extract`], except in tests.
type Extract = fn(SourceKind, &[u8]) -> Result<Document, ExtractError>;

/// Reads texts from the standard input and prints the passages of each: the body of the hidden subcommand that
/// [`Sandbox`](super::Sandbox) starts. `args` are the arguments after those the sandbox was made with, unchanged.
///
/// Call it first thing in `main`, before any runtime or thread exists: it confines the whole process for good, and
/// memory that is already reserved counts.
pub fn child_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    run_child(args, extract)
}

/// [`child_main`] with another way to read a text, for tests that try what a parser gone astray might.
pub fn run_child(args: impl IntoIterator<Item = OsString>, extract: Extract) -> ExitCode {
    match run(args, extract).or_else(|error| print(&Answer::Text(Err(error)))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(args: impl IntoIterator<Item = OsString>, extract: Extract) -> Result<(), ExtractError> {
    let args: Vec<OsString> = args.into_iter().collect();
    let [address_space, cpu_seconds, max_words, name, lengths @ ..] = args.as_slice() else {
        let other = "the extraction process was given other arguments";
        return Err(ExtractError::Io(other.to_owned()));
    };
    limits::confine(address_space, cpu_seconds)?;
    let max_words = limits::number(max_words)?;
    let lengths = lengths.iter().map(|length| limits::number(length));
    let lengths: Vec<usize> = lengths.collect::<io::Result<_>>()?;
    // A panic is an expected answer here; its backtrace would only cost memory.
    std::panic::set_hook(Box::new(|_| {}));
    let confined = confinement::confine();
    if name == REPORT {
        return Ok(print(&Answer::Confined(confined))?);
    }
    let kind = name.to_str().and_then(|name| name.parse().ok());
    let kind = kind.ok_or_else(|| ExtractError::Io("unknown source kind".to_owned()))?;
    std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || {
            for text in split(&read(&lengths)?, &lengths) {
                // The parser's state is gone after a panic, and nothing of it is used.
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    chunk_within_limits(&extract(kind, text)?, max_words)
                }));
                print(&Answer::Text(outcome.unwrap_or(Err(ExtractError::Crashed))))?;
            }
            Ok(())
        })?
        .join()
        .unwrap_or(Err(ExtractError::Crashed))
}

/// Reads the whole input, without asking for more memory than the texts of these lengths need.
fn read(lengths: &[usize]) -> Result<Vec<u8>, ExtractError> {
    let length = lengths.iter().sum();
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| ExtractError::Limit)?;
    io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|error| match error.kind() {
            io::ErrorKind::OutOfMemory => ExtractError::Limit,
            _ => ExtractError::from(error),
        })?;
    if bytes.len() < length {
        return Err(ExtractError::Io("the input ended early".to_owned()));
    }
    Ok(bytes)
}

/// The texts of these lengths, in the order of `input`, which is long enough.
fn split<'a>(input: &'a [u8], lengths: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = input;
    lengths.iter().map(move |length| {
        let (text, after) = rest.split_at(*length);
        rest = after;
        text
    })
}

/// Prints one line at once: the answers before a text that kills the child must not die with it.
fn print(answer: &Answer) -> io::Result<()> {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    serde_json::to_writer(&mut stdout, answer)?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}
