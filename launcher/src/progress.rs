//! What a person sees while things are being set up.
//!
//! On a terminal every step is a spinner with its elapsed time. Without one (a log file, a pipe, a CI job) steps are
//! plain lines on standard error, with a sign of life every minute so that a long installation is not taken for a hang.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

/// How often a long step says that it is still at work when there is no terminal.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

/// Where set-up progress is shown. Cheap to clone; clones share the terminal.
#[derive(Clone, Debug)]
pub struct Progress(Mode);

#[derive(Clone, Debug)]
enum Mode {
    Terminal(MultiProgress),
    Plain,
    Silent,
}

impl Progress {
    /// Spinners when standard error is a terminal, plain lines otherwise.
    pub fn auto() -> Self {
        match std::io::stderr().is_terminal() {
            true => Self(Mode::Terminal(MultiProgress::new())),
            false => Self::plain(),
        }
    }

    /// Plain lines on standard error, terminal or not.
    pub fn plain() -> Self {
        Self(Mode::Plain)
    }

    /// Shows nothing.
    pub fn silent() -> Self {
        Self(Mode::Silent)
    }

    /// One line of its own.
    pub fn note(&self, text: &str) {
        match &self.0 {
            // With nowhere to draw there is nobody to tell.
            Mode::Terminal(bars) => drop(bars.println(format!("setup: {text}"))),
            Mode::Plain => eprintln!("setup: {text}"),
            Mode::Silent => {}
        }
    }

    /// Begins a step that takes a while, inside a Tokio runtime; `what` is like "installing X with Y (about 2 minutes)".
    /// Dropping the step without [`Step::done`] removes its spinner.
    pub fn step(&self, what: impl Into<Cow<'static, str>>) -> Step {
        let what = what.into();
        let started = Instant::now();
        let mut step = Step {
            progress: self.clone(),
            what,
            started,
            bar: None,
            ticker: None,
        };
        match &self.0 {
            Mode::Terminal(bars) => step.bar = Some(spinner(bars, &step.what)),
            Mode::Plain => {
                eprintln!("setup: {}…", step.what);
                step.ticker = Some(tokio::spawn(signs_of_life(step.what.clone(), started)));
            }
            Mode::Silent => {}
        }
        step
    }
}

fn spinner(bars: &MultiProgress, what: &str) -> ProgressBar {
    let bar = bars.add(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}") {
        bar.set_style(style);
    }
    bar.set_message(format!("{what}…"));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

async fn signs_of_life(what: Cow<'static, str>, started: Instant) {
    loop {
        tokio::time::sleep(SIGN_OF_LIFE).await;
        eprintln!("setup: {what}… still working, {} s", started.elapsed().as_secs());
    }
}

/// A step under way; see [`Progress::step`].
#[derive(Debug)]
pub struct Step {
    progress: Progress,
    what: Cow<'static, str>,
    started: Instant,
    bar: Option<ProgressBar>,
    ticker: Option<JoinHandle<()>>,
}

impl Step {
    /// The step has ended well.
    pub fn done(self) {
        let seconds = self.started.elapsed().as_secs();
        let (progress, what) = (self.progress.clone(), self.what.clone());
        // The spinner goes first, or its last frame would stay above the line.
        drop(self);
        progress.note(&format!("{what}… done in {seconds} s"));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(ticker) = self.ticker.take() {
            ticker.abort();
        }
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
