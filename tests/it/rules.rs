//! The rules of the harness, held by machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use smartcourse_workflows::{
    activities::{GENERATING, ONBOARDING, PUBLISHING, UPKEEP},
    contract::{Contract, Idempotence},
};

/// Which crates of ours each room may use. Nothing else may.
const MAY_USE: [(&str, &[&str]); 25] = [
    ("telemetry", &[]),
    ("monitoring", &["telemetry"]),
    ("proto", &[]),
    ("minilm", &[]),
    ("text", &[]),
    ("retrieval", &[]),
    ("launcher", &[]),
    ("workflows", &["proto"]),
    ("platform", &["proto", "retrieval", "telemetry"]),
    (
        "engines",
        &["proto", "platform", "minilm", "retrieval", "telemetry"],
    ),
    ("user", &["proto", "platform"]),
    ("course", &["proto", "platform", "workflows", "telemetry"]),
    (
        "content",
        &["proto", "platform", "text", "retrieval", "telemetry"],
    ),
    (
        "assistant",
        &["proto", "platform", "retrieval", "telemetry", "workflows"],
    ),
    ("enrollment", &["proto", "platform", "workflows"]),
    ("progress", &["proto", "platform", "retrieval"]),
    ("notification", &["proto", "platform"]),
    ("analytics", &["proto", "platform"]),
    ("operations", &["proto", "platform"]),
    ("gateway", &["proto", "platform", "telemetry"]),
    ("activities", &["proto", "platform", "workflows", "telemetry"]),
    (
        "worker",
        &["proto", "platform", "workflows", "activities", "telemetry"],
    ),
    ("tests", &["launcher", "engines", "platform", "proto"]),
    (
        "bench",
        &[
            "tests",
            "launcher",
            "minilm",
            "engines",
            "workflows",
            "platform",
            "proto",
            "retrieval",
            "text",
        ],
    ),
    (
        "cli",
        &[
            "telemetry",
            "proto",
            "platform",
            "engines",
            "workflows",
            "activities",
            "worker",
            "launcher",
            "text",
            "user",
            "course",
            "content",
            "assistant",
            "enrollment",
            "progress",
            "notification",
            "analytics",
            "operations",
            "gateway",
        ],
    ),
];

/// Client crates of servers and providers: only the room of the adapters may name one.
const VENDORS: [&str; 14] = [
    "anthropic",
    "async-openai",
    "elasticsearch",
    "fred",
    "lapin",
    "lettre",
    "mongodb",
    "object_store",
    "opensearch",
    "qdrant-client",
    "rdkafka",
    "redis",
    "temporalio-client",
    "web-push-native",
];
/// Crates a workflow must not see: clocks, randomness, input and output.
const NOT_IN_WORKFLOWS: [&str; 9] = [
    "tokio",
    "rand",
    "chrono",
    "time",
    "reqwest",
    "tonic",
    "sqlx",
    "temporalio-client",
    "temporalio-sdk",
];

#[test]
fn rooms_use_only_what_they_may() -> Result<()> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(crate::root())
        .output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let rules: BTreeMap<&str, &[&str]> = MAY_USE.into_iter().collect();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().context("packages")? {
        let name = package["name"].as_str().unwrap_or_default();
        let room = name
            .strip_prefix("smartcourse-")
            .with_context(|| format!("{name} is not named like a room"))?;
        let allowed = rules
            .get(room)
            .with_context(|| format!("no rule for {room}: add one"))?;
        for dependency in package["dependencies"].as_array().context("dependencies")? {
            let used = dependency["name"].as_str().unwrap_or_default();
            if dependency["kind"] == "dev" {
                continue;
            }
            if let Some(other) = used.strip_prefix("smartcourse-")
                && !allowed.contains(&other)
            {
                wrong.push(format!("{room} uses {other}"));
            }
            // A worker polls through a client of its own, and benchmarks compare with one.
            let is_worker = used == "temporalio-client" && ["worker", "bench"].contains(&room);
            // Tests look past the adapters.
            if VENDORS.contains(&used) && !["engines", "tests"].contains(&room) && !is_worker {
                wrong.push(format!("{room} names {used}"));
            }
            if room == "workflows" && NOT_IN_WORKFLOWS.contains(&used) {
                wrong.push(format!("workflows names {used}"));
            }
            // The default features of the schema are clients and servers.
            if room == "workflows"
                && used == "smartcourse-proto"
                && dependency["uses_default_features"] != false
            {
                wrong.push("workflows uses more than the messages of proto".to_owned());
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Every Rust file, also those that are not committed yet.
pub(crate) fn sources() -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"])
        .current_dir(crate::root())
        .output()?;
    ensure!(output.status.success(), "git ls-files failed");
    Ok(String::from_utf8(output.stdout)?
        .lines()
        .map(|line| crate::root().join(line))
        .filter(|path| path.is_file())
        .collect())
}

#[test]
fn no_file_is_longer_than_400_lines() -> Result<()> {
    let mut long = Vec::new();
    for path in sources()? {
        let lines = std::fs::read_to_string(&path)?.lines().count();
        if lines > 400 {
            long.push(format!("{}: {lines}", path.display()));
        }
    }
    ensure!(long.is_empty(), "two files each:\n{}", long.join("\n"));
    Ok(())
}

/// Each schema has one service that names it in its SQL.
#[test]
fn services_name_only_their_own_schema() -> Result<()> {
    let services = [
        "user",
        "course",
        "content",
        "assistant",
        "enrollment",
        "progress",
        "notification",
        "analytics",
    ];
    let mut wrong = Vec::new();
    for path in sources()? {
        let text = path.to_string_lossy().into_owned();
        let Some(service) = services
            .iter()
            .find(|name| text.contains(&format!("services/{name}/src")))
        else {
            continue;
        };
        let code = std::fs::read_to_string(&path)?;
        for other in services.iter().filter(|other| *other != service) {
            for verb in ["from", "into", "update", "join"] {
                if code.contains(&format!("{verb} {other}."))
                    || code.contains(&format!("{verb} \"{other}\"."))
                {
                    wrong.push(format!("{}: {verb} {other}.*", path.display()));
                }
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// No two modules side by side use each other, whatever is within them.
#[test]
fn no_two_modules_use_each_other() -> Result<()> {
    let mut uses = BTreeSet::new();
    for path in sources()? {
        let text = path.strip_prefix(crate::root())?.to_string_lossy();
        let Some((room, file)) = text.rsplit_once("/src/") else {
            continue;
        };
        let mut module: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
        module.pop_if(|name| ["mod", "lib", "main"].contains(name));
        let code = std::fs::read_to_string(&path)?;
        let code = code.split("#[cfg(test)]").next().unwrap_or_default().lines();
        let code: String = code.filter(|line| !line.trim_start().starts_with("//")).collect();
        for used in paths(&code, &module) {
            let both = module.iter().zip(&used);
            let same = both.take_while(|(one, other)| one == other).count();
            if same < module.len().min(used.len()) {
                let name = |path: &[&str]| format!("{room}::{}", path[..=same].join("::"));
                uses.insert((name(&module), name(&used)));
            }
        }
    }
    let circle = uses
        .iter()
        .find(|(one, other)| one < other && uses.contains(&(other.clone(), one.clone())));
    ensure!(circle.is_none(), "move what they share: {circle:?}");
    Ok(())
}

/// The paths this code of a module names, from the root of its crate.
fn paths<'a>(code: &'a str, module: &[&'a str]) -> Vec<Vec<&'a str>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        let code = &code[at..];
        let end = code.find(|letter: char| !letter.is_alphanumeric() && !"_:".contains(letter));
        let path = &code[..end.unwrap_or(0)];
        // Of lists, those of a `use` alone: they end with it.
        let end = if path.ends_with("::") { code.find(';') } else { end };
        let path = &code[..end.unwrap_or(0)];
        let mut lists = vec![module.to_vec()];
        for piece in path.split_inclusive(['{', ',', '}']) {
            let mut path = lists.last().cloned().unwrap_or_default();
            for name in piece.trim_end_matches(['{', ',', '}']).split("::") {
                match name.trim() {
                    "crate" => path.clear(),
                    "super" => drop(path.pop()),
                    "self" | "" => {}
                    name => path.push(name),
                }
            }
            found.push(path.clone());
            match piece.chars().next_back() {
                Some('{') => lists.push(path),
                Some('}') => drop(lists.pop()),
                _ => {}
            }
        }
    }
    found
}

/// docs/ERRORS.md is written from the code. `SMARTCOURSE_RECORD=1` writes it anew.
#[test]
fn the_error_page_names_every_code() -> Result<()> {
    let mut page = String::from(
        "# Errors\n\nEvery code the API answers, in the `code` field of a problem document (RFC 9457), in the `ErrorInfo` of a gRPC\n\
         status, and as the type of a Temporal application failure. Written from the `codes.rs` of each service.\n\n\
         | code | HTTP | retried by workflows | cause | remedy |\n|---|---|---|---|---|\n",
    );
    let errors = crate::errors::all();
    for code in errors.codes {
        let status = smartcourse_platform::Error::new(code, "").http_status().as_u16();
        let retried = if code.kind.is_retryable() { "yes" } else { "no" };
        page.push_str(&format!(
            "| `{}` | {status} | {retried} | {} | {} |\n",
            code.code, code.cause, code.remedy
        ));
    }
    page.push_str("\n## Warnings of a publish\n\nThe publish completes, and each lesson is named in `warnings`. All but `nothing_to_quote`, `hard_to_find` and `machine_transcript` say that it was left out.\n\n| code | meaning |\n|---|---|\n");
    for (code, meaning) in errors.warnings {
        page.push_str(&format!("| `{code}` | {meaning} |\n"));
    }
    recorded("docs/ERRORS.md", page)
}

/// The tables of docs/ARCHITECTURE.md are written from the declarations. `SMARTCOURSE_RECORD=1` writes them anew.
#[test]
fn the_architecture_names_every_activity() -> Result<()> {
    let (path, end) = ("docs/ARCHITECTURE.md", "\n\n<!-- declared -->");
    let mut page = std::fs::read_to_string(crate::root().join(path))?;
    for (name, contract) in [
        ("publishing", PUBLISHING),
        ("onboarding", ONBOARDING),
        ("generating", GENERATING),
        ("upkeep", UPKEEP),
    ] {
        let begin = format!("<!-- declared: {name} -->\n\n");
        let (head, rest) = page.split_once(&begin).context(begin.clone())?;
        let (_, tail) = rest.split_once(end).context("the end of a table")?;
        page = format!("{head}{begin}{}{end}{tail}", table(&contract));
    }
    recorded(path, page)
}

/// A row for each activity, those of the steps first.
fn table(contract: &Contract) -> String {
    let mut rows = vec![
        "| step | activity | what it does | comes twice | undone by |".to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    let mut entered = 0;
    for activity in contract.activities.iter().chain(contract.apart) {
        let step = match activity.step {
            None => "–".to_owned(),
            Some(step) if step.number == entered => String::new(),
            Some(step) => format!("{} {}", step.number, step.label),
        };
        entered = activity.step.map_or(0, |step| step.number);
        let twice = match activity.idempotence {
            Idempotence::Reads => "reads",
            Idempotence::NaturalKey => "natural key",
            Idempotence::AttemptKey => "attempt, epoch or run",
            Idempotence::Sweep => "sweeps",
        };
        let undo = match activity.undo {
            [undo] => format!("`{}`", undo.name),
            _ => "–".to_owned(),
        };
        let (name, does) = (activity.name, activity.does);
        rows.push(format!("| {step} | `{name}` | {does} | {twice} | {undo} |"));
    }
    rows.join("\n")
}

/// Whether a page is what the code says it is.
fn recorded(path: &str, page: String) -> Result<()> {
    let file = crate::root().join(path);
    if std::env::var_os("SMARTCOURSE_RECORD").is_some() {
        std::fs::write(&file, &page)?;
    }
    ensure!(
        std::fs::read_to_string(&file)? == page,
        "{path} is not what the code says: run with SMARTCOURSE_RECORD=1"
    );
    Ok(())
}
