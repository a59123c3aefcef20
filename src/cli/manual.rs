//! `gpt2-eval completions` and `gpt2-eval man`: what shells and `man` know of this program.

use anyhow::Context;
use clap::CommandFactory;
use clap_mangen::Man;

use super::arguments::{Arguments, CompletionsArguments, ManualArguments};

/// The script that completes this program's arguments in a shell.
pub(super) fn completions(arguments: &CompletionsArguments) -> anyhow::Result<String> {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "gpt2-eval", &mut script);
    String::from_utf8(script).context("the script is no UTF-8")
}

/// The manual page of the program, or all pages as files of a directory.
pub(super) fn manual(arguments: &ManualArguments) -> anyhow::Result<String> {
    let command = Arguments::command();
    let Some(directory) = &arguments.out else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page).context("cannot write the page")?;
        return String::from_utf8(page).context("the page is no UTF-8");
    };
    let place = || format!("cannot write manual pages to {}", directory.display());
    std::fs::create_dir_all(directory).with_context(place)?;
    clap_mangen::generate_to(command, directory).with_context(place)?;
    Ok(format!("{}\n", directory.join("gpt2-eval.1").display()))
}
