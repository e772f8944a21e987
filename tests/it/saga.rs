//! Each step fails for good in turn: the earlier version serves on, nothing of the new one is left, the reason is
//! readable, and publishing again works at once.

use anyhow::{Result, ensure};
use smartcourse_tests::{Layout, Traces, World, text_lessons};
use smartcourse_workflows::{activities::MarkPublished, contract::Activity as _};

use crate::{LESSONS, executable, forward};

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_for_good_leaves_no_trace() -> Result<()> {
    let mut world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    // After the flip nothing is undone.
    let before_flip = forward()
        .into_iter()
        .filter(|activity| activity.name != MarkPublished::DECLARATION.name);
    for step in before_flip.map(|activity| activity.name) {
        let course = instructor.course(&LESSONS).await?;
        ensure!(instructor.publish(course).await?["state"] == "completed");
        let before = Traces::of(&world, course, 1).await?;
        // Words no earlier course had, so that there is something to embed.
        let text = format!(
            "# Sagas\n\nThis text is new in the second version, where {step} fails, and has to be embedded."
        );
        let changed = [("Sagas", text.as_str()), LESSONS[1]];
        instructor
            .put_lessons(course, &text_lessons(&changed))
            .await?
            .expect(200)?;

        world.restart("worker", &[("SMARTCOURSE_FAIL_AT", step)]).await?;
        let status = instructor.publish(course).await?;
        ensure!(status["state"] == "failed", "{step}: {status}");
        ensure!(status["error"]["code"] == "injected", "{step}: {status}");
        ensure!(
            status["error"]["message"]
                .as_str()
                .is_some_and(|text| text.contains(step)),
            "{step}: {status}"
        );
        let left = Traces::of(&world, course, 2).await?;
        ensure!(left.none(), "{step} left {left:?}");
        let after = Traces::of(&world, course, 1).await?;
        // The seats row names the version it was last prepared for; everything else of version 1 is as it was.
        ensure!(
            Traces {
                enrollment: before.enrollment,
                ..after.clone()
            } == before,
            "{step} changed version 1: {after:?}"
        );
        let live = instructor.get(&format!("/courses/{course}")).await?.expect(200)?;
        ensure!(
            live["published_version"] == 1 && live["status"] == "published",
            "{step}: {live}"
        );

        world.restart("worker", &[]).await?;
        let again = instructor.publish(course).await?;
        ensure!(again["state"] == "completed", "{step}: {again}");
    }
    Ok(())
}
