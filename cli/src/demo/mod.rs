//! `smartcourse demo`: the whole story on this machine, from set-up to cited answers and a certificate.

mod client;
mod course;
mod learning;
mod stepper;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use smartcourse_platform::lifecycle::Lifecycle;
use smartcourse_proto::{assistant::Answer, course::PublishState, json::timestamp::to_time};

use crate::stack::{self, Stack};
use client::Client;

/// Arguments of `demo`.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "DemoArgs")]
pub(crate) struct Args {
    #[command(flatten)]
    stack: stack::Args,
    /// Tell it on a platform that runs already, such as http://127.0.0.1:8080, instead of starting one.
    #[arg(long, conflicts_with_all = ["port", "stack", "exit"])]
    gateway: Option<String>,
    /// End after the run instead of serving on.
    #[arg(long)]
    exit: bool,
    /// Directory of the sample course.
    #[arg(long, default_value_os_t = sample_course())]
    course: PathBuf,
}

/// The sample course of the tree this executable was built in, or else of the directory one is in.
fn sample_course() -> PathBuf {
    let sample = Path::new("examples/durable-workflows");
    let executable = std::env::current_exe().unwrap_or_default();
    let mut trees = executable.ancestors().map(|tree| tree.join(sample));
    trees
        .find(|course| course.is_dir())
        .unwrap_or_else(|| sample.to_owned())
}

/// Runs the demo; the exit code is 0 only if every part went well.
pub(crate) async fn run(args: Args, config_file: Option<PathBuf>) -> Result<ExitCode> {
    let life = Lifecycle::with_signals().context("signals cannot be handled")?;
    if let Some(gateway) = &args.gateway {
        let data_dir = args.stack.data_dir()?;
        return tokio::select! {
            told = tell(&args, gateway, data_dir.root()) => told.map(|()| ExitCode::SUCCESS),
            () = life.stopping() => Err(stopped()),
        };
    }
    let Some(stack) = Stack::start_unless_stopped(&args.stack, config_file, &life).await? else {
        return Ok(ExitCode::FAILURE);
    };
    let told = tokio::select! {
        told = tell(&args, &stack.endpoints.gateway, stack.data_dir.root()) => {
            told.and_then(|()| crate::print(&format!("Mails       {}\n", stack.data_dir.root().join("mail").display())).map(drop))
        }
        error = stack.engine_failure() => Err(error),
        () = life.stopping() => Err(stopped()),
    };
    if told.is_ok() && !args.exit {
        crate::print("\nServing until Ctrl-C.\n")?;
        tokio::select! {
            () = life.stopping() => {}
            error = stack.engine_failure() => {
                stack.stop().await?;
                return Err(error);
            }
        }
    }
    stack.stop().await?;
    told.map(|()| ExitCode::SUCCESS)
}

fn stopped() -> anyhow::Error {
    anyhow::anyhow!("stopped before the demo was over")
}

/// The story itself; what it made is noted below `root`.
async fn tell(args: &Args, gateway: &str, root: &Path) -> Result<()> {
    let client = Client::sign_in(gateway, root).await?;
    let course_id = course::prepare(&client, &args.course, root).await?;

    crate::print(&format!("\nPublishing course {course_id}\n"))?;
    let begun = Instant::now();
    let accepted = client.publish(course_id).await?;
    let status = stepper::follow(&client, course_id).await?;
    if let (PublishState::Failed | PublishState::Cancelled, error) = (status.state(), &status.error) {
        let (error, state) = (error.clone().unwrap_or_default(), status.state());
        anyhow::bail!("the publish ended {state:?}: {} ({})", error.message, error.code);
    }
    let left_out = &status.warnings;
    ensure!(left_out.is_empty(), "the publish left lessons out: {left_out:?}");
    let (version, seconds) = (accepted.version, begun.elapsed().as_secs_f64());
    crate::print(&format!("Published version {version} in {seconds:.1} s\n"))?;

    for question in course::questions(&args.course)? {
        let answer = client.ask(course_id, &question.question).await?;
        crate::print(&shown(&question.question, &answer))?;
        check(&question, &answer)?;
    }

    let enrollment = learning::tell(&client, &args.course, root, course_id).await?;

    crate::print("\nTime of each step of the publish\n")?;
    for step in &status.steps {
        let both = step.started_at.as_ref().zip(step.finished_at.as_ref());
        let took = both.and_then(|(begin, end)| Some((to_time(end)? - to_time(begin)?).as_seconds_f64()));
        let seconds = took.unwrap_or_default();
        crate::print(&format!("  {:<24} {seconds:>7.2} s\n", step.label))?;
    }
    crate::print(&format!(
        "\nAPI         {gateway}\nAPI docs    {gateway}/docs\nWorkflow    {}\nEnrollment  {}\n",
        link(&status.temporal_url, &status.workflow_id),
        link(&enrollment.temporal_url, &enrollment.workflow_id),
    ))?;
    Ok(())
}

/// The address in the Temporal UI, or the id where there is no UI.
fn link<'a>(url: &'a str, workflow_id: &'a str) -> &'a str {
    if url.is_empty() { workflow_id } else { url }
}

fn shown(question: &str, answer: &Answer) -> String {
    let mut text = format!("\nQ  {question}\nA  {}\n", answer.answer.replace('\n', "\n   "));
    for citation in &answer.citations {
        let place = match (citation.page, citation.start_seconds) {
            (Some(page), _) => format!(", page {page}"),
            (None, Some(seconds)) => format!(", {}:{:02}", seconds as u64 / 60, seconds as u64 % 60),
            (None, None) => String::new(),
        };
        text.push_str(&format!(
            "   [{}] {} › {}, version {}{place}\n",
            citation.n, citation.module_title, citation.lesson_title, citation.version
        ));
    }
    text
}

/// An answer that is wrong fails the demo: it must cite the expected lesson, or refuse.
fn check(question: &course::Question, answer: &Answer) -> Result<()> {
    let asked = &question.question;
    if !question.answerable {
        let silent = answer.refused && answer.citations.is_empty();
        ensure!(silent, "the course does not answer “{asked}”, but an answer came");
        return Ok(());
    }
    let cited = !answer.refused && !answer.citations.is_empty();
    ensure!(cited, "the course answers “{asked}”, but it was refused");
    if let Some(lesson) = &question.lesson {
        let mut cited = answer.citations.iter().map(|citation| &citation.lesson_title);
        ensure!(
            cited.any(|title| title == lesson),
            "the answer to “{asked}” does not cite “{lesson}”"
        );
    }
    if let Some(words) = &question.contains {
        ensure!(
            answer.answer.contains(words),
            "the answer to “{asked}” lacks “{words}”"
        );
    }
    Ok(())
}
