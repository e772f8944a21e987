//! The child's side.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode};

use super::{Answer, confinement, limits};
use crate::{Document, ExtractError, SourceKind, chunk::chunk_within_limits, extract, extract::pdf_picture};

/// Stack of the extracting thread. Deeply nested but honest documents need more than the usual 2 MiB; what
/// nests without end overflows any stack.
const STACK_BYTES: usize = 64 << 20;

/// The name of the task that only says what confines the child; others are named like the kind of the texts.
pub(super) const REPORT: &str = "confinement";

/// The name of the task that becomes a program of others, whose path and arguments follow.
pub(super) const TOOL: &str = "tool";

/// The name of the task that prints the picture of a page of a PDF, whose number is in the place of the words.
pub(super) const PICTURE: &str = "picture";

/// How a child leaves that could not become the program it was told to.
pub(super) const NO_SUCH_TOOL: u8 = 113;

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
    let args: Vec<OsString> = args.into_iter().collect();
    if let [address_space, cpu_seconds, _, name, program, args @ ..] = args.as_slice()
        && name == TOOL
    {
        let limited = limits::confine(address_space, cpu_seconds);
        return match limited {
            Ok(()) => become_tool(program, args),
            Err(_) => ExitCode::FAILURE,
        };
    }
    match run(&args, extract).or_else(|error| print(&Answer::Text(Err(error)))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Becomes a program of others, which can do no more than read itself, what it is made of and its input.
fn become_tool(program: &OsStr, args: &[OsString]) -> ExitCode {
    confinement::confine_tool();
    // It comes back only if the program cannot be started.
    let _ = Command::new(program)
        .args(args)
        .env_clear()
        // One thread, like everything else here: the others would share the same limit of processor time.
        .env("OMP_THREAD_LIMIT", "1")
        .exec();
    ExitCode::from(NO_SUCH_TOOL)
}

fn run(args: &[OsString], extract: Extract) -> Result<(), ExtractError> {
    let [address_space, cpu_seconds, max_words, name, lengths @ ..] = args else {
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
    if name == PICTURE {
        let page = max_words;
        return on_large_stack(move || {
            let bytes = read(&lengths)?;
            let picture = catch_unwind(AssertUnwindSafe(|| pdf_picture(&bytes, page)));
            let picture = picture.unwrap_or(Err(ExtractError::Crashed))?;
            print(&Answer::Picture(picture.as_ref().map(Vec::len)))?;
            Ok(io::stdout().lock().write_all(&picture.unwrap_or_default())?)
        });
    }
    let kind = name.to_str().and_then(|name| name.parse().ok());
    let kind = kind.ok_or_else(|| ExtractError::Io("unknown source kind".to_owned()))?;
    on_large_stack(move || {
        for text in split(&read(&lengths)?, &lengths) {
            // The parser's state is gone after a panic, and nothing of it is used.
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                chunk_within_limits(&extract(kind, text)?, max_words)
            }));
            print(&Answer::Text(outcome.unwrap_or(Err(ExtractError::Crashed))))?;
        }
        Ok(())
    })
}

/// Does this on a thread with the stack that honest documents need.
fn on_large_stack(
    work: impl FnOnce() -> Result<(), ExtractError> + Send + 'static,
) -> Result<(), ExtractError> {
    std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(work)?
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
