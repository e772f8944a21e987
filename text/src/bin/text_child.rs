//! The limited child process by itself, for this crate's tests. The product's executable calls
//! [`smartcourse_text::child_main`] from a hidden subcommand instead.

use std::process::ExitCode;

fn main() -> ExitCode {
    smartcourse_text::child_main(std::env::args_os().skip(1))
}
