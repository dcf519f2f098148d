//! The signals that end a command.
//!
//! They are listened to in one place, for the whole process and from early on, and what has come is
//! kept: whoever asks later, between two loads of a replay too, sees it.

use std::sync::{Mutex, PoisonError};

use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::process::Signal;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::asked::Askings;
use crate::app::interrupts::Interrupts;
use crate::error::{Error, Result, words};

/// What this process has heard, once it listens.
static HEARD: Mutex<Option<Interrupts>> = Mutex::new(None);

/// Listens from the first call on, which has to come while this process has but one thread. A signal
/// that comes when its handler is in place, and what the handler is to do is not, or nobody waits for it
/// yet, would fall by the way, and the one who sent it wait for ever. So they are held back until all
/// is in place.
///
/// # Errors
/// Where the process has no file handles left.
pub fn heard() -> Result<Interrupts> {
    let mut heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(heard) = &*heard {
        return Ok(heard.clone());
    }
    let failed = |e: std::io::Error| {
        Error::internal(format!("signals cannot be listened to: {}", words(&e))).caused_by(e)
    };
    let runtime = Builder::new_current_thread().enable_io().build().map_err(failed)?;
    let inside = runtime.enter();
    let unmasked = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK).map_err(|e| failed(e.into()))?;
    let mut askings = Askings::listen().map_err(failed)?;
    // Who reaches the limit on the size of files (ulimit -f) is killed by default. With the
    // signal caught the write fails instead, and is waited for like one on a full disk.
    drop(signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map_err(failed)?);
    unmasked.thread_set_mask().map_err(|e| failed(e.into()))?;
    drop(inside);
    let (tell, interrupts) = Interrupts::channel();
    let told = interrupts.clone();
    let work = async move {
        while let Some(asked) = askings.next().await {
            let before = *tell.borrow();
            match before.first {
                None => tell.send_modify(|heard| heard.first = Some(asked.exit)),
                Some(_) if !asked.insists => {}
                // The first one has not been heeded: something hangs.
                Some(first) if !told.held() => std::process::exit(first as i32),
                Some(_) => tell.send_modify(|heard| heard.again = true),
            }
        }
    };
    let thread = std::thread::Builder::new().name("signals".into());
    thread.spawn(move || runtime.block_on(work)).map_err(failed)?;
    Ok(heard.insert(interrupts).clone())
}
