//! Turns panics into errors.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static IS_CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, for libraries that panic on damaged input instead of returning an error.
///
/// # Errors
/// The message of the panic, which is not printed.
pub fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_CATCHING.get() {
                previous(panic);
            }
        }));
    });
    let before = IS_CATCHING.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    IS_CATCHING.set(before);
    outcome.map_err(|payload| message(payload.as_ref()))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::panic)]
    fn panics_are_errors() {
        assert_eq!(catch_panic(|| 3), Ok(3));
        assert_eq!(catch_panic(|| panic!("no {}", 1)), Err::<(), _>("no 1".to_owned()));
        assert_eq!(catch_panic(|| catch_panic(|| panic!("inner"))), Ok(Err::<(), _>("inner".to_owned())));
        assert!(!IS_CATCHING.get(), "later panics are printed");
    }
}
