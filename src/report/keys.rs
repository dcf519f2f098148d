//! One key from the terminal.

use std::io;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, tcflush, tcgetattr, tcgetpgrp, tcsetattr,
};

/// How long a key is waited for between two looks whether it is time to end.
const TURN: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Whether keys come to this process: one in the background would be stopped when it asks for them.
pub fn are_ours() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp())
}

/// Waits for a key and says whether it was Enter. Keys from before do not count; the end of the input, and what cannot
/// be read, are another key. So is `stopped`.
pub fn is_enter(stopped: impl Fn() -> bool) -> bool {
    let stdin = io::stdin();
    let Ok(before) = tcgetattr(&stdin) else { return false };
    let mut single = before.clone();
    // Ctrl-C is a key like others.
    single.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
    single.special_codes[SpecialCodeIndex::VMIN] = 1;
    single.special_codes[SpecialCodeIndex::VTIME] = 0;
    if tcflush(&stdin, QueueSelector::IFlush).is_err()
        || tcsetattr(&stdin, OptionalActions::Now, &single).is_err()
    {
        return false;
    }
    let key = loop {
        if stopped() {
            break None;
        }
        let mut waited = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut waited, Some(&TURN)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => {
                let mut key = [0u8; 1];
                match rustix::io::read(&stdin, &mut key) {
                    Ok(1) => break Some(key[0]),
                    Err(rustix::io::Errno::INTR) => {}
                    _ => break None,
                }
            }
            Err(_) => break None,
        }
    };
    let _ = tcsetattr(&stdin, OptionalActions::Flush, &before);
    matches!(key, Some(b'\n' | b'\r'))
}
