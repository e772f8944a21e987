//! Extraction in a child process that cannot take its parent down.

mod capacity;
mod child;
mod confinement;
mod limits;
mod pictures;
mod recordings;
#[cfg(target_os = "linux")]
mod syscalls;
mod tools;

use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, Command};
use tokio::sync::Semaphore;

pub use child::{child_main, run_child};
pub use confinement::{Confinement, Hold};
pub use limits::Limits;
pub use recordings::SOUND_RATE;
pub use tools::Tools;

use crate::{Chunk, ExtractError, SourceKind};

/// Bytes of the child's standard error that are kept to tell its ends apart.
const STDERR_BYTES: u64 = 16 << 10;

/// What one child is given of many texts: as much as fits into one request, so that a draft is one child. The
/// number keeps the arguments short.
const BATCH_BYTES: usize = 4 << 20;
const BATCH_TEXTS: usize = 500;

/// What the child prints for each text, as one line of JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// The text's passages, or why it has none.
    Text(Result<Vec<Chunk>, ExtractError>),
    /// What confines the child, instead of a text.
    Confined(Confinement),
    /// The bytes of the picture that follows the line, or that the page has none.
    Picture(Option<usize>),
}

/// What a child is to do.
enum Task<'a> {
    /// Read the open file.
    File(File),
    /// Read these texts one after the other.
    Texts(&'a [&'a str]),
    /// Say what confines it.
    Report,
}

/// Where texts of others are parsed: [`child_main`], usually of this very executable with a hidden subcommand.
/// Clones share the number of children at once.
#[derive(Clone, Debug)]
pub struct Sandbox {
    program: PathBuf,
    args: Vec<OsString>,
    limits: Limits,
    tools: Tools,
    permits: Arc<Semaphore>,
}

/// How a child ended.
struct Ended {
    /// What it printed.
    output: Vec<u8>,
    /// How it left, if it did so by itself and in time.
    status: Option<ExitStatus>,
    /// What it died of, should it have printed too little.
    death: ExtractError,
}

impl Sandbox {
    /// A sandbox whose children run `program` with `args` before [`child_main`]'s own, as many at once as memory
    /// allows now. No [`Tools`] are used.
    pub fn new(program: PathBuf, args: Vec<OsString>, limits: Limits) -> Self {
        let children = capacity::children(limits.address_space_bytes);
        Self {
            program,
            args,
            limits,
            tools: Tools::default(),
            permits: Arc::new(Semaphore::new(children)),
        }
    }

    /// The same with these programs for what is no text by itself.
    #[must_use]
    pub fn with_tools(self, tools: Tools) -> Self {
        Self { tools, ..self }
    }

    /// The same with at most `children` at once.
    #[must_use]
    pub fn with_children(self, children: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(children.max(1))),
            ..self
        }
    }

    /// The programs it has for what is no text by itself.
    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// How many more children may run now.
    pub fn available(&self) -> usize {
        self.permits.available_permits()
    }

    /// The passages of at most `max_words` words of `file`, from where it stands, read as `kind` in a child process
    /// with an empty environment, its own process group, [`Limits`] and [`Confinement`]. The child's only input is
    /// the open file. It waits for its turn, and dies with the returned future.
    ///
    /// # Errors
    /// What [`extract`](crate::extract) reports, and the ways a child can die: [`ExtractError::Crashed`],
    /// [`ExtractError::TimedOut`], [`ExtractError::Limit`]. [`ExtractError::Io`] when the child cannot be run or
    /// cannot read the file.
    pub async fn read_file(
        &self,
        kind: SourceKind,
        file: File,
        max_words: usize,
    ) -> Result<Vec<Chunk>, ExtractError> {
        let (mut answers, end) = self.run(kind.as_str(), max_words, Task::File(file)).await?;
        answers.pop().map_or(Err(end), passages)
    }

    /// The passages of `file` as [`read_file`](Self::read_file) gives them, and those of pictures, scans and recordings by
    /// the [`Tools`] that are there. `language` (BCP 47) is the one the text is most likely in.
    ///
    /// # Errors
    /// As [`read_file`](Self::read_file), and [`ExtractError::NoRecognition`] and [`ExtractError::NoTrack`].
    pub async fn read_any(
        &self,
        kind: SourceKind,
        file: File,
        max_words: usize,
        language: Option<&str>,
    ) -> Result<Vec<Chunk>, ExtractError> {
        match kind {
            SourceKind::Image => self.read_image(file, max_words, language).await,
            SourceKind::Recording => self.read_recording(file, max_words, language).await,
            SourceKind::Pdf => match self.read_file(kind, file.try_clone()?, max_words).await {
                Err(ExtractError::NoTextLayer) => self.read_scan(file, max_words, language).await,
                outcome => outcome,
            },
            _ => self.read_file(kind, file, max_words).await,
        }
    }

    /// The passages of many texts, in as few children as sensible. `each` is given the place of a text and its
    /// outcome, in order, as soon as its child has ended: what one child may answer is all that is ever held.
    ///
    /// # Errors
    /// Only [`ExtractError::Io`]; everything else is the outcome of a text.
    pub async fn read_texts(
        &self,
        kind: SourceKind,
        texts: &[&str],
        max_words: usize,
        mut each: impl FnMut(usize, Result<Vec<Chunk>, ExtractError>),
    ) -> Result<(), ExtractError> {
        let mut done = 0;
        while done < texts.len() {
            let batch = &texts[done..done + batch(&texts[done..])];
            let (answers, end) = self.run(kind.as_str(), max_words, Task::Texts(batch)).await?;
            let first = done;
            for answer in answers {
                match passages(answer) {
                    Err(error) if error.is_retryable() => return Err(error),
                    outcome => each(done, outcome),
                }
                done += 1;
            }
            // The first text of a child has killed it alone. A later one may have met limits that others had used
            // up: it comes first in the next child.
            if done == first {
                if end.is_retryable() {
                    return Err(end);
                }
                each(done, Err(end));
                done += 1;
            }
        }
        Ok(())
    }

    /// What confines a child on this machine, as one says that has just confined itself.
    ///
    /// # Errors
    /// [`ExtractError::Io`] when the child cannot be run, or what else it died of.
    pub async fn confinement(&self) -> Result<Confinement, ExtractError> {
        let (mut answers, end) = self.run(child::REPORT, 0, Task::Report).await?;
        match answers.pop() {
            Some(Answer::Confined(confinement)) => Ok(confinement),
            Some(answer) => Err(passages(answer).err().unwrap_or(ExtractError::Crashed)),
            None => Err(end),
        }
    }

    /// Runs one child. Its answers are those of the first texts; when they are fewer than the texts, the error says
    /// what the child died of at the next one.
    async fn run(
        &self,
        name: &str,
        max_words: usize,
        task: Task<'_>,
    ) -> Result<(Vec<Answer>, ExtractError), ExtractError> {
        let mut args: Vec<OsString> = vec![max_words.to_string().into(), name.into()];
        let mut texts: &[&str] = &[];
        let stdin = match task {
            Task::File(file) => {
                args.push(file.metadata()?.len().to_string().into());
                file.into()
            }
            Task::Texts(batch) => {
                args.extend(batch.iter().map(|text| text.len().to_string().into()));
                texts = batch;
                Stdio::piped()
            }
            Task::Report => Stdio::null(),
        };
        let ended = self.child(args, stdin, texts).await?;
        // Megabytes of JSON take longer than the reactor's threads should be kept from others.
        let answers = tokio::task::spawn_blocking(move || answers(&ended.output)).await;
        Ok((answers.map_err(|_| ExtractError::Crashed)?, ended.death))
    }

    /// Runs one child with these arguments after its limits, gives it `stdin` or these texts, and keeps what it prints.
    async fn child(&self, args: Vec<OsString>, stdin: Stdio, texts: &[&str]) -> Result<Ended, ExtractError> {
        // Never closed, so this only ever waits. Whoever waits does not use up the child's time.
        let _place = self.permits.acquire().await;
        let mut command = Command::new(&self.program);
        command.args(&self.args).args(self.limits.to_args()).args(args);
        let mut child = command
            .env_clear()
            .current_dir("/")
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (mut output, mut noise) = (Vec::new(), Vec::new());
        // One byte more than allowed tells a full answer from one that was cut.
        let cap = self.limits.output_bytes + 1;
        let finished = async {
            tokio::try_join!(
                feed(stdin, texts),
                read_capped(stdout, cap, &mut output, true),
                read_capped(stderr, STDERR_BYTES, &mut noise, false)
            )?;
            Ok::<_, ExtractError>(child.wait().await?)
        };
        let outcome = tokio::time::timeout(self.limits.wall, finished).await;
        // A child that ran out of time is still running; its corpse must not stay behind.
        if !matches!(outcome, Ok(Ok(_))) {
            child.kill().await?;
        }
        let is_cut = output.len() as u64 == cap;
        let (death, status) = match outcome {
            Err(_) => (ExtractError::TimedOut, None),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(_)) if is_cut => (ExtractError::Limit, None),
            Ok(Ok(status)) => (death(status, &noise), Some(status)),
        };
        Ok(Ended {
            output,
            status,
            death,
        })
    }
}

/// How many of `texts`, at least one, the next child is given.
fn batch(texts: &[&str]) -> usize {
    let mut bytes = 0_usize;
    let fitting = texts.iter().take(BATCH_TEXTS).take_while(|text| {
        bytes += text.len();
        bytes <= BATCH_BYTES
    });
    fitting.count().max(1)
}

/// The complete lines of a child's output; what is no answer ends them.
fn answers(output: &[u8]) -> Vec<Answer> {
    output
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.ends_with(b"\n"))
        .map_while(|line| serde_json::from_slice(line).ok())
        .collect()
}

/// What a child answered for a text.
fn passages(answer: Answer) -> Result<Vec<Chunk>, ExtractError> {
    match answer {
        Answer::Text(outcome) => outcome,
        Answer::Confined(_) | Answer::Picture(_) => Err(ExtractError::Crashed),
    }
}

/// Writes the texts to the child. One that is gone already has said so by its end.
async fn feed(stdin: Option<ChildStdin>, texts: &[&str]) -> Result<(), ExtractError> {
    let Some(mut stdin) = stdin else { return Ok(()) };
    for text in texts {
        match stdin.write_all(text.as_bytes()).await {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
            outcome => outcome?,
        }
    }
    Ok(())
}

/// Reads `stream` up to `cap` bytes. If it should `stop` there the rest stays unread; otherwise it is thrown
/// away, so that the writer is not blocked.
async fn read_capped(
    stream: Option<impl AsyncRead + Unpin>,
    cap: u64,
    bytes: &mut Vec<u8>,
    stop: bool,
) -> Result<(), ExtractError> {
    if let Some(mut stream) = stream {
        (&mut stream).take(cap).read_to_end(bytes).await?;
        if !stop {
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
        }
    }
    Ok(())
}

/// Why a child that gave too few answers ended.
fn death(status: ExitStatus, stderr: &[u8]) -> ExtractError {
    let is = |signal: Signal| status.signal() == Some(signal.as_raw());
    // The standard library's message; it aborts like a crash does.
    let out_of_memory = String::from_utf8_lossy(stderr).contains("memory allocation of");
    if is(Signal::XCPU) || is(Signal::KILL) {
        // The kernel sends the first at the soft limit of processor time and the second at the hard one.
        ExtractError::TimedOut
    } else if out_of_memory || is(Signal::XFSZ) {
        ExtractError::Limit
    } else if status.signal().is_some() {
        ExtractError::Crashed
    } else {
        // No answer and no signal: whatever ran was not `child_main`.
        ExtractError::Io(format!(
            "the extraction process ended with {status} and no answer"
        ))
    }
}
