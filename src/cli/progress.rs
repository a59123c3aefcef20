//! Progress of a run or of downloads: a bar on a terminal, plain lines every few seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::output::say;
use hub_client::Watch;
use untrusted_input::thousands;

const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Progress through one total of tokens, or through the bytes of one file after the other.
pub(super) struct Progress {
    unit: Unit,
    is_quiet: bool,
    /// `None` where standard error is not a terminal.
    bar: Option<ProgressBar>,
    stage: String,
    total: Option<u64>,
    /// Units that count towards the total, resumed ones included.
    position: u64,
    /// Units of this process, for the rate.
    computed: u64,
    started: Instant,
    last_line: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Tokens,
    Bytes,
}

impl Progress {
    pub fn of_tokens(total: u64, is_quiet: bool) -> Self {
        let mut progress = Self::new(Unit::Tokens, is_quiet);
        progress.restart(Some(total), 0);
        progress
    }

    /// Progress of downloads; it shows nothing between two files.
    pub fn of_downloads(is_quiet: bool) -> Self {
        Self::new(Unit::Bytes, is_quiet)
    }

    fn new(unit: Unit, is_quiet: bool) -> Self {
        let now = Instant::now();
        Self {
            unit,
            is_quiet,
            bar: None,
            stage: String::new(),
            total: None,
            position: 0,
            computed: 0,
            started: now,
            last_line: now,
        }
    }

    /// Begins a new total at `position`.
    fn restart(&mut self, total: Option<u64>, position: u64) {
        self.clear();
        (self.total, self.position, self.last_line) = (total, position, Instant::now());
        if self.is_quiet || !std::io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let template = match self.unit {
            Unit::Tokens => {
                "{msg:28} {wide_bar} {percent:>3}% {human_pos}/{human_len} tokens {rate} tokens/s {eta} left"
            }
            Unit::Bytes => "{msg} {wide_bar} {percent:>3}% {bytes}/{total_bytes} {bytes_per_sec} {eta} left",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
                let _ = text.write_str(&thousands(state.per_sec() as u64));
            };
            bar.set_style(style.with_key("rate", rate));
        }
        self.bar = Some(bar);
        self.show_stage();
    }

    fn show_stage(&self) {
        if let Some(bar) = &self.bar {
            bar.set_message(self.stage.clone());
            bar.set_position(self.position);
            bar.reset_eta();
        }
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Prints a line above the bar.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => say(text),
        }
    }

    /// [`Self::say`], but not with `--quiet`.
    pub fn note(&self, text: &str) {
        if !self.is_quiet {
            self.say(text);
        }
    }

    /// Names what runs now; `resumed` units of it are done already.
    pub fn stage(&mut self, stage: String, resumed: u64) {
        self.stage = stage;
        self.position += resumed;
        self.show_stage();
    }

    pub fn advance(&mut self, units: u64) {
        self.position += units;
        self.computed += units;
        if let Some(bar) = &self.bar {
            bar.set_position(self.position);
        } else if !self.is_quiet && self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            say(&self.line());
        }
    }

    fn line(&self) -> String {
        let Self { stage, position, .. } = self;
        let total = self.total.unwrap_or_default();
        let percent = 100 * position / total.max(1);
        match (self.unit, self.total) {
            (Unit::Tokens, _) => {
                let left = total.saturating_sub(*position) as f64 / self.rate().max(1.0);
                format!(
                    "{stage}: {}/{} tokens ({percent}%), {} tokens/s, {} left",
                    thousands(*position),
                    thousands(total),
                    thousands(self.rate() as u64),
                    HumanDuration(Duration::from_secs_f64(left)),
                )
            }
            (Unit::Bytes, None) => format!("{stage}: {} MB", thousands(position / 1_000_000)),
            (Unit::Bytes, Some(_)) => format!(
                "{stage}: {}/{} MB ({percent}%)",
                thousands(position / 1_000_000),
                thousands(total.div_ceil(1_000_000))
            ),
        }
    }

    /// Units per second.
    fn rate(&self) -> f64 {
        self.computed as f64 / self.started.elapsed().as_secs_f64().max(1e-3)
    }

    /// Removes the bar and prints tokens, time and rate.
    pub fn finish(mut self) {
        self.clear();
        if !self.is_quiet && self.computed > 0 {
            say(&format!(
                "{} tokens in {:.1} s, {} tokens/s",
                thousands(self.computed),
                self.started.elapsed().as_secs_f64(),
                thousands(self.rate() as u64)
            ));
        }
    }
}

impl Watch for Progress {
    fn begin(&mut self, name: &str, bytes: Option<u64>, at: u64) {
        name.clone_into(&mut self.stage);
        self.restart(bytes, at);
        if self.bar.is_none() && !self.is_quiet {
            say(&format!("downloading {name}, {}", size(bytes)));
        }
    }

    fn advance(&mut self, bytes: u64) {
        Self::advance(self, bytes);
    }

    fn end(&mut self) {
        self.clear();
    }

    fn note(&mut self, text: &str) {
        self.say(text);
    }
}

/// A length in bytes, MB or GB.
pub(super) fn size(bytes: Option<u64>) -> String {
    match bytes {
        None => "of unknown size".to_owned(),
        Some(bytes @ ..100_000) => format!("{} bytes", thousands(bytes)),
        Some(bytes @ ..10_000_000_000) => format!("{:.1} MB", bytes as f64 / 1e6),
        Some(bytes) => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
