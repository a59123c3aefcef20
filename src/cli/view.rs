//! `gpt2-eval view RUN`: the page of a run, in a browser.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use clap::Args;

use super::output::{print, say, warn};
use super::report::{Opened, UNKNOWN};
use super::serve::Server;
use super::stop::Stop;
use crate::report::{Format, Screen};
use crate::run::write_atomically;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gpt2-eval view results/RUN                    writes results/RUN/report.html and opens it
  gpt2-eval view results/RUN --no-open          only writes it
  gpt2-eval view results/RUN --serve 8080       serves it at http://127.0.0.1:8080/ until Ctrl-C, and writes nothing")]
pub(super) struct ViewArguments {
    /// Run directories; several give one page
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// File to write [default: report.html in the run directory, for one run]
    #[arg(short, long, value_name = "FILE", conflicts_with = "serve")]
    out: Option<PathBuf>,
    /// Serve the page on 127.0.0.1 at PORT, or at any free port, until Ctrl-C
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "0")]
    serve: Option<u16>,
    /// Open no browser
    #[arg(long)]
    no_open: bool,
}

/// Writes the page into the run directory and opens it, or serves it.
pub(super) fn view(arguments: &ViewArguments) -> anyhow::Result<String> {
    let opened = Opened::new(&arguments.runs)?;
    let export = opened.export(UNKNOWN);
    for warning in export.results.warnings() {
        warn(warning);
    }
    let page = Format::HTML.document(&export, Screen::FILE)?;
    if let Some(port) = arguments.serve {
        return serve(page, port, !arguments.no_open);
    }
    let path = match (&arguments.out, arguments.runs.as_slice()) {
        (Some(file), _) => file.clone(),
        (None, [run]) => run.join("report.html"),
        (None, _) => {
            bail!("several runs have one page: name its file with --out report.html, or use --serve")
        }
    };
    write_atomically(&path, &page)
        .context("the page is written beside the run; use --serve to show it without writing")?;
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
    print(&format!("{url}\n"))?;
    say("press Ctrl-C to stop");
    if is_opened {
        open(Path::new(&url));
    }
    server.run(|| stop.is_wanted());
    Ok(String::new())
}

/// Opens a file or a URL in the browser; a failure is a warning.
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
        warn(&format!("cannot start {opener} ({error}): open {} in a browser", what.display()));
    }
}
