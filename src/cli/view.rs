//! `gpt2-eval view RUN`: the page of a run, in a browser.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use super::arguments::ViewArguments;
use super::report::{Opened, UNKNOWN};
use super::say;
use super::serve::Server;
use super::stop::Stop;
use crate::report::{Format, Screen};
use crate::run::write_atomically;

/// Writes the page into the run directory and opens it, or serves it.
pub(super) fn view(arguments: &ViewArguments) -> anyhow::Result<String> {
    let opened = Opened::new(&arguments.runs)?;
    let export = opened.export(UNKNOWN)?;
    for warning in export.results.warnings() {
        say(&format!("warning: {warning}"));
    }
    let page = Format::Html.text(&export, Screen::FILE)?;
    if let Some(port) = arguments.serve {
        return serve(page, port, !arguments.no_open);
    }
    let path = match (&arguments.out, arguments.runs.as_slice()) {
        (Some(file), _) => file.clone(),
        (None, [run]) => run.join("report.html"),
        (None, _) => {
            bail!("several runs have one page: name its file with --out report.html, or show it with --serve")
        }
    };
    write_atomically(&path, &page)
        .context("the page is kept beside the run; `--serve` shows it without writing anything")?;
    if !arguments.no_open {
        let absolute = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
        open(&absolute);
    }
    Ok(format!("{}\n", path.display()))
}

fn serve(page: Vec<u8>, port: u16, is_opened: bool) -> anyhow::Result<String> {
    let stop = Stop::listen()?;
    let server = Server::bind(port, page)?;
    let url = format!("http://127.0.0.1:{}/", server.port());
    let mut output = std::io::stdout().lock();
    // Whoever started this may have closed the pipe; the page is there all the same.
    let _ = writeln!(output, "{url}").and_then(|()| output.flush());
    drop(output);
    say("Ctrl-C ends it");
    if is_opened {
        open(Path::new(&url));
    }
    server.run(|| stop.is_wanted());
    Ok(String::new())
}

/// Opens a file or an address with the platform's opener; that there is none is no reason to stop.
fn open(what: &Path) {
    let mut command = if cfg!(target_os = "macos") {
        Command::new("open")
    } else if cfg!(windows) {
        let mut command = Command::new("cmd");
        // The first quoted argument of `start` is a title.
        command.args(["/C", "start", ""]);
        command
    } else {
        Command::new("xdg-open")
    };
    command.arg(what).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Err(error) = command.spawn() {
        let opener = command.get_program().to_string_lossy().into_owned();
        say(&format!("note: cannot start {opener} ({error}): open {} in a browser", what.display()));
    }
}
