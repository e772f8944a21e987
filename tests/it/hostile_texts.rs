//! Texts made to exhaust whoever reads them harm their lesson and nothing else.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use smartcourse_tests::{Layout, World};

use crate::{LESSONS, executable};

/// The most memory the services may need more than before. A request of 4 MiB is there a few times while it passes.
#[cfg(target_os = "linux")]
const GROWTH: u64 = 200 << 20;

/// A heading of 100 kB over as many sections as fit into a request.
fn long_heading_over_many_sections() -> String {
    let mut text = format!("# {}\n\n", "h".repeat(100_000));
    text.push_str(&"## x\n\ny\n\n".repeat(200_000));
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_exhaust_their_parser_are_left_out_and_named() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let log = world.log("serve");
    ensure!(log.contains("parsers are confined"), "{log}");

    let instructor = world.sign_up("instructor").await?;
    let lesson =
        |id: &str, text: &str| json!({"id": id, "title": id, "type": "text", "content": {"markdown": text}});
    let course = instructor.course(&LESSONS).await?;
    let lessons = [
        lesson("first", LESSONS[0].1),
        lesson("sections", &long_heading_over_many_sections()),
        lesson("last", LESSONS[1].1),
    ];
    let put = instructor.put_lessons(course, &lessons).await?;
    put.expect(200)?;

    #[cfg(target_os = "linux")]
    let before = most_memory(&world)?;
    let preview = instructor
        .get(&format!("/courses/{course}/publish/preview"))
        .await?
        .expect(200)?;
    let expected = [("sections".to_owned(), "parser_limit".to_owned())];
    let named = |warnings: &serde_json::Value| -> Vec<(String, String)> {
        let text =
            |warning: &serde_json::Value, field: &str| warning[field].as_str().unwrap_or_default().to_owned();
        let warnings = warnings.as_array().map(Vec::as_slice).unwrap_or_default();
        warnings
            .iter()
            .map(|warning| (text(warning, "lesson_id"), text(warning, "code")))
            .collect()
    };
    ensure!(named(&preview["warnings"]) == expected, "{preview}");
    ensure!(preview["chunks_to_embed"] == 2, "{preview}");

    let status = instructor.publish(course).await?;
    ensure!(status["state"] == "completed", "{status}");
    ensure!(named(&status["warnings"]) == expected, "{status}");
    #[cfg(target_os = "linux")]
    {
        let grown = most_memory(&world)?.saturating_sub(before);
        ensure!(grown < GROWTH, "the services grew by {} MB", grown >> 20);
        println!("the services grew by {} MB", grown >> 20);
    }
    Ok(())
}

/// The most memory the services have had at once.
#[cfg(target_os = "linux")]
fn most_memory(world: &World) -> Result<u64> {
    let id = world.pid("serve")?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line
        .and_then(|line| line.trim().strip_suffix("kB"))
        .context(status.clone())?;
    Ok(kilobytes.trim().parse::<u64>()? << 10)
}
