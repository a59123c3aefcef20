//! How far a download is: a bar on a terminal, plain lines every few seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use hub_client::Watch;
use untrusted_input::thousands;

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows the download of one file after the other.
pub(super) struct Downloads {
    quiet: bool,
    name: String,
    total: Option<u64>,
    position: u64,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Downloads {
    /// With `quiet` only what the user must know is said.
    pub fn new(quiet: bool) -> Self {
        Self { quiet, name: String::new(), total: None, position: 0, bar: None, last_line: Instant::now() }
    }

    fn line(&self) -> String {
        let position = thousands(self.position / 1_000_000);
        match self.total {
            Some(total) => format!(
                "{}: {position}/{} MB ({}%)",
                self.name,
                thousands(total.div_ceil(1_000_000)),
                100 * self.position / total.max(1)
            ),
            None => format!("{}: {position} MB", self.name),
        }
    }
}

impl Watch for Downloads {
    fn begin(&mut self, name: &str, bytes: Option<u64>, at: u64) {
        (self.name, self.total, self.position) = (name.to_owned(), bytes, at);
        self.last_line = Instant::now();
        if self.quiet {
            return;
        }
        if !std::io::stderr().is_terminal() {
            super::say(&format!("fetching {name}, {}", size(bytes)));
            return;
        }
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr());
        let template = "{msg} {wide_bar} {percent:>3}% {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(name.to_owned());
        bar.set_position(at);
        bar.reset_eta();
        self.bar = Some(bar);
    }

    fn advance(&mut self, bytes: u64) {
        self.position += bytes;
        if let Some(bar) = &self.bar {
            bar.set_position(self.position);
        } else if !self.quiet && self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            super::say(&self.line());
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn note(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => super::say(text),
        }
    }
}

/// A length for people.
pub(super) fn size(bytes: Option<u64>) -> String {
    match bytes {
        None => "of unknown size".to_owned(),
        Some(bytes @ ..100_000) => format!("{} bytes", thousands(bytes)),
        Some(bytes @ ..10_000_000_000) => format!("{:.1} MB", bytes as f64 / 1e6),
        Some(bytes) => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
