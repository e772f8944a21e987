//! Shows a publish while it runs: a bar on a terminal, one plain line per step elsewhere, each exactly once.

use std::{io::IsTerminal as _, time::Duration};

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use smartcourse_proto::course::{PublishState, PublishStatus};
use smartcourse_workflows::activities::PUBLISHING;

use super::client::Client;

/// Pause between two reads of the status.
const POLL: Duration = Duration::from_millis(100);
/// A demo that takes longer has failed.
const DEADLINE: Duration = Duration::from_secs(600);

/// Follows the publish of a course to its end.
pub(super) async fn follow(client: &Client, course_id: i64) -> Result<PublishStatus> {
    let bar = std::io::stdout().is_terminal().then(bar).transpose()?;
    let deadline = tokio::time::Instant::now() + DEADLINE;
    let mut shown = 0;
    loop {
        let status = client.publish_status(course_id).await?;
        // A step that was over before we looked is shown all the same.
        while shown < status.step {
            shown += 1;
            let line = format!("{}…", PUBLISHING.headline(u8::try_from(shown).unwrap_or(0)));
            match &bar {
                Some(bar) => bar.set_message(line),
                None => {
                    crate::print(&format!("{line}\n"))?;
                }
            }
        }
        if let Some(bar) = &bar {
            bar.set_position(u64::try_from(status.percent).unwrap_or(0));
        }
        match status.state() {
            PublishState::Completed | PublishState::Failed | PublishState::Cancelled => {
                if let Some(bar) = bar {
                    bar.finish_and_clear();
                }
                return Ok(status);
            }
            _ if tokio::time::Instant::now() > deadline => {
                bail!("the publish is still at {} after 10 minutes", status.label)
            }
            _ => tokio::time::sleep(POLL).await,
        }
    }
}

fn bar() -> Result<ProgressBar> {
    let bar = ProgressBar::new(100);
    bar.set_style(ProgressStyle::with_template(
        "{spinner} {msg:<40} {bar:30} {percent:>3} % {elapsed}",
    )?);
    bar.enable_steady_tick(POLL);
    Ok(bar)
}
