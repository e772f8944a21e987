//! How much of a text comes back from the files made of it, by `text/corpus/make.py`:
//! `cargo run --release -p smartcourse-text --example recall -- DIRECTORY`.
//!
//! Words are runs of letters and digits with the hyphens and apostrophes within. Recall is the share of the source's
//! words that are found, precision the share of those found that are the source's, and pairs the share of the source's
//! neighbouring words that are neighbours in what is found: the order of reading.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it prints a table")]

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use smartcourse_text::{Limits, Sandbox, Tools, child_main, promised};

/// The argument that makes this the limited child.
const CHILD: &str = "--child";

/// Words of a passage.
const WORDS: usize = 150;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|first| first == CHILD).is_some() {
        return child_main(args);
    }
    match args
        .next()
        .ok_or("usage: recall DIRECTORY".into())
        .and_then(|name| measure(Path::new(&name)))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn measure(directory: &Path) -> Result<(), Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let sandbox = Sandbox::new(program, vec![CHILD.into()], Limits::default()).with_tools(Tools::find());
    println!("| file | recall | precision | pairs |\n|---|---|---|---|");
    let entries = std::fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    files.sort();
    for file in files
        .iter()
        .filter(|file| file.extension().is_none_or(|extension| extension != "txt"))
    {
        let Ok(source) = std::fs::read_to_string(file.with_extension("txt")) else {
            continue;
        };
        let source = words(&source);
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let kind = promised(&name, None)?.kind;
        match sandbox
            .read_any(kind, std::fs::File::open(file)?, WORDS, None)
            .await
        {
            Err(error) => println!("| {name} | {error} | | |"),
            Ok(passages) => {
                let found: Vec<&str> = passages.iter().map(|passage| passage.text.as_str()).collect();
                let found = words(&found.join("\n"));
                let shared = shared(&source, &found) as f64;
                let pairs =
                    |words: &[String]| words.windows(2).map(|pair| pair.join(" ")).collect::<Vec<_>>();
                let (wanted, had) = (pairs(&source), pairs(&found));
                let share = |part: f64, whole: usize| part / whole.max(1) as f64;
                let order = share(self::shared(&wanted, &had) as f64, wanted.len());
                println!(
                    "| {name} | {:.3} | {:.3} | {order:.3} |",
                    share(shared, source.len()),
                    share(shared, found.len())
                );
            }
        }
    }
    Ok(())
}

/// The words of a text.
fn words(text: &str) -> Vec<String> {
    let within = |c: char| c.is_alphanumeric() || matches!(c, '-' | '\'' | '’');
    let text = text.to_lowercase().replace('’', "'");
    let words = text
        .split(|c: char| !within(c))
        .map(|word| word.trim_matches(['-', '\'']));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// How many words both have, each as often as the one that has it less often.
fn shared(one: &[String], other: &[String]) -> usize {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for word in other {
        *counts.entry(word).or_default() += 1;
    }
    let found = one.iter().filter(|word| {
        let left = counts.get_mut(word.as_str()).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    });
    found.count()
}
