//! `smartcourse demo`: the whole story on this machine, from set-up to cited answers and a certificate.

mod client;
mod course;
mod learning;
mod stepper;

use std::{path::PathBuf, process::ExitCode, time::Instant};

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
    /// End after the run instead of serving on.
    #[arg(long)]
    exit: bool,
    /// Directory of the sample course.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/durable-workflows"))]
    course: PathBuf,
}

/// Runs the demo; the exit code is 0 only if every part went well.
pub(crate) async fn run(args: Args, config_file: Option<PathBuf>) -> Result<ExitCode> {
    let life = Lifecycle::with_signals().context("signals cannot be handled")?;
    let Some(stack) = Stack::start_unless_stopped(&args.stack, config_file, &life).await? else {
        return Ok(ExitCode::FAILURE);
    };
    let told = tokio::select! {
        told = tell(&args, &stack) => told,
        error = stack.engine_failure() => Err(error),
        () = life.stopping() => Err(anyhow::anyhow!("stopped before the demo was over")),
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

/// The story itself.
async fn tell(args: &Args, stack: &Stack) -> Result<()> {
    let gateway = &stack.endpoints.gateway;
    let client = Client::sign_in(gateway, stack.data_dir.root()).await?;
    let course_id = course::prepare(&client, &args.course, stack.data_dir.root()).await?;

    crate::print(&format!("\nPublishing course {course_id}\n"))?;
    let begun = Instant::now();
    let accepted = client.publish(course_id).await?;
    let status = stepper::follow(&client, course_id).await?;
    if let (PublishState::Failed | PublishState::Cancelled, error) = (status.state(), &status.error) {
        let error = error.clone().unwrap_or_default();
        anyhow::bail!(
            "the publish ended {:?}: {} ({})",
            status.state(),
            error.message,
            error.code
        );
    }
    ensure!(
        status.warnings.is_empty(),
        "the publish left lessons out: {:?}",
        status.warnings
    );
    crate::print(&format!(
        "Published version {} in {:.1} s\n",
        accepted.version,
        begun.elapsed().as_secs_f64()
    ))?;

    for question in course::questions(&args.course)? {
        let answer = client.ask(course_id, &question.question).await?;
        crate::print(&shown(&question.question, &answer))?;
        check(&question, &answer)?;
    }

    let enrollment = learning::tell(&client, &args.course, stack.data_dir.root(), course_id).await?;

    crate::print("\nTime of each step of the publish\n")?;
    for step in &status.steps {
        let seconds = step
            .started_at
            .as_ref()
            .zip(step.finished_at.as_ref())
            .and_then(|(begin, end)| Some((to_time(end)? - to_time(begin)?).as_seconds_f64()));
        crate::print(&format!(
            "  {:<24} {:>7.2} s\n",
            step.label,
            seconds.unwrap_or_default()
        ))?;
    }
    crate::print(&format!(
        "\nAPI         {gateway}\nAPI docs    {gateway}/docs\nWorkflow    {}\nEnrollment  {}\nMails       {}\n",
        link(&status.temporal_url, &status.workflow_id),
        link(&enrollment.temporal_url, &enrollment.workflow_id),
        stack.data_dir.root().join("mail").display()
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
    if !question.answerable {
        ensure!(
            answer.refused && answer.citations.is_empty(),
            "the course does not answer “{}”, but an answer came",
            question.question
        );
        return Ok(());
    }
    ensure!(
        !answer.refused && !answer.citations.is_empty(),
        "the course answers “{}”, but it was refused",
        question.question
    );
    if let Some(lesson) = &question.lesson {
        let cited = answer
            .citations
            .iter()
            .any(|citation| citation.lesson_title == *lesson);
        ensure!(
            cited,
            "the answer to “{}” does not cite “{lesson}”",
            question.question
        );
    }
    if let Some(words) = &question.contains {
        ensure!(
            answer.answer.contains(words.as_str()),
            "the answer to “{}” lacks “{words}”",
            question.question
        );
    }
    Ok(())
}
