//! Makes the sample course's handout: `examples/durable-workflows/handout.md` becomes `handout.pdf` next to it.

mod render;

use std::path::Path;

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    let course = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/durable-workflows");
    let source = course.join("handout.md");
    let markdown =
        std::fs::read_to_string(&source).with_context(|| format!("reading {}", source.display()))?;
    let target = course.join("handout.pdf");
    std::fs::write(&target, render::pdf(&markdown)?).with_context(|| format!("writing {}", target.display()))
}
