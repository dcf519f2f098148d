//! The signals that end a command.
//!
//! They are listened to in one place, for the whole process and from early on, and what has come is
//! kept: whoever asks later, between two loads of a replay too, sees it.

use std::sync::{Mutex, PoisonError};

use crate::app::interrupts::Interrupts;
use crate::error::Result;

/// What this process has heard, once it listens.
static HEARD: Mutex<Option<Interrupts>> = Mutex::new(None);

/// Listens from the first call on, which has to come while this process has but one thread.
///
/// # Errors
/// Where the process has no file handles left.
pub fn heard() -> Result<Interrupts> {
    let mut heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    match &*heard {
        Some(heard) => Ok(heard.clone()),
        None => Ok(heard.insert(Interrupts::of_signals(|exit| std::process::exit(exit as i32))?).clone()),
    }
}
