//! `gpt2-eval completions` and `gpt2-eval man`.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};
use clap_mangen::Man;

#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// Shell, for example `gpt2-eval completions bash > ~/.local/share/bash-completion/completions/gpt2-eval`
    #[arg(value_name = "SHELL")]
    shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManualArguments {
    /// Directory for one page per command, such as ~/.local/share/man/man1 [default: print the page of the program]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// The completion script for a shell.
pub(super) fn completions(arguments: &CompletionsArguments, mut command: Command) -> anyhow::Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "gpt2-eval", &mut script);
    String::from_utf8(script).context("the script is not UTF-8")
}

/// Prints the manual page of the program, or writes all pages into a directory.
pub(super) fn manual(arguments: &ManualArguments, command: Command) -> anyhow::Result<String> {
    let Some(directory) = &arguments.out else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page).context("cannot write the page")?;
        return String::from_utf8(page).context("the page is not UTF-8");
    };
    let cannot_write = || format!("cannot write manual pages to {}", directory.display());
    std::fs::create_dir_all(directory).with_context(cannot_write)?;
    clap_mangen::generate_to(command, directory).with_context(cannot_write)?;
    Ok(format!("{}\n", directory.join("gpt2-eval.1").display()))
}
