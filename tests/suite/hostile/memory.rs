//! Counts the allocations of a thread, to test how much memory an input needs.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use proptest::test_runner::TestCaseError;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Bytes allocated by this thread minus bytes freed by it.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call is forwarded unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// The result of `work`, and the peak of the bytes that this thread allocated during it.
pub fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.with(Cell::get);
    PEAK.with(|peak| peak.set(before));
    let result = work();
    (result, (PEAK.with(Cell::get) - before).max(0) as usize)
}

/// The result of `work`; an error if it allocates more than a fixed amount plus a multiple of `input` bytes.
pub fn bounded<T>(input: usize, work: impl FnOnce() -> T) -> Result<T, TestCaseError> {
    const FIXED: usize = 200_000;
    const EACH: usize = 100;
    let (result, peak) = peak_of(work);
    if peak > FIXED + EACH * input {
        return Err(TestCaseError::fail(format!("{input} bytes of input took {peak} bytes of memory")));
    }
    Ok(result)
}

#[test]
fn allocations_are_counted() {
    let (kept, peak) = peak_of(|| {
        drop(vec![0_u8; 1_000_000]);
        vec![1_u8; 10_000]
    });
    assert!((1_000_000..1_001_000).contains(&peak), "{peak}");
    assert_eq!(kept.len(), 10_000);
    assert!(bounded(1, || vec![1_u8; 300_000]).is_err());
}
