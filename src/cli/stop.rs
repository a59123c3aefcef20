//! Ctrl-C, a closed terminal, and the signal that batch systems send before they kill.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Exit code of a process that the user ends by a second Ctrl-C, as shells have it.
const KILLED_BY_INTERRUPT: i32 = 130;

/// Whether the user wants the run to stop.
pub(super) struct Stop {
    wanted: Arc<AtomicBool>,
}

impl Stop {
    /// From now on the first signal asks the run to stop after the batch; the second ends the process at once.
    pub fn listen() -> anyhow::Result<Self> {
        let wanted = Arc::new(AtomicBool::new(false));
        for signal in signals() {
            // In this order: the second signal finds the flag that the first has set.
            flag::register_conditional_shutdown(signal, KILLED_BY_INTERRUPT, Arc::clone(&wanted))
                .and_then(|_| flag::register(signal, Arc::clone(&wanted)))
                .context("cannot listen for Ctrl-C")?;
        }
        Ok(Self { wanted })
    }

    /// Whether a signal came.
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
