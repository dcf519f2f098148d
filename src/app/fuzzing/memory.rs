//! Memory and work that an input costs, counted and not timed: what was allocated by the thread that reads it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Bytes that may be in use at once, whatever the input is: batches on their way, buffers of decompressors.
const ROOM: isize = 256 << 20;

/// Bytes that may be in use at once for each byte of the input.
const PEAK: isize = 1024;

/// Bytes that may be allocated in all: a measure of the work that is done.
const WORK: isize = 4 << 30;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
    static ALL: Cell<isize> = const { Cell::new(0) };
}

/// Runs a check on an input of that length, in bounds of memory and work.
pub(super) fn bounded(length: usize, check: impl FnOnce()) {
    let length = isize::try_from(length).unwrap_or(isize::MAX);
    let before = LIVE.get();
    MOST.set(before);
    ALL.set(0);
    check();
    let (most, all) = (MOST.get() - before, ALL.get());
    let room = length.saturating_mul(PEAK).saturating_add(ROOM);
    assert!(most <= room, "{most} bytes at once for an input of {length}");
    let work = length.saturating_mul(1 << 16).saturating_add(WORK);
    assert!(all <= work, "{all} bytes were allocated for an input of {length}");
}

/// The system's allocator, which counts.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: isize) {
    // A thread that ends has no counters any more.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = MOST.try_with(|most| most.set(most.get().max(live.get())));
    });
    if bytes > 0 {
        let _ = ALL.try_with(|all| all.set(all.get().saturating_add(bytes)));
    }
}

// SAFETY: each call is handed to the system's allocator as it is; the counters allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promises are those that this call needs.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.cast_signed() - layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}
