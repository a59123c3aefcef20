//! How far a run is: a bar on a terminal, plain lines every few seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use untrusted_input::thousands;

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows tokens read, their rate, and the time left.
pub(super) struct Progress {
    kind: Kind,
    total: u64,
    /// Tokens that count towards the total, resumed ones included.
    position: u64,
    /// Tokens computed by this process, for the rate.
    computed: u64,
    started: Instant,
    stage: String,
}

enum Kind {
    Quiet,
    Bar(ProgressBar),
    Lines { last: Instant },
}

impl Progress {
    /// Progress towards `total` tokens.
    pub fn new(total: u64, quiet: bool) -> Self {
        let kind = if quiet {
            Kind::Quiet
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let template =
                "{msg:28} {wide_bar} {percent:>3}% {human_pos}/{human_len} tokens {rate} tokens/s {eta} left";
            if let Ok(style) = ProgressStyle::with_template(template) {
                let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
                    // A rate that cannot be shown is no reason to stop.
                    let _ = text.write_str(&thousands(state.per_sec() as u64));
                };
                bar.set_style(style.with_key("rate", rate));
            }
            Kind::Bar(bar)
        } else {
            Kind::Lines { last: Instant::now() }
        };
        Self { kind, total, position: 0, computed: 0, started: Instant::now(), stage: String::new() }
    }

    /// A line of information, above the bar.
    pub fn note(&self, text: &str) {
        match &self.kind {
            Kind::Quiet => {}
            Kind::Bar(bar) => bar.println(text),
            Kind::Lines { .. } => super::say(text),
        }
    }

    /// Names what runs now; `resumed` tokens of it are in the journal already.
    pub fn stage(&mut self, stage: String, resumed: u64) {
        self.position += resumed;
        if let Kind::Bar(bar) = &self.kind {
            bar.set_message(stage.clone());
            bar.set_position(self.position);
            bar.reset_eta();
        }
        self.stage = stage;
    }

    /// So many tokens have been read.
    pub fn advance(&mut self, tokens: u64) {
        self.position += tokens;
        self.computed += tokens;
        let line = self.line();
        match &mut self.kind {
            Kind::Quiet => {}
            Kind::Bar(bar) => bar.set_position(self.position),
            Kind::Lines { last } => {
                if last.elapsed() >= LINE_EVERY {
                    *last = Instant::now();
                    super::say(&line);
                }
            }
        }
    }

    fn line(&self) -> String {
        let rate = self.computed as f64 / self.started.elapsed().as_secs_f64().max(1e-3);
        let left = self.total.saturating_sub(self.position) as f64 / rate.max(1.0);
        format!(
            "{}: {}/{} tokens ({}%), {} tokens/s, {} left",
            self.stage,
            thousands(self.position),
            thousands(self.total),
            100 * self.position / self.total.max(1),
            thousands(rate as u64),
            HumanDuration(Duration::from_secs_f64(left)),
        )
    }

    /// Takes the bar away and says what was done.
    pub fn finish(self) {
        if let Kind::Bar(bar) = &self.kind {
            bar.finish_and_clear();
        }
        if !matches!(self.kind, Kind::Quiet) && self.computed > 0 {
            let seconds = self.started.elapsed().as_secs_f64();
            super::say(&format!(
                "{} tokens in {seconds:.1} s, {} tokens/s",
                thousands(self.computed),
                thousands((self.computed as f64 / seconds.max(1e-3)) as u64)
            ));
        }
    }
}
