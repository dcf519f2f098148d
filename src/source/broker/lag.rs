//! How far a group is behind the end of its stream, asked for beside the reading, which stands still while the store is away.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::port::{Event, Observer};
use crate::source::broker::consumer::Behind;

/// Between two questions.
const EVERY: Duration = Duration::from_secs(5);

/// How long the last answer is waited for.
const LAST: Duration = Duration::from_secs(2);

/// Tells an observer how many messages are not settled, until it is dropped.
pub(super) struct Lag {
    /// For the last question; where it goes is told once it is answered.
    ask: Sender<Sender<()>>,
    observer: Arc<dyn Observer>,
}

impl Lag {
    /// Tells it now and then.
    pub(super) fn told(observer: Arc<dyn Observer>, mut behind: Behind) -> Self {
        let (ask, asked) = channel::<Sender<()>>();
        let told = observer.clone();
        let work = move || {
            let mut tell = || told.on(&Event::LagMessages(behind()));
            loop {
                tell();
                match asked.recv_timeout(EVERY) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                    Ok(done) => {
                        tell();
                        // Who does not wait any more has told that it is not known.
                        let _ = done.send(());
                        return;
                    }
                }
            }
        };
        // Without the thread nobody hears of it; nothing else depends on it.
        let _ = std::thread::Builder::new().name("lag".to_owned()).spawn(work);
        Self { ask, observer }
    }

    /// Tells it for the last time, now that all is settled that will be.
    pub(super) fn last(self) {
        let (tell, done) = channel();
        if self.ask.send(tell).is_err() || done.recv_timeout(LAST).is_err() {
            self.observer.on(&Event::LagMessages(None));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<Option<u64>>>);

    impl Observer for Heard {
        fn on(&self, event: &Event<'_>) {
            if let Event::LagMessages(messages) = event {
                self.0.lock().unwrap().push(*messages);
            }
        }
    }

    #[test]
    fn the_last_one_told_is_of_the_end_or_none() {
        let heard = Arc::new(Heard::default());
        let mut left = 8;
        let behind = Box::new(move || {
            left -= 1;
            Some(left)
        });
        Lag::told(heard.clone(), behind).last();
        assert_eq!(*heard.0.lock().unwrap(), [Some(7), Some(6)]);

        let heard = Arc::new(Heard::default());
        let (hold, held) = channel::<()>();
        let behind = Box::new(move || {
            // Until nobody waits any more.
            let _ = held.recv();
            None
        });
        Lag::told(heard.clone(), behind).last();
        assert_eq!(*heard.0.lock().unwrap(), [None]);
        drop(hold);
    }
}
