//! Memory that a thread keeps from one task to the next: fresh memory would be cleared by the system every time.

use std::cell::Cell;
use std::thread::LocalKey;

/// A thread's memory of one kind.
pub type Kept<T> = LocalKey<Cell<T>>;

/// Lends this thread's memory to `task`, and keeps what it leaves there.
///
/// A task that is started while another has the memory, as happens where a thread that waits for parallel work
/// takes up other work, gets empty memory of its own.
pub fn with_kept<T: Default, R>(kept: &'static Kept<T>, task: impl FnOnce(&mut T) -> R) -> R {
    let mut memory = kept.take();
    let result = task(&mut memory);
    kept.set(memory);
    result
}
