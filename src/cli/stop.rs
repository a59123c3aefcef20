//! Signals that stop a run: Ctrl-C, a closed terminal, and SIGTERM of batch systems.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Exit code after a second Ctrl-C, as in shells: 128 + SIGINT.
const KILLED_BY_INTERRUPT: i32 = 130;

/// Whether a signal has arrived.
pub(super) struct Stop {
    wanted: Arc<AtomicBool>,
}

impl Stop {
    /// Listens from now on: the first signal stops the run after the current batch, the second ends the process.
    pub fn listen() -> anyhow::Result<Self> {
        let wanted = Arc::new(AtomicBool::new(false));
        for signal in signals() {
            // The order matters: the second signal must find the flag that the first one set.
            flag::register_conditional_shutdown(signal, KILLED_BY_INTERRUPT, Arc::clone(&wanted))
                .and_then(|_| flag::register(signal, Arc::clone(&wanted)))
                .context("cannot listen for Ctrl-C")?;
        }
        Ok(Self { wanted })
    }

    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::SeqCst)
    }
}

fn signals() -> Vec<i32> {
    #[cfg(unix)]
    return vec![SIGINT, SIGTERM, signal_hook::consts::SIGHUP];
    #[cfg(not(unix))]
    return vec![SIGINT, SIGTERM];
}
